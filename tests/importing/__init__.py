"""Importers: what a cluster says must come out as rules that load and mean the same."""
