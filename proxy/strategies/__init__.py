"""The six strategies, one file each; three verbs: choose, copy, advance."""
