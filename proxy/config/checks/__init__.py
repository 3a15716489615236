"""Checks: what no type can say. Each looks at the tree in long form and reports every fault it finds.

They look at what is there and pass over what is not of its type: that is reported by validation, and
so one file's faults are all known at once.
"""
