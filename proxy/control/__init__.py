"""The control plane: everything that changes the table, and everybody who may ask for it."""
