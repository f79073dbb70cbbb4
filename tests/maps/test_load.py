"""Register maps are found by name or path, and extend and include each other."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.files.document import FileError
from gateway.maps.load import MAX_CHAIN, find_map, load_map, map_names
from gateway.protocol.p1.obis import Value
from tests.conftest import ROOT

POWER = "{address: 0, name: power, type: int16, value: power_net, unit: W}"
VOLTS = "{address: 1, name: volts, type: uint16, value: voltage_l1, unit: V}"
VALUES: dict[str, Value] = {"power_net": 5, "voltage_l1": 230}


def write(folder: Path, name: str, head: str, *registers: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(head + "registers:" + ("".join(f"\n  - {line}" for line in registers) or " []") + "\n")
    return path


def image(path: Path) -> dict[int, str]:
    return {segment.address: segment.data.hex() for segment in load_map(path).readings.encode(VALUES).segments}


def faults_in(path: Path) -> list[str]:
    with pytest.raises(FileError) as error:
        load_map(path)
    return [str(fault).replace(f"{path.parent}/", "") for fault in error.value.problems]


def test_the_maps_of_the_gateway_are_found_by_name_and_their_parts_are_no_maps(tmp_path: Path) -> None:
    names = map_names()
    assert {"dsmr", "dsmr-2.2", "dsmr-4", "dsmr-5", "abb-b23", "sunspec-203"} <= names.keys()
    assert {path.stem for path in (ROOT / "register_maps" / "parts").glob("*.yaml")}.isdisjoint(names)
    for name, path in names.items():
        assert find_map(name, tmp_path) == path
        assert path.is_file()


def test_a_map_of_the_users_own_is_found_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    own = write(tmp_path / "maps", "own", "", POWER)
    assert find_map("maps/own.yaml", tmp_path) == own
    assert find_map(str(own), tmp_path / "elsewhere") == own


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dsrm", "there is no register map 'dsrm'. Did you mean dsmr?"),
        ("abb-b32", "there is no register map 'abb-b32'. Did you mean abb-b23?"),
        ("own.yaml", "there is no file {folder}/own.yaml. Relative paths begin at the folder of gateway.yaml"),
        ("/own.yaml", "there is no file /own.yaml. Check the path"),
        ("sunspec-common", "there is no register map 'sunspec-common'. "),
        ("zzz", "there is no register map 'zzz'. `dsmr-gateway maps` lists them; or write the path of a YAML file"),
        ("", "there is no register map ''. `dsmr-gateway maps` lists them"),
    ],
)
def test_a_missing_map_is_reported_with_the_nearest_one(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(LookupError) as error:
        find_map(name, tmp_path)
    assert str(error.value).startswith(told.format(folder=tmp_path))


def test_a_map_states_only_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    write(tmp_path, "base", "word_order: little\nfunction_codes: [4]\nunit_id: 7\n", POWER, VOLTS)
    path = write(
        tmp_path,
        "own",
        "extends: base.yaml\nunit_id: 0\n",
        "{address: 1, name: volts, type: uint16, value: voltage_l1, unit: V, scale: 0.1}",
        "{address: 2, name: big, type: uint32, value: 1}",
    )
    assert image(path) == {0: "0005" + "08fc" + "00010000"}
    own = load_map(path)
    assert (own.name, own.unit_id, own.function_codes) == ("own", 0, {4})


def test_a_register_left_without_value_keeps_its_address_and_is_absent(tmp_path: Path) -> None:
    write(tmp_path, "base", "", POWER, VOLTS)
    assert image(write(tmp_path, "own", "extends: base.yaml\nwithout: [vol*]\n")) == {0: "0005ffff"}


def test_a_register_left_without_value_gets_one_again_where_a_nearer_map_gives_it(tmp_path: Path) -> None:
    write(tmp_path, "base", "without: [power]\n", POWER, VOLTS)
    assert image(write(tmp_path, "plain", "extends: base.yaml\n")) == {0: "800000e6"}
    assert image(write(tmp_path, "again", "extends: base.yaml\n", POWER)) == {0: "000500e6"}


def test_blocks_that_touch_can_be_read_in_one_piece(tmp_path: Path) -> None:
    head = "blocks:\n  - {address: 0, length: 2}\n  - {address: 2, length: 2}\n"
    path = write(tmp_path, "own", head, POWER, VOLTS.replace("address: 1", "address: 3"))
    assert image(path) == {0: "0005ffffffff00e6"}
    zero = head.replace("{address: 2, length: 2}", "{address: 2, length: 2, gaps: zero}")
    path = write(tmp_path, "own", zero, POWER, VOLTS.replace("address: 1", "address: 3"))
    assert image(path) == {0: "0005ffff000000e6"}
    status = head.replace("{address: 2, length: 2}", "{address: 2, length: 2, status: true}")
    beat = "{address: 2, name: beat, type: uint16, value: gateway_heartbeat}"
    assert image(write(tmp_path, "own", status, POWER, beat)) == {0: "0005ffff"}


def test_an_included_part_counts_as_if_written_there(tmp_path: Path) -> None:
    write(tmp_path, "part", "", VOLTS, "{address: 2, name: two, type: uint16, value: 2}")
    path = write(tmp_path, "own", "include: [part.yaml]\n", POWER, "{address: 2, name: two, type: uint16, value: 22}")
    assert image(path) == {0: "0005" + "00e6" + "0016"}


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (
            "extends: nope.yaml\n",
            "own.yaml:1:1: extends: there is no file nope.yaml. Relative paths begin at the folder of the map",
        ),
        ("extends: dsmr5\n", "own.yaml:1:1: extends: there is no register map 'dsmr5'. Did you mean dsmr-5?"),
        ("include: [nope]\n", "own.yaml:1:11: include[0]: there is no register map 'nope'. `dsmr-gateway maps`"),
        ("without: [pwr*]\n", "own.yaml:1:11: without[0]: no register is called pwr*"),
        ("without: [powr]\n", "own.yaml:1:11: without[0]: no register is called powr. Did you mean power?"),
        (
            "blocks: [{address: 0, length: 1,5}]\n",
            "own.yaml:1:33: blocks[0].5: unknown key. If it is the end of a number with a comma, write a point",
        ),
        ("extend: dsmr\n", "own.yaml:1:1: extend: unknown key. Did you mean extends?"),
        ("function_codes: [5]\n", "own.yaml:1:18: function_codes[0]: 5 is not one of 3, 4"),
        ("word_order: bg\n", "own.yaml:1:1: word_order: 'bg' is not one of big, little. Did you mean big?"),
        ("gaps: nul\n", "own.yaml:1:1: gaps: 'nul' is not one of exception, zero, absent"),
        ("unit_id: 256\n", "own.yaml:1:1: unit_id: at most 255 is expected (found 256)"),
        ("accept_writes: [65536]\n", "own.yaml:1:17: accept_writes[0]: less than 65536 is expected"),
        ("title: a\ntitle: b\n", "own.yaml:2:1: title: the key is given twice, first on line 1"),
    ],
)
def test_a_fault_in_the_head_of_a_map_is_reported(tmp_path: Path, head: str, told: str) -> None:
    (found,) = faults_in(write(tmp_path, "own", head, POWER))
    assert found.startswith(told)


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_maps_that_extend_each_other_in_a_circle_are_reported(tmp_path: Path, names: list[str]) -> None:
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        write(tmp_path, name, f"extends: {following}.yaml\n", POWER)
    (found,) = faults_in(tmp_path / "a.yaml")
    assert (
        found.split(": ", 1)[1]
        == f"extends: more than {MAX_CHAIN} maps extend or include each other. Does a map extend itself?"
    )


def test_a_chain_of_maps_may_be_long(tmp_path: Path) -> None:
    write(tmp_path, "m1", "", POWER)
    for number in range(2, MAX_CHAIN + 2):
        write(tmp_path, f"m{number}", f"extends: m{number - 1}.yaml\n")
    assert image(tmp_path / f"m{MAX_CHAIN}.yaml") == {0: "0005"}
    assert "more than 20 maps" in faults_in(tmp_path / f"m{MAX_CHAIN + 1}.yaml")[0]


@pytest.mark.parametrize("key", ["extends: other.yaml", "include: [other.yaml]"])
def test_what_a_part_would_bring_along_is_not_lost_silently(tmp_path: Path, key: str) -> None:
    write(tmp_path, "other", "", VOLTS)
    write(tmp_path, "part", f"title: a part\n{key}\n", POWER)
    (found,) = faults_in(write(tmp_path, "own", "include: [part.yaml]\n"))
    assert found.startswith(f"part.yaml:2:1: {key.partition(':')[0]}: ")


def test_faults_of_all_files_of_a_map_are_reported_at_once_each_in_its_file(tmp_path: Path) -> None:
    write(tmp_path, "base", "", "{address: 0, name: a, type: uint16, value: power_nett}")
    write(tmp_path, "part", "", "{address: 1, name: b, type: uint16, value: 70000}")
    path = write(
        tmp_path,
        "own",
        "extends: base.yaml\ninclude: [part.yaml]\nwithout: [zzz]\n",
        "{address: 2, name: c, type: uint16, value: power_net}",
        "{address: 3, name: c, type: uint16, value: 1}",
    )
    assert [" ".join(fault.split(" ")[:2]) for fault in faults_in(path)] == [
        "base.yaml:2:41: registers[0].value:",
        "own.yaml:3:11: without[0]:",
        "own.yaml:5:41: registers[0].value:",
        "own.yaml:6:18: registers[1].name:",
        "part.yaml:2:41: registers[0].value:",
    ]


def test_faults_of_form_hide_no_others(tmp_path: Path) -> None:
    head = "word_order: bg\nblocks:\n  - {address: 0, length: 10}\n  - {address: 5, length: 10}\nrequires: [nope]\n"
    write(
        tmp_path,
        "base",
        head,
        "{address: 0, name: a, type: foo, value: power_net, unit: W}",
        "{address: 1, name: b, type: uint16, value: voltage_l9, unit: V}",
        "{address: 2, name: b, type: uint16, value: voltage_l1}",
        "{adress: 3, name: d, type: uint16, value: voltage_l1, unit: V}",
    )
    path = write(tmp_path, "own", "extends: base.yaml\nwithout: [a, d, zz]\n", "{address: 9, name: z, type: real}")
    assert [" ".join(fault.split(" ")[:2]) for fault in faults_in(path)] == [
        "base.yaml:1:1: word_order:",
        "base.yaml:4:5: blocks[1]:",
        "base.yaml:5:12: requires[0]:",
        "base.yaml:7:27: registers[0].type:",
        "base.yaml:8:41: registers[1].value:",
        "base.yaml:9:18: registers[2].name:",
        "base.yaml:9:41: registers[2].value:",
        "base.yaml:10:5: registers[3].address:",
        "base.yaml:10:6: registers[3].adress:",
        "own.yaml:2:17: without[2]:",
        "own.yaml:4:27: registers[0].type:",
    ]


def test_a_map_with_faults_in_its_blocks_reports_nothing_outside_them(tmp_path: Path) -> None:
    head = "blocks:\n  - {address: 0, length: 0, status: true}\n"
    path = write(tmp_path, "own", head, "{address: 0, name: a, type: uint16, value: gateway_heartbeat}")
    (fault,) = faults_in(path)
    assert fault.startswith("own.yaml:2:18: blocks[0].length: ")


def test_a_file_that_is_no_map_at_all_is_reported(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("- a list\n")
    assert [fault.split(" ")[0] for fault in faults_in(tmp_path / "own.yaml")] == ["own.yaml:1:1:"]
    for wrong in ("{a: 1}", "7", "text", ""):
        (tmp_path / "own.yaml").write_text(f"registers: {wrong}\nwithout: a\n1: 2\n")
        told = [fault.split(" ")[1] for fault in faults_in(tmp_path / "own.yaml")]
        assert told == ["registers:", "without:", "1:"]
    (tmp_path / "own.yaml").write_text("registers: [7, {address: 0, name: a, type: uint16, value: 1, 3: 4}]\n")
    told = [fault.split(" ")[1] for fault in faults_in(tmp_path / "own.yaml")]
    assert told == ["registers[0]:", "registers[1].3:"]


def test_an_empty_map_is_reported_as_a_truncated_file(tmp_path: Path) -> None:
    for text in ("", "title: x\n", "registers: []\n"):
        (tmp_path / "own.yaml").write_text(text)
        assert faults_in(tmp_path / "own.yaml") == [
            "own.yaml:1:1: there is no register in this map. Add registers:, or extends: with the name of a map"
        ]


def test_faults_found_before_a_missing_base_are_reported_too(tmp_path: Path) -> None:
    path = write(tmp_path, "own", "extends: nope.yaml\n", "{address: 9, name: z, type: real}")
    assert [fault.split(" ")[1] for fault in faults_in(path)] == ["extends:", "registers[0].type:"]


def test_all_faults_in_the_yaml_of_a_map_are_reported(tmp_path: Path) -> None:
    path = write(tmp_path, "own", "", "{address: 0, address: 1, name: a, name: b, type: uint16, value: 1}")
    assert [fault.split(" ")[1] for fault in faults_in(path)] == ["registers[0].address:", "registers[0].name:"]


SNIPPETS = [
    "null", "-1", "99999", "1e309", ".nan", "[]", "{}", "'{y}'", "0x10", "power_net", "unless(", "*", ":", "{", "}",
    "]", "  - ", "\n", "absent", "1.5", "float32", "string", "bitfield", "scale_factor", "status: true", "'",
]  # fmt: skip


def test_any_map_is_loaded_or_its_faults_are_reported(tmp_path: Path) -> None:
    chance = random.Random(7)  # seeded, so always the same
    texts = [map_names()[name].read_text() for name in ("abb-b23", "cg-em24", "p1-dongle-float", "sunspec-201")]
    path, loaded = tmp_path / "own.yaml", 0
    places: list[int] = []
    for _ in range(400):
        head, _, registers = chance.choice(texts).partition("registers:\n")
        text = f"{head}registers:\n" + "".join(chance.sample(registers.splitlines(keepends=True), 5))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(SNIPPETS) + text[at + chance.randint(0, 12) :]
        path.write_text(text)
        try:
            register_map = load_map(path)
        except FileError as error:
            places += [fault.place.line for fault in error.problems]
            continue
        assert register_map.readings.encode(VALUES).segments
        loaded += 1
    assert 0 < loaded < 400
    assert min(places) > 0


def test_every_map_of_the_gateway_is_right() -> None:
    for name, path in map_names().items():
        assert load_map(path).name == name


def test_a_missing_file_hides_no_problem_of_the_others(tmp_path: Path) -> None:
    head = "include: [nope]\nextends: none.yaml\nwithout: [power_*]\n"
    path = write(tmp_path, "own", head, "{address: 0, name: a, type: uint16, value: zzz}")
    assert [fault.split(": ")[:2] for fault in faults_in(path)] == [
        ["own.yaml:1:11", "include[0]"],
        ["own.yaml:2:1", "extends"],
        ["own.yaml:5:41", "registers[0].value"],
    ]
