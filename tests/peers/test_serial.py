"""The gateway on a serial port: every value of a telegram, and ports that are busy, missing or unplugged."""

from __future__ import annotations

import fcntl
import math
import os
import re
import struct
import sys
import termios
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from pyModbusTCP.client import ModbusClient as PyModbusTcpClient

from tests.conftest import ROOT, own_telegram
from tests.peers.harness import (
    TARGET_FAILED,
    Gateway,
    Program,
    SerialPort,
    as_nobody,
    mbpoll_registers,
    open_folder,
    running,
    wait_until,
)
from tests.protocol.p1.stream import resealed

MAX_READ = 125
MAP: dict[str, Any] = yaml.safe_load((ROOT / "register_maps" / "native" / "dsmr.yaml").read_text())

# What the test knows of telegrams it knows by itself: nothing here comes from the gateway's tables.
BASE_UNITS = {"": 1, "s": 1, "ms": Decimal("0.001"), "W": 1, "kW": 1000, "Wh": 1, "kWh": 1000, "V": 1, "A": 1, "m3": 1}
BASE_UNITS |= {"var": 1, "varh": 1, "kvarh": 1000, "VA": 1, "Hz": 1, "MJ": 10**6, "GJ": 10**9}
LENGTHS = {"unix_time": 2, "uint16": 1, "int16": 1, "uint32": 2, "int32": 2, "float32": 2, "uint64": 4}

NUMBERS = {
    "1-0:1.8.1": "energy_import_t1",
    "1-0:1.8.2": "energy_import_t2",
    "1-0:2.8.1": "energy_export_t1",
    "1-0:2.8.2": "energy_export_t2",
    "1-0:1.7.0": "power_import",
    "1-0:2.7.0": "power_export",
    **{f"1-0:{1 + 20 * phase}.7.0": f"power_import_l{phase}" for phase in (1, 2, 3)},
    **{f"1-0:{2 + 20 * phase}.7.0": f"power_export_l{phase}" for phase in (1, 2, 3)},
    **{f"1-0:{11 + 20 * phase}.7.0": f"current_l{phase}" for phase in (1, 2, 3)},
    **{f"1-0:{12 + 20 * phase}.7.0": f"voltage_l{phase}" for phase in (1, 2, 3)},
}
COUNTS = {
    "0-0:96.14.0": "tariff",
    "0-0:96.3.10": "breaker",
    "0-0:96.7.21": "power_failures",
    "0-0:96.7.9": "power_failures_long",
    **{f"1-0:{12 + 20 * phase}.32.0": f"voltage_sags_l{phase}" for phase in (1, 2, 3)},
    **{f"1-0:{12 + 20 * phase}.36.0": f"voltage_swells_l{phase}" for phase in (1, 2, 3)},
    **{f"0-{channel}:24.1.0": f"mbus{channel}_type" for channel in (1, 2, 3, 4)},
    **{f"0-{channel}:24.4.0": f"mbus{channel}_valve" for channel in (1, 2, 3, 4)},
}
TEXTS = {
    "0-0:96.1.1": "equipment_identifier",
    "0-0:96.13.0": "text_message",
    "0-0:96.13.1": "message_code",
    **{f"0-{channel}:96.1.0": f"mbus{channel}_identifier" for channel in (1, 2, 3, 4)},
}
WITHOUT_REGISTER = {"1-0:99.97.0", "1-3:0.2.8", "0-0:1.0.0"}
"""The log of power failures; version and clock stand in the status block."""
GAS = 3

SnapshotEncoder = dict[int, int]
"""Address → register."""


def unix_seconds(stamp: str) -> int:
    """The moment of a time stamp of a telegram."""
    zones = {"S": timezone(timedelta(hours=2)), "W": timezone(timedelta(hours=1)), "": ZoneInfo("Europe/Amsterdam")}
    moment = datetime.strptime(stamp[:12], "%y%m%d%H%M%S").replace(tzinfo=zones[stamp[12:]])
    return int(moment.timestamp())


def groups_of(telegram: bytes) -> dict[str, list[str]]:
    """OBIS code → what stands in its parentheses; a value on a line of its own belongs to the line before."""
    text = telegram.decode("ascii").replace("\r\n(", "(")
    lines = re.findall(r"^(\d-\d:\d+\.\d+\.\d+)(\(.*\))\r$", text, re.MULTILINE)
    return {code: re.findall(r"\(([^)]*)\)", rest) for code, rest in lines}


def number_of(text: str) -> Decimal | None:
    """`02.486*kW` → 2486; None where nothing stands."""
    digits, _, unit = text.partition("*")
    return Decimal(digits) * BASE_UNITS[unit] if digits else None


