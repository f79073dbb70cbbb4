"""Finding 3: a file named by mistake is not shown: quotations are short, and come only from files that are mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.config import check_config
from gateway.files.document import FileError
from gateway.maps.load import load_map
from gateway.problems.problem import Problem
from gateway.problems.quoting import MAX_QUOTED_CHARACTERS, cut, cut_path, quoted

SECRET = "MIIEvQIBADANBgkqhkiG9w0BAQ"
SECRETS = {
    "a key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}EFAASCBKcwggSj\nAgEAAoIBAQ\n-----END PRIVATE KEY-----\n",
    "a password": f"{SECRET}\n",
    "a quoted text": f"'{SECRET}\n",
    "a table": f"user,password\nadmin,{SECRET}\n",
    "a table with colons": f"user:password\nadmin: {SECRET}: x\n",
    "a list": f"- {SECRET}\n- 0123\n",
    "a tag": f"!{SECRET} text\n",
    "an alias": f"*{SECRET}\n",
    "an anchor": f"&{SECRET} - x\n",
    "a directive": f"%{SECRET}\n---\na: 1\n",
    "a number": f"{SECRET.encode().hex()}\n",
    "an ambiguous number": "0" + "7123" * 6 + "\n",
    "other bytes": f"{SECRET}\xff",
}
REGISTERS = "registers: [{address: 0, name: p, type: int32, value: power_net, unit: W}]\n"


def problems_of(read: Callable[[], object]) -> list[Problem]:
    with pytest.raises(FileError) as error:
        read()
    return list(error.value.problems)


def texts(problem: Problem) -> Iterator[str]:
    yield from (str(problem), problem.short, *(str(value) for _, value in problem.values))


@pytest.fixture(params=SECRETS)
def secret(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Write a file that is no mapping; return the text that must not be shown."""
    text = SECRETS[request.param]
    (tmp_path / "secret.yaml").write_bytes(text.encode("latin-1"))
    return "7123" if "ambiguous" in request.param else SECRET if SECRET in text else SECRET.encode().hex()


def assert_not_shown(problems: list[Problem], secret: str) -> None:
    assert problems
    for text in (text for problem in problems for text in texts(problem)):
        assert not any(secret[at : at + 4] in text for at in range(len(secret) - 3)), text


@pytest.mark.parametrize("key", ["extends: secret.yaml", "include: [secret.yaml]"])
def test_nothing_of_a_file_that_a_map_names_is_shown_unless_it_is_a_mapping(
    tmp_path: Path, secret: str, key: str
) -> None:
    (tmp_path / "own.yaml").write_text(f"{key}\n{REGISTERS}")
    assert_not_shown(problems_of(lambda: load_map(tmp_path / "own.yaml")), secret)


def test_nothing_of_a_map_is_shown_unless_it_is_a_mapping(tmp_path: Path, secret: str) -> None:
    (tmp_path / "gateway.yaml").write_text("modbus:\n  - units: {1: {map: secret.yaml}}\n")
    assert_not_shown(check_config(tmp_path / "gateway.yaml", {}).problems, secret)


def test_nothing_of_a_configuration_is_shown_unless_it_is_a_mapping(tmp_path: Path, secret: str) -> None:
    assert_not_shown(problems_of(lambda: check_config(tmp_path / "secret.yaml", {}).valid()), secret)


LONG = "".join(f"q{number}z" for number in range(1000))
"""A text of which no two parts are the same."""
PLACES = [
    *("name: {}", "extends: {}", "include: [{}]", "include: {}", "without: [{}]", "requires: [{}]", "word_order: {}"),
    *("{}: 1", "function_codes: [{}]", "unit_id: {}", "absent: {{{}: 1}}", "absent: {{int16: {}}}", "blocks: {}"),
    *("accept_writes: [{}]", "gaps: {}", "clients: {}", "registers: {}", "registers: [{}]"),
]
PLACES += [
    f"registers: [{{{{name: p, type: {type_name}, address: 0, {key}: {{}}}}}}]"
    for type_name in ("int32", "string, length: 2", "bitfield", "unix_time", "scale_factor")
    for key in ("value", "unit", "scale", "offset", "absent", "overflow", "word_order", "{}", "bits")
    if key != "{}"
]
PLACES += [
    "registers: [{{address: {}, name: p, type: int32, value: power_net, unit: W}}]",
    "registers: [{{address: 0, name: {}, type: int32, value: power_net, unit: W}}]",
    "registers: [{{address: 0, name: p, type: {}, value: power_net, unit: W}}]",
    "registers: [{{address: 0, name: p, type: int32, value: power_net, unit: W, {}: 1}}]",
    "registers: [{{address: 0, name: p, type: bitfield, bits: {{0: {}}}}}]",
    "registers: [{{address: 0, name: p, type: bitfield, bits: {{{}: power_net}}}}]",
    'registers: [{{address: 0, name: p, type: int32, unit: W, value: "power_net + voltage_l1 + {}"}}]',
]
CONFIG_PLACES = [
    *("{}: 1", "meter: {}", "meter: {{{}: 1}}", "meter: {{port: 'x:{}:1'}}", "meter: {{host: '{}:1', port: 1}}"),
    *(
        "meter: {{host: a, port: {}}}",
        "meter: {{dsmr_version: {}}}",
        "meters: {{{}: {{a: 1}}}}",
        "meter: {{host: '{}/'}}",
    ),
    *(
        "meter: {{port: 'tcp://{}'}}",
        "meter: {{watchdog: {}}}",
        "modbus: [{{listen: '{}'}}]",
        "modbus: [{{allow: [{}]}}]",
    ),
    *("modbus: [{{transport: {}}}]", "modbus: [{{units: {{1: {{map: {}}}}}}}]", "modbus: [{{units: {{{}: {{}}}}}}]"),
    *("modbus: [{{units: {{1: {{map: {}.yaml}}}}}}]", "modbus: [{{units: {{1: {{meter: {}}}}}}}]"),
    *(
        "modbus: [{{units: {{1: {{}}, other: {}}}}}]",
        "status_page: {{framed_by: ['{}']}}",
        "status_page: {{password_file: [{}]}}",
    ),
    *("modbus: [{{identification: {{vendor_name: '{}'}}}}]", "meters: {{{}: {{}}, b: {{}}}}"),
]


