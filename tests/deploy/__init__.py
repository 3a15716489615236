"""Manifests, images and compose files: what people deploy must be what they would merge."""