def values_of(telegram: bytes) -> dict[str, Decimal | str]:
    """What a telegram says, by the names of the registers, numbers in base units."""
    groups = groups_of(telegram)
    stamp = groups.get("0-0:1.0.0", [""])[0]
    clock = unix_seconds(stamp) if stamp else None
    found: dict[str, Decimal | str | None] = {"identification": telegram[1 : telegram.index(b"\r")].decode("ascii")}
    for code, parts in groups.items():
        if code in NUMBERS:
            found[NUMBERS[code]] = number_of(parts[0])
        elif code in COUNTS:
            found[COUNTS[code]] = Decimal(parts[0]) if parts[0] else None
        elif code in TEXTS:
            found[TEXTS[code]] = bytes.fromhex(parts[0]).decode("ascii")
        elif code == "0-0:17.0.0":
            found["limiter_current" if parts[0].endswith("A") else "limiter_power"] = number_of(parts[0])
        elif code[3:] in (":24.2.1", ":24.3.0"):
            unit = parts[5] if len(parts) > 2 else parts[1].partition("*")[2]
            digits = parts[-1].partition("*")[0]
            if unit and digits:
                found |= meter_on_channel(code[2], parts[0], Decimal(digits), clock)
        else:
            assert code in WITHOUT_REGISTER, f"the test does not know {code}"
    values = {name: value for name, value in found.items() if value not in (None, "")}
    return values | derived(values)  # type: ignore[return-value, arg-type]


def meter_on_channel(channel: str, stamp: str, reading: Decimal, clock: int | None) -> dict[str, Any]:
    """An M-Bus meter that counts cubic metres."""
    time_read = unix_seconds(stamp)
    name = f"mbus{channel}"
    values: dict[str, Any] = {f"{name}_reading": reading, f"{name}_unit": 1, f"{name}_reading_time": time_read}
    return values | ({} if clock is None else {f"{name}_reading_age": clock - time_read})


def derived(values: dict[str, Any]) -> dict[str, Any]:
    """What follows from the values."""
    more: dict[str, Any] = {}
    for direction in ("import", "export"):
        low, normal = values[f"energy_{direction}_t1"], values[f"energy_{direction}_t2"]
        more |= {f"energy_{direction}": low + normal}
        more |= {f"energy_{direction}_low": low, f"energy_{direction}_normal": normal}
    if "tariff" in values:
        more["tariff_is_low"] = Decimal(values["tariff"] == 1)
    for suffix in ("", "_l1", "_l2", "_l3"):
        taken, given = values.get(f"power_import{suffix}"), values.get(f"power_export{suffix}")
        if taken is not None and given is not None:
            more[f"power_net{suffix}"] = taken - given
            current = values.get(f"current{suffix}")
            if current is not None:
                more[f"current_signed{suffix}"] = -current if taken < given else current
    for channel in (1, 2, 3, 4):
        if values.get(f"mbus{channel}_type") == GAS and f"mbus{channel}_reading" in values:
            for part in ("reading", "reading_time", "reading_age", "valve"):
                if f"mbus{channel}_{part}" in values:
                    more[f"gas_{part}"] = values[f"mbus{channel}_{part}"]
    return more


def length_of(register: dict[str, Any]) -> int:
    """How many registers an entry of the map takes."""
    return LENGTHS.get(register["type"]) or int(register.get("length", 1))


def spans() -> list[tuple[int, int]]:
    """The reads that bring every register of the readings: address and count."""
    reads = []
    for block in MAP["blocks"]:
        start, end = block["address"], block["address"] + block["length"]
        last = max((r["address"] + length_of(r) for r in MAP["registers"] if start <= r["address"] < end), default=0)
        if not block.get("status"):
            reads += [(at, min(MAX_READ, last - at)) for at in range(start, last, MAX_READ)]
    return reads


def image_by(read: Callable[[int, int], Any]) -> SnapshotEncoder:
    """Every register of the readings as `read(address, count)` gives them."""
    return {address + i: word for address, count in spans() for i, word in enumerate(read(address, count))}


def shown(image: SnapshotEncoder, register: dict[str, Any]) -> Decimal | float | str | None:
    """What a register shows, numbers in base units, None for absent; decoded by the map's own words alone."""
    words = [image[register["address"] + i] for i in range(length_of(register))]
    data = struct.pack(f">{len(words)}H", *words)
    kind = register["type"]
    if kind == "string":
        return data.rstrip(b"\0").decode("ascii") or None
    if kind == "float32":
        (number,) = struct.unpack(">f", data)
        return None if math.isnan(number) else number
    absent = b"\x80" + bytes(len(data) - 1) if kind.startswith("int") else b"\xff" * len(data)
    if data == absent:
        return None
    raw = int.from_bytes(data, "big", signed=kind.startswith("int"))
    return raw * Decimal(str(register.get("scale", 1))) * BASE_UNITS[register.get("unit", "")]


def expected(values: dict[str, Decimal | str], register: dict[str, Any]) -> Decimal | float | str | None:
    """What a register ought to show."""
    value = values.get(register["name"].removesuffix("_f32"))
    if register["type"] == "string":
        return str(value)[: 2 * register["length"]] if value is not None else None
    if register["type"] == "float32" and value is not None:
        number = struct.unpack(">f", struct.pack(">f", float(Decimal(value) / BASE_UNITS[register["unit"]])))[0]
        return float(number)
    return value


def assert_shows(image: SnapshotEncoder, telegram: bytes) -> None:
    """Every register shows what the telegram says, and absent where it says nothing."""
    values = values_of(telegram)
    registers = [register for register in MAP["registers"] if register["address"] >= 100]
    assert {r["name"].removesuffix("_f32") for r in registers} >= values.keys()
    wrong = {
        register["name"]: (shown(image, register), expected(values, register))
        for register in registers
        if shown(image, register) != expected(values, register)
    }
    assert wrong == {}, "register: (shown, expected)"


RECORDER = """
import os, termios
genuine = termios.tcsetattr
def tcsetattr(descriptor, when, attributes):
    with open(os.environ["TERMIOS_RECORD"], "a") as stream:
        print(attributes[2], attributes[4], attributes[5], file=stream)
    return genuine(descriptor, when, attributes)
termios.tcsetattr = tcsetattr
"""


def recording(folder: Path) -> dict[str, str]:
    """Variables under which a Python program writes down the line settings that it asks for.

    A pseudo terminal has no wire and so knows neither parity nor seven bits: it takes both and keeps neither.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(RECORDER)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, "TERMIOS_RECORD": str(folder / "record")}


def recorded(folder: Path) -> list[tuple[int, int, int]]:
    """Character form, input and output speed, each time that a program set a line."""
    form = termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB
    lines = [list(map(int, line.split())) for line in (folder / "record").read_text().splitlines()]
    return [(cflag & form, input_speed, output_speed) for cflag, input_speed, output_speed in lines]


@pytest.fixture
def port(tmp_path: Path) -> Any:
    """A serial port with a meter at its other end."""
    with SerialPort(tmp_path / "p1") as port:
        yield port


def send_first(port: SerialPort, telegram: bytes) -> None:
    """Send the first telegram of a meter: twice without a checksum, since it is believed when two agree."""
    port.send(telegram if re.search(rb"![0-9A-F]{4}\r\n$", telegram) else 2 * telegram)


def wait_for_meter(gateway: Gateway, telegram: bytes) -> None:
    """Wait until the registers are those of this telegram's meter."""
    name = values_of(telegram)["identification"]

    def is_there() -> bool:
        with gateway.client() as client:
            data = client.read(500, 16)
        return isinstance(data, bytes) and data.rstrip(b"\0").decode() == name

    wait_until(is_there, lambda: f"the readings of {name}; so far:\n{gateway.log}")


SEVEN_EVEN, EIGHT_NONE = termios.CS7 | termios.PARENB, termios.CS8


@pytest.mark.parametrize(
    ("name", "dsmr_version", "version", "title", "speed", "form"),
    [
        (name, dsmr_version, *line)
        for line, names in {
            ("2.2", "DSMR 2.2", termios.B9600, SEVEN_EVEN): {"v22_kamstrup-382jxc": 22, "v22_iskra-mt382": 22},
            ("4", "DSMR 4", termios.B115200, EIGHT_NONE): {"v40_landisgyr-e350": 40, "v42_kaifa-e0026": 42},
            ("5", "DSMR 5", termios.B115200, EIGHT_NONE): {
                "v50_sagemcom-t210d": 50,
                "v50_iskra-am550-solar": 50,
                "odd_empty-values": 50,
            },
        }.items()
        for name, dsmr_version in names.items()
    ],
)
def test_every_value_of_a_telegram_is_in_its_register(
    tmp_path: Path, port: SerialPort, name: str, dsmr_version: int, version: str, title: str, speed: int, form: int
) -> None:
    environment = recording(tmp_path / "recorder")
    gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": version}, environment=environment)
    with running(gateway):
        gateway.wait_until_connected()
        assert port.speed() == speed
        assert (form, speed, speed) in recorded(tmp_path / "recorder")
        # A byte that fails its parity must not come through as another one.
        assert bool(port.input_flags() & termios.INPCK) == bool(form & termios.PARENB)
        telegram = own_telegram(name)
        send_first(port, telegram)
        wait_for_meter(gateway, telegram)
        by_mbpoll = image_by(lambda address, count: mbpoll_registers(gateway.port, address, count))
        client = PyModbusTcpClient(host="127.0.0.1", port=gateway.port, unit_id=1)
        assert image_by(client.read_holding_registers) == by_mbpoll
        assert image_by(client.read_input_registers) == by_mbpoll
        status = client.read_holding_registers(0, 18)
        client.close()
        assert_shows(by_mbpoll, telegram)
        assert (status[0], status[1] & 0b1011, status[2]) == (1, 0b0011, dsmr_version)
        stamp = groups_of(telegram).get("0-0:1.0.0", [""])[0]
        assert status[8] << 16 | status[9] == (unix_seconds(stamp) if stamp else 0xFFFFFFFF)
        assert f"found {title}" in gateway.log


