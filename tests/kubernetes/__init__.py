"""Kubernetes: the API server as it is, with its conflicts, its forgetting and its absences."""
