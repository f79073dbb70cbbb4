"""A configuration becomes nodes and wires, and a telegram finds its way through them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from gateway.config import Config, load_config, load_maps
from gateway.files.document import FileError
from gateway.lines.rfc2217 import Rfc2217Line
from gateway.lines.serial import SerialLine
from gateway.lines.tcp import TcpLine
from gateway.nodes import dsmr_parser
from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.p1_port import P1Port
from gateway.nodes.simulated_meter import SimulatedMeterNode
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.variants import ALIASES, VARIANTS
from gateway.runtime import memory
from gateway.runtime.flow import Flow, Node
from gateway.service.node_settings import p1_connections
from gateway.service.wiring import Wiring
from tests.conftest import own_telegram
from tests.nodes.parsing import ripen
from tests.protocol.p1.stream import later
from tests.waiting import until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
OTHER = own_telegram("v42_kaifa-e0026")
POWER_W = 2486
MAP = "registers:\n  - {{address: {}, name: power, type: int32, value: power_net, unit: W}}\n"
LIMIT_S = 60.0


def read(folder: Path, text: str) -> Config:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return load_config(path, {})


def wire(folder: Path, text: str) -> Wiring:
    config = read(folder, text)
    return Wiring(config, load_maps(config, folder), folder)


def nodes_of(wiring: Wiring) -> list[str]:
    return [f"{node.kind}: {node.name}" for node in wiring.flow.nodes]


def wires_of(wiring: Wiring) -> list[str]:
    return [f"{each.source.name} > {each.target.name}" for each in wiring.flow.wires]


def node(wiring: Wiring, name: str) -> Node:
    (found,) = (node for node in wiring.flow.nodes if node.name == name)
    return found


def feed(wiring: Wiring, meter: str, data: bytes, arrived: float = 100.0) -> None:
    """Bytes as from the meter's line, and a quiet moment after them."""
    source, parser = node(wiring, f"{meter}/port"), node(wiring, f"{meter}/parser")
    assert isinstance(source, P1Port | SimulatedMeterNode)
    assert isinstance(parser, DsmrParser)
    with patch.object(dsmr_parser, "now", lambda: arrived):
        for sink in source.line_bytes.receivers:
            sink.receive(data, arrived)
    ripen(parser, arrived)


def registers(wiring: Wiring, server: int, unit_id: int, address: int, count: int, moment: float = 101.0) -> object:
    unit = wiring.servers[server].responder.units.by_id[unit_id]
    assert unit is not None
    return unit.read(address, count, moment)


async def test_the_least_configuration_is_a_port_a_parser_a_map_and_a_server(tmp_path: Path) -> None:
    wiring = wire(tmp_path, "meter: {port: /dev/p1}")
    assert nodes_of(wiring) == [
        "P1 port: meter/port",
        "DSMR parser: meter/parser",
        "register map: :502/1",
        "Modbus server: modbus :502",
        "control: control",
    ]
    assert wires_of(wiring) == [
        "meter/port > meter/parser",
        "meter/parser > :502/1",
        ":502/1 > modbus :502",
    ]


async def test_meters_units_servers_and_passthroughs_are_wired_as_configured(tmp_path: Path) -> None:
    wiring = wire(
        tmp_path,
        "meters: {house: {port: /dev/a}, barn: {simulate: true}}\n"
        "modbus:\n"
        "  - {listen: 1, units: {1: {meter: house}, 2: {meter: barn, map: abb-b23}}}\n"
        "  - {listen: 2, units: {3: {meter: barn}}}\n"
        "passthrough:\n  - {meter: house, listen: 3}\n  - {meter: barn, listen: 4, mode: raw}\n",
    )
    assert list(wiring.meters) == ["house", "barn"]
    assert [name for name in nodes_of(wiring) if "meter" in name] == ["simulated meter: barn/port"]
    assert set(wires_of(wiring)) == {
        "house/port > house/parser",
        "barn/port > barn/parser",
        "house/parser > :1/1",
        "barn/parser > :1/2",
        "barn/parser > :2/3",
        ":1/1 > modbus :1",
        ":1/2 > modbus :1",
        ":2/3 > modbus :2",
        "house/port > passthrough :3",
        "house/parser > passthrough :3",
        "barn/port > passthrough :4",
    }


async def test_encrypted_telegrams_are_decrypted_before_the_parser_and_the_readers_who_want_that(
    tmp_path: Path,
) -> None:
    wiring = wire(
        tmp_path,
        "meter: {port: /dev/a, decryption: {key_file: key}}\nmodbus: [{listen: 1}]\npassthrough:\n"
        "  - {listen: 3}\n  - {listen: 4, mode: raw}\n"
        "  - {listen: 5, content: decrypted}\n  - {listen: 6, content: decrypted, mode: raw}\n",
    )
    assert nodes_of(wiring)[:3] == ["decryption: meter/decryption", "P1 port: meter/port", "DSMR parser: meter/parser"]
    assert set(wires_of(wiring)) == {
        "meter/port > meter/decryption",
        "meter/decryption > meter/parser",
        "meter/parser > :1/1",
        ":1/1 > modbus :1",
        "meter/port > passthrough :3",
        "meter/port > passthrough :4",
        "meter/decryption > passthrough :5",
        "meter/parser > passthrough :5",
        "meter/decryption > passthrough :6",
    }


async def test_what_feeds_starts_before_what_serves(tmp_path: Path) -> None:
    wiring = wire(tmp_path, "modbus: [{units: {1: {}, 2: {}}}]\npassthrough: [{}]")
    order = wiring.flow.nodes
    assert all(order.index(each.source) < order.index(each.target) for each in wiring.flow.wires)


async def test_a_telegram_shows_in_every_unit_of_its_meter_and_in_no_other(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(MAP.format(0))
    wiring = wire(
        tmp_path,
        "meters: {house: {port: /dev/a, dsmr_version: 5}, barn: {port: /dev/b, dsmr_version: 4}}\n"
        "modbus:\n  - listen: 1\n    units: {1: {meter: house, map: own.yaml}, 2: {meter: barn, map: own.yaml}}\n"
        "  - {listen: 2, units: {3: {meter: house, map: own.yaml}}}\n",
    )
    feed(wiring, "house", TELEGRAM)
    assert registers(wiring, 0, 1, 0, 2) == POWER_W.to_bytes(4, "big")
    assert registers(wiring, 1, 3, 0, 2) == POWER_W.to_bytes(4, "big")
    assert registers(wiring, 0, 2, 0, 2) is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
    feed(wiring, "barn", TELEGRAM[:300])
    assert registers(wiring, 0, 2, 0, 2) is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND


@pytest.mark.parametrize(
    ("meter", "unit", "limit_s"),
    [("", "", 5), ("stale_after: 7s", "", 7), ("", "stale_after: 9s", 9), ("stale_after: 7s", "stale_after: 2s", 2)],
)
async def test_a_unit_is_stale_when_its_own_or_its_meters_limit_says(
    tmp_path: Path, meter: str, unit: str, limit_s: float
) -> None:
    (tmp_path / "own.yaml").write_text(MAP.format(0))
    units = ", ".join(filter(None, ["map: own.yaml", unit]))
    meters = ", ".join(filter(None, ["port: /dev/a, dsmr_version: 5", meter]))
    wiring = wire(tmp_path, f"meter: {{{meters}}}\nmodbus: [{{units: {{1: {{{units}}}}}}}]")
    feed(wiring, "meter", TELEGRAM, arrived=100)
    assert registers(wiring, 0, 1, 0, 2, moment=100 + limit_s) == POWER_W.to_bytes(4, "big")
    stale = registers(wiring, 0, 1, 0, 2, moment=100.01 + limit_s)
    assert stale is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND


async def test_one_unit_responds_for_all_others_where_configured(tmp_path: Path) -> None:
    wiring = wire(
        tmp_path, "modbus:\n  - {listen: 1, units: {7: {}, 9: {}, other: 9}}\n  - {listen: 2, units: {7: {}}}"
    )
    first, second = (server.responder.units for server in wiring.servers)
    assert first.by_id[33] is first.by_id[9]
    assert first.by_id[7] is not first.by_id[9]
    assert second.by_id[33] is None


SETTINGS = [("2.2", "9600 7E1"), ("3", "9600 7E1"), ("Q3D", "9600 7E1"), ("4", "115200 8N1"), ("5", "115200 8N1")]
SETTINGS += [(key, "115200 8N1") for key in ("5B", "5L", "5S", "5EONHU", "ISKRA_IE", "SAGEMCOM_T210_D_R")]
SETTINGS += [(key, "115200 8N1") for key in ("MSn", "5S-FI", "LT", "WARMTELINK")]


@pytest.mark.parametrize(("version", "settings"), SETTINGS)
def test_serial_parameters_follow_the_version(tmp_path: Path, version: str, settings: str) -> None:
    config = read(tmp_path, f"meter: {{port: /dev/a, dsmr_version: '{version}'}}").all_meters()["meter"]
    ((words, line),) = p1_connections(config, tmp_path)
    assert words == f"/dev/a {settings}"
    assert isinstance(line, SerialLine)
    assert line.is_slow == settings.startswith("9600")


def test_the_settings_of_every_version_are_tried_above() -> None:
    assert {version for version, _ in SETTINGS} | ALIASES.keys() == VARIANTS.keys() | ALIASES.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port: /dev/a", ["/dev/a 115200 8N1", "/dev/a 9600 7E1"]),
        ("port: /dev/a, baudrate: 9600", ["/dev/a 9600 8N1", "/dev/a 9600 7E1"]),
        ("port: /dev/a, baudrate: 9600, bytesize: 8, parity: N", ["/dev/a 9600 8N1"]),
        ("port: /dev/a, dsmr_version: 5, baudrate: 9600", ["/dev/a 9600 8N1"]),
        ("port: /dev/a, dsmr_version: 2.2, bytesize: 8, parity: N, stopbits: 2", ["/dev/a 9600 8N2"]),
        ("{}", ["/dev/ttyUSB0 115200 8N1", "/dev/ttyUSB0 9600 7E1"]),
        ("host: p1.local, port: 2001", ["p1.local:2001"]),
        (
            "source: 'rfc2217://p1.local:2001', baudrate: 9600",
            ["rfc2217://p1.local:2001 9600 8N1", "rfc2217://p1.local:2001 9600 7E1"],
        ),
        ("source: 'rfc2217://p1.local:2001', dsmr_version: 5", ["rfc2217://p1.local:2001 115200 8N1"]),
        ("host: p1.local, port: 2001, dsmr_version: 2.2", ["p1.local:2001"]),
    ],
)
def test_both_speeds_are_tried_unless_the_configuration_tells(tmp_path: Path, text: str, words: list[str]) -> None:
    config = read(tmp_path, f"meter: {text if text == '{}' else f'{{{text}}}'}").all_meters()["meter"]
    lines = p1_connections(config, tmp_path)
    assert [name for name, _ in lines] == words
    kind = Rfc2217Line if "rfc2217" in text else TcpLine if "local" in text else SerialLine
    assert all(isinstance(line, kind) for _, line in lines)


@asynccontextmanager
async def running(wiring: Wiring) -> AsyncIterator[None]:
    stop, started = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(wiring.flow.run(stop, started.set))
    try:
        await asyncio.wait_for(started.wait(), LIMIT_S)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, LIMIT_S)


SERVED = (
    "meter: {{simulate: true, dsmr_version: 5}}\nmodbus: [{{listen: '127.0.0.1:0', units: {{1: {{map: {}}}}}}}{}]\n"
)