def test_auto_finds_version_and_speed(tmp_path: Path, port: SerialPort) -> None:
    telegram = own_telegram("v50_sagemcom-t210d")
    gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "auto"})
    with running(gateway):
        gateway.wait_until_connected()
        port.send_paced(telegram, 115_200)
        gateway.wait_for_telegrams(1)
        with gateway.client() as client:
            assert_shows(image_by(client.registers), telegram)
            assert client.registers(2, 1) == (50,)
        gateway.wait_for_log(r"found DSMR 5, /Ene5\\T210-D ESMR5.0")
        gateway.wait_for_log(re.escape(str(port.link)) + " 115200 8N1")


def test_auto_finds_a_meter_that_is_understood_at_9600_baud_only(tmp_path: Path, port: SerialPort) -> None:
    telegram = own_telegram("v22_iskra-mt382")
    noise = bytes(range(128, 256))
    gateway = Gateway(tmp_path, {"port": str(port.link), "watchdog": "1s"})
    stop = Event()

    def speak() -> None:
        # Two telegrams agree; a third one would come too soon after them for a meter that sends each ten seconds.
        while not stop.wait(0.2) and port.speed() != termios.B9600:
            port.send(noise)
        send_first(port, telegram)

    with running(gateway):
        gateway.wait_until_connected()
        assert port.speed() == termios.B115200
        meter = Thread(target=speak)
        meter.start()
        try:
            wait_for_meter(gateway, telegram)
            with gateway.client() as client:
                assert_shows(image_by(client.registers), telegram)
        finally:
            stop.set()
            meter.join()
        gateway.wait_for_log("noise: the speed is wrong")
        gateway.wait_for_log("found DSMR 2.2")
        gateway.wait_for_log("telegrams come in over .* 9600 7E1")


def with_powers(watts: int) -> bytes:
    """Return a telegram whose import, in total and of each phase, is `watts`, below 1000."""
    telegram = own_telegram("v50_sagemcom-t210d")
    return resealed(re.sub(rb"(?<=\.7\.0\()\d\d\.(?!000)\d{3}(?=\*kW)", b"00.%03d" % watts, telegram))


POWERS = [f"power_{way}{suffix}" for way in ("import", "net") for suffix in ("", "_l1", "_l2", "_l3")]


def test_no_read_mixes_two_telegrams(tmp_path: Path, port: SerialPort) -> None:
    registers = {r["name"]: r for r in MAP["registers"]}
    parts = {100: [registers[name] for name in POWERS], 1000: [registers[f"{name}_f32"] for name in POWERS]}
    gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "5"})
    with running(gateway), gateway.client() as client:
        gateway.wait_until_connected()
        seen: set[Any] = set()

        def look() -> bool:
            for address, of_part in parts.items():
                image = dict(enumerate(client.registers(address, MAX_READ), start=address))
                powers = {shown(image, register) for register in of_part}
                assert len(powers) == 1
                seen.update(powers)
            return len(seen) > 100

        with port.sending(*map(with_powers, range(1, 1000)), every_s=0.0):
            wait_until(lambda: isinstance(client.read(100, 2), bytes), "readings")
            wait_until(look, "reads of a hundred telegrams")


def test_a_telegram_in_pieces_shows_when_it_is_whole_and_not_before(tmp_path: Path, port: SerialPort) -> None:
    first, second = own_telegram("v22_iskra-mt382"), own_telegram("v22_iskra-mt382_10s-later")
    gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "2.2"})
    with running(gateway), gateway.client() as client:
        gateway.wait_until_connected()
        send_first(port, first)
        gateway.wait_for_telegrams(1)
        before = image_by(client.registers)
        for at in range(0, len(second) - 2, 100):
            port.send(second[at : min(at + 100, len(second) - 2)])
            assert image_by(client.registers) == before
        port.send(second[-2:])
        gateway.wait_for_telegrams(2)
        assert_shows(image_by(client.registers), second)


