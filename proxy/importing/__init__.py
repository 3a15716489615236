"""Importing: what a cluster says about its traffic, in the words of rules.yaml."""
