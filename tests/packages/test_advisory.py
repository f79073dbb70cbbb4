"""From an advisory to a release: the drill on a copy of the project, and the VEX document that it writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conftest import ROOT

ADVISORY, LIBRARY, FIXED = "CVE-2099-12345", "click", "99.0"
COPIED = [
    *("Makefile", "pyproject.toml", "CHANGELOG.md", "requirements-dev.txt", "docker/advisory.py", "docker/vex.json"),
    *("docker/requirements.txt", "docker/requirements-build.txt"),
]
HASH = "0" * 64

COMPONENT = {"type": "object", "required": ["@id"], "properties": {"@id": {"pattern": "^pkg:pypi/.+@.+"}}}
VEX_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["@context", "@id", "author", "timestamp", "version", "statements"],
    "additionalProperties": False,
    "properties": {
        "@context": {"const": "https://openvex.dev/ns/v0.2.0"},
        "@id": {"pattern": "^(urn:uuid|https):"},
        "author": {"type": "string", "minLength": 1},
        "role": {"type": "string"},
        "timestamp": {"type": "string"},
        "last_updated": {"type": "string"},
        "version": {"type": "integer", "minimum": 1},
        "statements": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {
                "type": "object",
                "required": ["vulnerability", "timestamp", "products", "status"],
                "properties": {
                    "vulnerability": {"type": "object", "required": ["name"]},
                    "products": {"type": "array", "minItems": 1, "items": COMPONENT},
                    "status": {"enum": ["not_affected", "affected", "fixed", "under_investigation"]},
                    "justification": {
                        "enum": [
                            "component_not_present",
                            "vulnerable_code_not_present",
                            "vulnerable_code_not_in_execute_path",
                            "vulnerable_code_cannot_be_controlled_by_adversary",
                            "inline_mitigations_already_exist",
                        ]
                    },
                },
                "allOf": [
                    {
                        "if": {"properties": {"status": {"const": "not_affected"}}},
                        "then": {"oneOf": [{"required": ["justification"]}, {"required": ["impact_statement"]}]},
                    },
                    {
                        "if": {"properties": {"status": {"const": "affected"}}},
                        "then": {"required": ["action_statement"]},
                    },
                ],
            },
        },
    },
}
"""The required fields of OpenVEX 0.2.0 (openvex.dev), with the products that this project names."""


def check_vex(path: Path) -> dict[str, Any]:
    """Return a VEX document, which must have what OpenVEX requires."""
    document: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(document, VEX_SCHEMA)
    for each in (document, *document["statements"]):
        assert datetime.fromisoformat(each["timestamp"]).tzinfo
    return document


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project with an index that has one new version of one library."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    uv = tmp_path / ".venv" / "tools" / "uv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(
        f"""#!/bin/sh
case " $* " in *" --upgrade-package {LIBRARY}=={FIXED} "*) ;; *) exit 0 ;; esac
for last; do :; done
sed -i 's/^{LIBRARY}==[^ ]*/{LIBRARY}=={FIXED}/' "$last"
sed -i '/^{LIBRARY}==/,/^[a-z]/ s/sha256:[0-9a-f]*/sha256:{HASH}/' "$last"
"""
    )
    uv.chmod(0o755)
    return tmp_path


def drill(folder: Path, library: str = LIBRARY, fixed: str = FIXED, check: str = "true") -> tuple[int, str]:
    """Run the drill; return its exit code and what it prints."""
    command = [sys.executable, "docker/advisory.py", ADVISORY, library, fixed]
    variables = {**os.environ, "CHECK": check}
    result = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def test_the_vex_document_has_what_openvex_requires_and_names_what_is_packaged() -> None:
    document = check_vex(ROOT / "docker" / "vex.json")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    pins = (ROOT / "docker" / "requirements.txt").read_text()
    for statement in document["statements"]:
        for product in statement["products"]:
            if product["@id"].endswith(f"@{version}") and statement["status"] != "fixed":
                for part in product["subcomponents"]:
                    name, _, pinned = part["@id"].removeprefix("pkg:pypi/").partition("@")
                    assert re.search(rf"^{name}=={re.escape(pinned)}\s", pins, re.MULTILINE), part


def test_an_advisory_becomes_a_moved_pin_a_line_of_the_changelog_and_a_statement(copy: Path) -> None:
    statements = len(check_vex(copy / "docker" / "vex.json")["statements"])
    code, printed = drill(copy)
    assert code == 0, printed
    pins = (copy / "docker" / "requirements.txt").read_text()
    assert re.search(rf"^{LIBRARY}=={FIXED}.*\\\n\s+--hash=sha256:{HASH}", pins, re.MULTILINE)
    assert f"{LIBRARY}=={FIXED}" in (copy / "requirements-dev.txt").read_text()
    unreleased = (copy / "CHANGELOG.md").read_text().partition("## Unreleased\n")[2].partition("\n## ")[0]
    security = unreleased.partition("### Security\n")[2].partition("\n### ")[0]
    assert re.search(rf"^- {LIBRARY} {FIXED} instead of [\d.]+, which has {ADVISORY}\.$", security, re.MULTILINE)
    document = check_vex(copy / "docker" / "vex.json")
    assert len(document["statements"]) == statements + 1
    assert document["statements"][-1]["vulnerability"] == {"name": ADVISORY}
    assert document["statements"][-1]["status"] == "fixed"
    code, printed = drill(copy)
    assert (code, "Nothing to move" in printed) == (1, True)


def test_a_failed_check_documents_nothing(copy: Path) -> None:
    before = [(copy / name).read_text() for name in ("CHANGELOG.md", "docker/vex.json")]
    code, _ = drill(copy, check="false")
    assert code != 0
    assert [(copy / name).read_text() for name in ("CHANGELOG.md", "docker/vex.json")] == before


@pytest.mark.parametrize(
    ("library", "fixed", "words"),
    [
        ("django", "99.0", "is not in"),
        (LIBRARY, "98.0", "pyproject.toml does not allow 98.0"),
        (LIBRARY, "1.0", "Nothing"),
    ],
    ids=["not packaged", "not allowed", "fixed already"],
)
def test_what_cannot_be_moved_is_reported(copy: Path, library: str, fixed: str, words: str) -> None:
    code, printed = drill(copy, library, fixed)
    assert (code, words in printed) == (1, True), printed