def test_an_unplugged_device_goes_stale_and_comes_back(tmp_path: Path, port: SerialPort) -> None:
    first, second = own_telegram("v22_iskra-mt382"), own_telegram("v22_iskra-mt382_10s-later")
    gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "2.2", "stale_after": "10s"})
    with running(gateway), gateway.client() as client:
        gateway.wait_until_connected()
        send_first(port, first)
        gateway.wait_for_telegrams(1)
        # The halves of two telegrams without checksum would pass for a whole one.
        cut = first.index(b"1-0:2.8.1")
        port.send(first[:cut])
        port.unplug()
        wait_until(lambda: client.read(100, 2) == TARGET_FAILED, "stale readings")
        assert client.registers(1, 1)[0] & 0b11 == 0
        gateway.wait_for_log("no such device. Is the cable plugged in")
        port.plug_in()
        gateway.wait_until_connected()
        port.send(second[second.index(b"1-0:2.8.1") :])
        port.send(second)
        gateway.wait_for_telegrams(2)
        assert_shows(image_by(client.registers), second)
        assert client.uint32(4) == 2
        assert client.registers(1, 1)[0] & 0b11 == 0b11
        gateway.wait_for_log("telegrams come in over", times=2)


HOLDER = """
import fcntl, os, signal, sys, termios
device = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(device, fcntl.LOCK_EX)
fcntl.ioctl(device, termios.TIOCEXCL)
print("held", flush=True)
signal.pause()
"""


def test_a_busy_device_is_reported_with_its_holder_and_taken_when_free(tmp_path: Path, port: SerialPort) -> None:
    telegram = own_telegram("v50_sagemcom-t210d")
    holder = Program([sys.executable, "-c", HOLDER, port.link], tmp_path, "holder")
    with running(holder):
        holder.wait_for_log("held")
        gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "5"})
        with running(gateway), gateway.client() as client:
            gateway.wait_for_log(rf"in use by \S+ \(process {holder.pid}\)")
            assert client.read(100, 2) == TARGET_FAILED
            assert client.registers(1, 1)[0] & 2 == 0
            holder.end()
            gateway.wait_until_connected()
            port.send(telegram)
            gateway.wait_for_telegrams(1)
            assert_shows(image_by(client.registers), telegram)


def test_nobody_else_can_take_the_device(tmp_path: Path, port: SerialPort) -> None:
    gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "5"})
    with running(gateway):
        gateway.wait_until_connected()
        with pytest.raises(OSError, match=r"busy|temporarily unavailable"):  # noqa: PT012
            # TIOCEXCL keeps all but root from opening it; root finds it locked.
            descriptor = os.open(port.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)


def test_a_device_that_is_not_there_is_waited_for(tmp_path: Path, port: SerialPort) -> None:
    telegram = own_telegram("v42_kaifa-e0026")
    port.unplug()
    gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "4"})
    with running(gateway), gateway.client() as client:
        gateway.wait_for_log(re.escape(str(port.link)) + r".*no such device.*/dev/serial/by-id")
        assert client.read(100, 2) == TARGET_FAILED
        assert client.registers(0, 2) == (1, 0)
        port.plug_in()
        gateway.wait_until_connected()
        port.send(telegram)
        gateway.wait_for_telegrams(1)
        assert_shows(image_by(client.registers), telegram)
        assert gateway.log.count("no such device") == 1


def test_a_device_without_rights_is_reported_with_the_remedy() -> None:
    with open_folder() as folder, SerialPort(folder / "p1") as port:
        port.link.chmod(0o000)
        gateway = Gateway(folder, {"port": str(port.link), "dsmr_version": "5"}, prefix=as_nobody(folder))
        with running(gateway), gateway.client() as client:
            gateway.wait_for_log("no permission to open it. Add the user to the group dialout")
            assert client.read(100, 2) == TARGET_FAILED


def test_a_serial_server_without_its_device_says_so_as_a_meter_does(tmp_path: Path) -> None:
    device = str(tmp_path / "rs485")
    settings = {"modbus": [{"serial": {"port": device}}]}
    gateway = Gateway(tmp_path, {"simulate": True}, settings=settings, waits=False)
    with running(gateway):
        gateway.wait_for_log(f"cannot listen on {device} 19200 8E1: no such device. Is the cable plugged in")
        assert "Errno" not in gateway.log
