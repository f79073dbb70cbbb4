"""What the documentation shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.maps import load_map
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
MAP = "registers:\n  - {address: 0, name: power, type: int32, value: power_net, unit: W}\n"

EXAMPLES = [(page, number, text) for page in PAGES for number, text in enumerate(BLOCK.findall(page.read_text()))]


@pytest.mark.parametrize(
    ("page", "text"), [(page, text) for page, _, text in EXAMPLES], ids=[f"{p.stem}-{n}" for p, n, _ in EXAMPLES]
)
def test_every_example_is_right(page: Path, text: str, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(text)
    if re.search(r"^registers:", text, re.MULTILINE):
        load_map(file)
        return
    # The one file that an example names and does not show.
    (tmp_path / "my_maps").mkdir()
    (tmp_path / "my_maps" / "plant.yaml").write_text(MAP)
    load_config(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing
