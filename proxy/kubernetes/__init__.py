"""Kubernetes: what the API server says is followed, and several replicas share one truth there."""
