"""What the supervisor hands on without looking at it: the settings, pickled by the command line."""

from __future__ import annotations

import os
import pickle

from proxy.settings import Settings


def write_settings(settings: Settings) -> int:
    """A descriptor that holds the settings for whoever inherits it."""
    number = os.memfd_create("shunt-settings", 0)
    os.write(number, pickle.dumps(settings, protocol=5))
    return number


def read_settings(number: int) -> Settings:
    """The settings that a descriptor holds; it can be read any number of times."""
    settings = pickle.loads(os.pread(number, os.fstat(number).st_size, 0))
    assert isinstance(settings, Settings)
    return settings
