"""Everything that the documentation shows works as it is shown."""

from __future__ import annotations

import re
import struct
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import load_config, load_maps
from gateway.exports import ExportedUnit, Target, export
from gateway.maps.load import find_map, load_map
from gateway.protocol.p1.variants import VARIANTS
from gateway.ser2net import convert
from tests.config.faults import FOUR_LINES
from tests.conftest import ROOT
from tests.documentation import DOCS, README, Block, blocks, files, page_id, pages
from tests.test_architecture import LOOSE, ROOMS

PAGES = pages()
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
METERS = DOCS / "meters.md"
ARCHITECTURE = DOCS / "architecture.md"
SHOWN_NOWHERE = "my_maps/plant.yaml"
MAP = "registers:\n  - {address: 0, name: power, type: int32, value: power_net, unit: W}\n"
EXAMPLES = [
    (page, number, block.text)
    for page in PAGES
    for number, block in enumerate(block for block in blocks(page) if block.kind == "yaml")
]
OF_CLIENTS = [
    block for page in PAGES for block in blocks(page) if " " in block.kind and block.kind.split()[0] in ("yaml", "toml")
]


@pytest.mark.parametrize(
    ("page", "text"), [(page, text) for page, _, text in EXAMPLES], ids=[f"{page_id(p)}-{n}" for p, n, _ in EXAMPLES]
)
def test_every_example_is_valid(page: Path, text: str, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(text)
    if re.search(r"^registers:", text, re.MULTILINE):
        load_map(file)
        return
    (tmp_path / "my_maps").mkdir()
    for name, shown in {SHOWN_NOWHERE: MAP, **files(page)}.items():
        (tmp_path / name).write_text(shown)
    config = load_config(file)
    load_maps(config, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_table_has_a_line_per_row(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert [line for line in lines if re.search(r"\|( *:?-{3,}:? *\|)+", line) and line.strip(" |:-")] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_command_hides_in_a_fence(page: Path) -> None:
    fences = [block for block in blocks(page) if block.kind != "commands"]
    assert [block.line for block in fences if re.search(r"^(\$ )?(dsmr-gateway|make) ", block.text, re.MULTILINE)] == []


def test_every_page_is_reached_from_the_index() -> None:
    reached, found = set[Path](), [README, DOCS / "README.md"]
    while found:
        page = found.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        found += [page.parent / target for target in LINK.findall(page.read_text())]
    assert [page_id(page) for page in PAGES if page.resolve() not in reached] == []


def test_the_settings_of_each_meter_are_those_that_the_gateway_takes() -> None:
    rows = re.findall(r"^\| .+ \| `\"?(\w[\w.-]*)\"?` \| (\d+ \w+) \| (.+?) \|", METERS.read_text(), re.MULTILINE)
    assert {key for key, _, _ in rows} == VARIANTS.keys()
    for key, line, pace in rows:
        variant = VARIANTS[key]
        assert line == str(variant.line)
        assert pace.startswith("each second" if variant.cadence_s == 1 else f"every {variant.cadence_s:g} s")
        assert ("without checksum" in pace) is not variant.has_checksum


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [requirement for each in project["optional-dependencies"].values() for requirement in each]
    names = {re.split(r"[<>=\[; ]", requirement)[0] for requirement in project["dependencies"] + extras}
    text = (DOCS / "decisions" / "dependencies.md").read_text()
    assert {name for name in names if not re.search(rf"^\|.*\b{name}\b", text, re.MULTILINE)} == set()


def test_every_file_that_the_architecture_names_is_there() -> None:
    named = re.findall(r"`((?:gateway|tests|docs|register_maps)/[\w./*-]*)`", ARCHITECTURE.read_text())
    assert len(named) > 50
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_the_architecture_shows_the_rooms_and_imports_that_are_allowed() -> None:
    rows = re.findall(r"^\| `gateway/(\w+)/` \| .+ \| .+ \|(.*)\|$", ARCHITECTURE.read_text(), re.MULTILINE)
    shown = {room: set(re.findall(r"\w+", uses)) for room, uses in rows}
    assert shown.pop("cli") == {"every", "room"}
    allowed = {room: set(rule.uses.split()) - LOOSE for room, rule in ROOMS.items() if room != "cli"}
    assert shown == allowed


def test_every_module_has_a_test_of_its_name_or_says_what_covers_it() -> None:
    rows = re.findall(r"^\| (`gateway/.+?) \| .*`tests/.* \|$", ARCHITECTURE.read_text(), re.MULTILINE)
    covered = {path for row in rows for name in re.findall("`(.+?)`", row) for path in ROOT.glob(name)}
    modules = {path for path in (ROOT / "gateway").rglob("*.py") if not path.stem.startswith("__")}
    tests = ROOT / "tests"
    bare = {
        path
        for path in modules
        if not (tests / path.relative_to(ROOT / "gateway")).with_name(f"test_{path.name}").is_file()
        and not (tests / path.parent.relative_to(ROOT / "gateway").parent / f"test_{path.name}").is_file()
    }
    assert sorted(str(path.relative_to(ROOT)) for path in bare - covered) == []


def test_the_problems_of_a_configuration_are_shown_as_they_are_printed() -> None:
    assert "\n".join(FOUR_LINES) in (DOCS / "troubleshooting.md").read_text()


def test_the_values_of_a_wrong_type_are_those_of_the_table() -> None:
    text = (DOCS / "troubleshooting.md").read_text()
    words = struct.pack(">i", -3127)
    high, low = words[:2], words[2:]
    assert f"-3127 as {int.from_bytes(words, 'big')} |" in text
    assert f"-3127 as {int.from_bytes(low, 'big')} or {int.from_bytes(high, 'big')} |" in text
    assert f"-3127 as {int.from_bytes(low + high, 'big', signed=True)} |" in text


# Files for other programs, each checked by what can check it here


def _is_part_of(part: Any, whole: Any) -> bool:
    """Return whether `whole` has all that `part` has; the items of a list may be in any order."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(_is_part_of(value, whole.get(key)) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_is_part_of(item, each) for each in whole) for item in part)
    return bool(part == whole)


def _is_exported(form: str, parse: Callable[[str], Any], block: Block) -> None:
    """Check that the block is the output of the page's export command, or a part of it."""
    (command,) = {
        match
        for other in blocks(block.page)
        if other.kind == "commands"
        for match in re.findall(rf"dsmr-gateway export {form} (.*?)(?: >|$)", other.text, re.MULTILINE)
    }
    words = [word for word in command.split() if word != "--present"]
    options = dict(zip(words[::2], words[1::2], strict=True))
    register_map = load_map(find_map(options.get("--map", "dsmr"), Path()))
    unit = int(options.get("--unit", register_map.unit_id or 1))
    target = Target(options["--host"], int(options.get("--port", 502)), unit)
    assert _is_part_of(parse(block.text), parse(export(form, [ExportedUnit(register_map, target)])))


def _is_of_evcc(block: Block) -> None:
    document = yaml.safe_load(block.text)
    (meter,) = document["meters"]
    if meter["type"] == "template":
        # As https://docs.evcc.io/en/meters shows them.
        keys = {"dsmr": {"host", "port", "timeout"}, "sunspec-meter": {"modbus", "id", "host", "port"}}
        assert set(meter) - {"name", "type", "template", "usage"} <= keys[meter["template"]]
        return
    _is_exported("evcc", yaml.safe_load, block)


def _is_of_ser2net(block: Block) -> None:
    # A real one reads it too: tests/test_docs_commands.py.
    assert "passthrough:" in convert(block.text, "ser2net.yaml")


def _is_of_prometheus(block: Block) -> None:
    (job,) = yaml.safe_load(block.text)["scrape_configs"]
    # As https://prometheus.io/docs/prometheus/latest/configuration/configuration/ has them.
    assert set(job) <= {"job_name", "authorization", "static_configs", "scrape_interval"}
    (target,) = job["static_configs"][0]["targets"]
    assert re.fullmatch(r"[0-9.]+:[0-9]+", target)


CHECKS: dict[str, Callable[[Block], None]] = {
    "yaml home-assistant": lambda block: _is_exported("home-assistant", yaml.safe_load, block),
    "toml telegraf": lambda block: _is_exported("telegraf", tomllib.loads, block),
    "yaml evcc": _is_of_evcc,
    "yaml ser2net": _is_of_ser2net,
    "yaml prometheus": _is_of_prometheus,
}


@pytest.mark.parametrize("block", OF_CLIENTS, ids=lambda block: f"{page_id(block.page)}-{block.line}")
def test_what_another_program_reads_is_right(block: Block) -> None:
    CHECKS[block.kind](block)
