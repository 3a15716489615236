"""`python -m proxy.cli` is `shunt`."""

from __future__ import annotations

from proxy.cli import main

main()
