"""`shunt demo`: all of Shunt in one terminal, with nothing to set up."""

from proxy.demo.play import main

__all__ = ["main"]