def longest_part_of(marked: str, text: str) -> int:
    """Return the length of the longest part of `marked` that is in `text`."""
    longest = 0
    for start in range(len(marked)):
        while marked[start : start + longest + 1] in text and start + longest < len(marked):
            longest += 1
    return longest


@pytest.mark.parametrize("size", [60, 4000])
@pytest.mark.parametrize("place", PLACES)
def test_a_quotation_of_a_map_is_short(tmp_path: Path, place: str, size: int) -> None:
    (tmp_path / "own.yaml").write_text(place.format(LONG[:size]) + "\n")
    try:
        problems = load_map(tmp_path / "own.yaml").remarks
    except FileError as error:
        problems = [text for problem in error.problems for text in texts(problem)]
    for text in problems:
        assert longest_part_of(LONG[:size], text) <= MAX_QUOTED_CHARACTERS, text


@pytest.mark.parametrize("size", [60, 4000])
@pytest.mark.parametrize("place", CONFIG_PLACES)
def test_a_quotation_of_a_configuration_is_short(tmp_path: Path, place: str, size: int) -> None:
    (tmp_path / "gateway.yaml").write_text(place.format(LONG[:size]) + "\n")
    try:
        problems = check_config(tmp_path / "gateway.yaml", {}).problems
    except FileError as error:
        problems = error.problems
    for text in (text for problem in problems for text in texts(problem)):
        assert longest_part_of(LONG[:size], text) <= MAX_QUOTED_CHARACTERS, text


@pytest.mark.parametrize(
    "value",
    ["\x1b[2J" * 100, "a" * 41, "'" * 100, "é" * 100, 1 << 20_000, 1.5, None, True, ["a" * 99]],
    ids=lambda value: type(value).__name__,
)
def test_a_quotation_has_a_limit_and_no_control_characters(value: object) -> None:
    for shown in (quoted(value), cut(str(value) if not isinstance(value, int) else "1"), cut_path("\x1b" * 100)):
        assert len(shown) <= MAX_QUOTED_CHARACTERS + 2
        assert shown.isprintable()
    assert quoted("a" * 40) == f"'{'a' * 40}'"
    assert cut("a" * 41) == f"{'a' * 39}…"


OUTSIDE = ["../outside.yaml", "{tmp}/outside.yaml", "link.yaml", "folder/../../outside.yaml", "linked/outside.yaml"]


@pytest.mark.parametrize("name", [*OUTSIDE, "/etc/passwd", "/proc/self/environ", "../missing.yaml"])
@pytest.mark.parametrize("key", ["extends: {}", "include: ['{}']"])
def test_a_map_takes_no_file_outside_of_its_folder(tmp_path: Path, name: str, key: str) -> None:
    maps = tmp_path / "maps"
    (maps / "folder").mkdir(parents=True)
    (tmp_path / "outside.yaml").write_text(REGISTERS)
    (maps / "link.yaml").symlink_to("../outside.yaml")
    (maps / "linked").symlink_to("..")
    (maps / "own.yaml").write_text(key.format(name.format(tmp=tmp_path)) + "\n")
    (problem, *_) = problems_of(lambda: load_map(maps / "own.yaml"))
    assert problem.code == "file-outside-folder"
    assert (problem.place.line, problem.hint.split(",")[0]) == (1, "Copy the file into the folder of the map")


def test_a_map_takes_files_in_its_folder_and_built_in_maps_and_may_be_a_link(tmp_path: Path) -> None:
    maps, version = tmp_path / "maps", tmp_path / "version"
    (version / "parts").mkdir(parents=True)
    maps.mkdir()
    (version / "own.yaml").write_text("extends: parts/base.yaml\n")
    (version / "parts" / "base.yaml").write_text("extends: ../native.yaml\n")
    (version / "native.yaml").write_text("extends: dsmr\ninclude: [sunspec-common]\n")
    for name in ("own.yaml", "parts"):
        (maps / name).symlink_to(version / name)
    assert len(load_map(version / "own.yaml").registers) == len(load_map(version / "native.yaml").registers)
    assert load_map(maps / "own.yaml").registers


def test_the_configuration_names_maps_anywhere(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "own.yaml").write_text(REGISTERS)
    (tmp_path / "etc" / "gateway.yaml").write_text(
        "meter: {simulate: true}\nmodbus: [{units: {1: {map: ../own.yaml}}}]\n"
    )
    assert check_config(tmp_path / "etc" / "gateway.yaml", {}).problems == []
