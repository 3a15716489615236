"""The control plane over workers in memory."""
