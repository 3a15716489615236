"""Shunt: a reverse proxy that moves traffic between versions without dropping a request."""

__version__ = "0.1.0"
