"""The data plane: bytes of clients become requests, requests become exchanges with targets."""
