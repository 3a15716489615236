"""The data plane: bytes of clients become requests, requests become exchanges with targets."""

from proxy.dataplane.plane import DataPlane, Observer

__all__ = ["DataPlane", "Observer"]
