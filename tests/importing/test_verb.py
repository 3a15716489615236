"""`shunt import`: rules to stdout, the account to stderr."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from proxy.cli import shunt

GUIDE = Path(__file__).parent / "guide"


def test_rules_can_be_piped_into_a_file_while_the_report_is_read() -> None:
    ran = CliRunner().invoke(shunt, ["import", str(GUIDE / "canary.yaml")])
    assert ran.exit_code == 0
    assert ran.stdout.startswith("services:")
    assert "spec.http[0].route[1].weight: taken over" in ran.stderr


def test_programs_get_rules_and_fields_as_one_document() -> None:
    ran = CliRunner().invoke(shunt, ["import", "-o", "json", str(GUIDE / "shadow.yaml")])
    found = json.loads(ran.stdout)
    assert found["faults"] == []
    assert {field["verdict"] for field in found["fields"]} == {"taken over", "remark"}


def test_rules_that_need_a_person_exit_with_3() -> None:
    arguments = ["import", str(GUIDE / "canary.yaml"), "--target", "canary=elsewhere"]
    ran = CliRunner().invoke(shunt, arguments)
    assert ran.exit_code == 3
    assert "services.my-app.versions.canary" in ran.stderr


def test_a_file_with_nothing_to_import_says_what_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")
    ran = CliRunner().invoke(shunt, ["import", str(file)])
    assert ran.exit_code == 2
    assert "VirtualService" in ran.stderr