async def test_a_changed_configuration_keeps_what_did_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "a.yaml").write_text(MAP.format(0))
    (tmp_path / "b.yaml").write_text(MAP.format(10))
    wiring = wire(tmp_path, SERVED.format("a.yaml", ""))
    async with running(wiring):
        await until(lambda: wiring.meters["meter"].newest)
        before = {each.name: each for each in wiring.flow.nodes}
        config = read(tmp_path, SERVED.format("b.yaml", ", {listen: '127.0.0.2:0'}"))
        await wiring.change(config, load_maps(config, tmp_path))
        after = {each.name: each for each in wiring.flow.nodes}
        kept = {name for name, each in before.items() if after.get(name) is each}
        assert kept == {"meter/port", "meter/parser", "modbus 127.0.0.1:0", "control"}
        assert "modbus 127.0.0.2:0" in after
        # The newest telegram is there at once, in the new place alone.
        moment = wiring.meters["meter"].newest.arrived  # type: ignore[union-attr]
        assert isinstance(registers(wiring, 0, 1, 10, 2, moment), bytes)
        assert registers(wiring, 0, 1, 0, 2, moment) is ExceptionCode.ILLEGAL_DATA_ADDRESS
        accepted = wiring.meters["meter"].accepted
        await until(lambda: wiring.meters["meter"].accepted > accepted)


WAITING = "modbus: [{{listen: 1, units: {{1: {{map: {}, repeat: wait}}}}}}]\n"


@pytest.mark.parametrize(
    ("changed", "is_woken"),
    [
        ("a.yaml", False),
        ("same.yaml", False),
        ("b.yaml", True),
        ("a.yaml, wait_up_to: 100ms", True),
        ("a.yaml, stale_after: 3s", True),
        ("a.yaml, on_stale: hold", True),
    ],
)
async def test_a_request_stays_held_over_a_reload_that_keeps_the_registers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, is_woken: bool
) -> None:
    async def adopt(_flow: Flow, _nodes: list[Node]) -> None:
        """Run no node."""

    monkeypatch.setattr(Flow, "change", adopt)
    for name, address in (("a", 0), ("same", 0), ("b", 10)):
        (tmp_path / f"{name}.yaml").write_text(MAP.format(address))
    meter = "meter: {port: /dev/no, dsmr_version: 5}\n"
    wiring = wire(tmp_path, meter + WAITING.format("a.yaml"))
    feed(wiring, "meter", TELEGRAM)
    client = CountedClient("192.0.2.1:50000", 0.0)
    woken: list[int] = []

    def is_held(moment: float) -> bool:
        client.held = None
        unit = wiring.servers[0].responder.units.by_id[1]
        assert unit
        unit.read_for(client, 0, 2, moment)
        return client.held is not None

    assert [is_held(moment) for moment in (100.5, 101.0)] == [False, True]
    assert client.held
    client.held.repeats.waiting[client] = lambda: woken.append(1)
    for _ in range(2):
        config = read(tmp_path, meter + WAITING.format(changed))
        await wiring.change(config, load_maps(config, tmp_path))
    assert bool(woken) is is_woken
    if not is_woken:
        assert is_held(101.1)
        feed(wiring, "meter", later(TELEGRAM, 1), 101.2)
        assert woken
        assert not is_held(101.3)


async def test_halves_read_before_and_after_a_reload_are_of_one_telegram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def adopt(_flow: Flow, _nodes: list[Node]) -> None:
        """Run no node."""

    monkeypatch.setattr(Flow, "change", adopt)
    (tmp_path / "a.yaml").write_text(MAP.format(0))
    text = "meter: {port: /dev/no, dsmr_version: 5}\nmodbus: [{listen: 1, units: {1: {map: a.yaml}}}]\n"
    wiring = wire(tmp_path, text)
    feed(wiring, "meter", TELEGRAM)
    client = CountedClient("192.0.2.1:50000", 0.0)
    unit = wiring.servers[0].responder.units.by_id[1]
    assert unit
    assert unit.read_for(client, 0, 1, 100.5) == b"\0\0"
    config = read(tmp_path, text)
    await wiring.change(config, load_maps(config, tmp_path))
    unit = wiring.servers[0].responder.units.by_id[1]
    assert unit
    unit.publish(unit.register_map.readings.encode({"power_net": 1}), 200.0)
    assert unit.read_for(client, 1, 1, 100.6) == POWER_W.to_bytes(2, "big")


