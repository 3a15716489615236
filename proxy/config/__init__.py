"""Configuration: text in, checked values out, or one error that names every fault with its cure."""

from __future__ import annotations

from proxy.config.check import check
from proxy.config.faults import Fault, Faults
from proxy.config.files import Source, read
from proxy.config.rules import load, rules
from proxy.config.schema import schema
from proxy.config.settings import load_settings

__all__ = ["Fault", "Faults", "Source", "check", "load", "load_settings", "read", "rules", "schema"]
