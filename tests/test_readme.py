"""The README promises snippets that work when pasted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.config import Source, rules
from proxy.table import Table
from proxy.targets import Registry

README = (Path(__file__).parent.parent / "README.md").read_text()
SNIPPETS = re.findall(r"\*\*([A-Z][^*]+)\*\*:.*?```yaml\n(.*?)```", README, re.DOTALL)


def test_every_strategy_has_a_snippet() -> None:
    named = [name for name, _ in SNIPPETS]
    assert {"Rolling", "Blue-green", "Canary", "Feature flags", "Shadow", "Progressive delivery"} <= set(named)


@pytest.mark.parametrize(("name", "text"), SNIPPETS, ids=[name for name, _ in SNIPPETS])
def test_a_pasted_snippet_is_a_whole_rules_file(name: str, text: str) -> None:
    Table.compile(rules((Source("rules.yaml", text.encode()),)), Registry())


def test_every_link_leads_somewhere() -> None:
    root = Path(__file__).parent.parent
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (root / link).exists(), link