async def test_a_meter_that_changed_begins_without_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "a.yaml").write_text(MAP.format(0))
    wiring = wire(tmp_path, SERVED.format("a.yaml", ""))
    async with running(wiring):
        await until(lambda: wiring.meters["meter"].newest)
        old = wiring.meters["meter"]
        config = read(tmp_path, SERVED.format("a.yaml", "").replace("simulate: true, dsmr_version: 5", "port: /dev/no"))
        await wiring.change(config, load_maps(config, tmp_path))
        assert wiring.meters["meter"] is not old
        assert wiring.meters["meter"].newest is None
        answer = registers(wiring, 0, 1, 0, 2, old.newest.arrived)  # type: ignore[union-attr]
        assert answer is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND


async def test_a_page_that_is_gone_gets_no_more_telegrams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "a.yaml").write_text(MAP.format(0))
    without = SERVED.format("a.yaml", "")
    wiring = wire(tmp_path, f"{without}status_page: {{listen: '127.0.0.1:0'}}\n")
    parser = node(wiring, "meter/parser")
    assert isinstance(parser, DsmrParser)
    assert len(parser.verdicts.receivers) == 1
    async with running(wiring):
        config = read(tmp_path, without)
        await wiring.change(config, load_maps(config, tmp_path))
        assert node(wiring, "meter/parser") is parser
        assert parser.verdicts.receivers == ()


async def test_a_servers_two_ports_of_the_systems_choice_are_two_servers(tmp_path: Path) -> None:
    wiring = wire(tmp_path, "modbus: [{listen: '127.0.0.1:0'}, {listen: '127.0.0.1:0'}]")
    assert len({id(server) for server in wiring.servers}) == 2


async def test_a_passthroughs_two_ports_of_the_systems_choice_stay_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "a.yaml").write_text(MAP.format(0))
    text = SERVED.format("a.yaml", "") + "passthrough: [{listen: '127.0.0.1:0'}, {listen: '127.0.0.1:0'}]\n"
    wiring = wire(tmp_path, text)
    before = list(wiring.flow.nodes)
    async with running(wiring):
        config = read(tmp_path, text)
        await wiring.change(config, load_maps(config, tmp_path))
        kept = [each for each in wiring.flow.nodes if each.kind == "passthrough"]
        assert kept == [each for each in before if each.kind == "passthrough"]


def test_faults_of_all_maps_are_reported_at_once(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_text("registers:\n  - {address: 0, name: x, type: uint16, value: nope}\n")
    with pytest.raises(FileError) as error:
        read(tmp_path, "modbus: [{units: {1: {map: a.yaml}, 2: {map: b.yaml}, 3: {map: a.yaml}}}]")
    assert [Path(fault.place.file).name for fault in error.value.problems] == ["a.yaml", "b.yaml"]


async def test_the_version_of_a_meter_is_what_the_configuration_says_or_what_its_telegrams_show(tmp_path: Path) -> None:
    wiring = wire(
        tmp_path,
        "meters: {said: {port: /dev/a, dsmr_version: 5B}, found: {port: /dev/b}}\n"
        "modbus: [{units: {1: {meter: said}, 2: {meter: found}}}]",
    )

    def variant(meter: MeterState) -> str | None:
        return meter.newest.variant.key if meter.newest else None

    feed(wiring, "said", OTHER)
    feed(wiring, "found", OTHER)
    assert {name: variant(meter) for name, meter in wiring.meters.items()} == {"said": "5B", "found": "4"}


async def test_the_garbage_collector_follows_the_number_of_meters_over_reloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(memory, "OBJECTS_PER_METER", 10_000)
    of_python = gc.get_threshold()
    server = "modbus: [{listen: '127.0.0.1:0', units: {1: {meter: a}}}]"
    one = read(tmp_path, f"meters: {{a: {{simulate: true}}}}\n{server}\n")
    two = read(tmp_path, f"meters: {{a: {{simulate: true}}, b: {{simulate: true}}}}\n{server}\n")
    maps = load_maps(two, tmp_path)
    wiring = Wiring(one, maps, tmp_path)
    try:
        thresholds = []
        async with running(wiring):
            for config in (two, one):
                await wiring.change(config, maps)
                thresholds.append(gc.get_threshold()[0])
        assert thresholds == [20_000, 10_000]
    finally:
        gc.set_threshold(*of_python)
