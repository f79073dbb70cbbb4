"""`meter:` says where telegrams come from, in the words of Home Assistant's dsmr platform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.meter import AUTO, DEFAULT_DEVICE, MeterConfig
from gateway.protocol.p1.variants import ALIASES, VARIANTS
from tests.config.faults import faults_in, load


def meter(folder: Path, text: str) -> MeterConfig:
    return load(folder, f"meter: {{{text}}}").all_meters()["meter"]


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("", DEFAULT_DEVICE),
        ("port: /dev/ttyUSB3", "/dev/ttyUSB3"),
        ("port: /dev/serial/by-id/usb-FTDI_P1-if00-port0", "/dev/serial/by-id/usb-FTDI_P1-if00-port0"),
    ],
)
def test_a_meter_without_host_is_at_a_device(tmp_path: Path, text: str, device: str) -> None:
    config = meter(tmp_path, text)
    assert (config.host, config.device, config.dsmr_version, config.watchdog) == (None, device, AUTO, 30)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("host: 192.0.2.7, port: 2001", "192.0.2.7"),
        ("host: p1.local, port: '2001'", "p1.local"),
        ("port: 'socket://192.0.2.7:2001'", "192.0.2.7"),
        ("port: tcp://p1.local:2001/", "p1.local"),
        ("port: 'tcp://[2001:db8::7]:2001'", "2001:db8::7"),
    ],
)
def test_a_meter_behind_a_host_is_at_a_tcp_port(tmp_path: Path, text: str, host: str) -> None:
    config = meter(tmp_path, text)
    assert (config.host, config.port) == (host, "2001")


KNOWN: list[tuple[Any, str]] = [
    *((key, key) for key in VARIANTS),
    *ALIASES.items(),
    (AUTO, AUTO),
    (5, "5"),
    (2.2, "2.2"),
    ("5b", "5B"),
    ("AUTO", AUTO),
    ("iskra_ie", "ISKRA_IE"),
]


@pytest.mark.parametrize(("said", "key"), KNOWN, ids=[f"{type(said).__name__} {said}" for said, _ in KNOWN])
def test_a_version_is_known_as_number_or_word_in_any_case(said: Any, key: str) -> None:
    assert MeterConfig(dsmr_version=said).dsmr_version == key


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dsmr_version: 6", "1:9: meter.dsmr_version: '6' is not a DSMR version. There are: 2.2, 4, 5, 5B, "),
        ("dsmr_version: 5BB", "1:9: meter.dsmr_version: '5BB' is not a DSMR version. Did you mean 5B?"),
        ("dsmr_version: 4.2", "1:9: meter.dsmr_version: '4.2' is not a DSMR version. Did you mean 4?"),
        ("dsmr_version: 4.2.2", "1:9: meter.dsmr_version: '4.2.2' is not a DSMR version. Did you mean 4?"),
        ("dsmr_version: '5.0'", "1:9: meter.dsmr_version: '5.0' is not a DSMR version. Did you mean 5?"),
        ("dsmr_version: DSMR5", "1:9: meter.dsmr_version: 'DSMR5' is not a DSMR version. Did you mean 5?"),
        ("dsmr_version: 22", "1:9: meter.dsmr_version: '22' is not a DSMR version. Did you mean 2.2?"),
        ("dsmr_version: iskra", "1:9: meter.dsmr_version: 'iskra' is not a DSMR version. "),
        ("dsmr_version: ", "1:9: meter.dsmr_version: 'None' is not a DSMR version (found nothing). "),
        ("dsmr_versoin: 5", "1:9: meter.dsmr_versoin: unknown key. Did you mean dsmr_version?"),
        ("prot: /dev/p1", "1:9: meter.prot: unknown key. Did you mean port?"),
        ("tty: /dev/p1", "1:9: meter.tty: unknown key. Known here: port, host, source, "),
        (
            "host: p1.local",
            "1:1: meter: host needs a port: the TCP port of the ser2net there. Add a port, such as port: 2001",
        ),
        (
            "host: p1.local, port: /dev/p1",
            "1:1: meter: with host, port is a TCP port (found '/dev/p1'). Write a number from 1 to 65535, such as",
        ),
        (
            "host: p1.local, port: 0",
            "1:1: meter: with host, port is a TCP port (found '0'). Write a number from 1 to 65535, such as",
        ),
        (
            "host: p1.local, port: 65536",
            "1:1: meter: with host, port is a TCP port (found '65536'). Write a number from 1 to 65535, such as",
        ),
        (
            "host: 2001, port: 192.0.2.7",
            "1:1: meter: host and port are exchanged. Write host: 192.0.2.7 and port: 2001",
        ),
        (
            "host: '2001', port: p1.local",
            "1:1: meter: host and port are exchanged. Write host: p1.local and port: 2001",
        ),
        ("host: 2001, port: 2002", "1:1: meter: host '2001' is a number and not a host. Write a name such as"),
        (
            "port: 192.0.2.7",
            "1:1: meter: port '192.0.2.7' is the address of a host. Write host: 192.0.2.7 and port: with the TCP port",
        ),
        (
            "port: 2001",
            "1:1: meter: port 2001 is a TCP port, and there is no host. Add host, or write a device",
        ),
        ("host: p1..local, port: 2001", "1:9: meter.host: 'p1..local' is not a host. Write a name such as"),
        ("port: 'tcp://p1..local:2001'", "1:1: meter: 'p1..local' is not a host. Write a name such as"),
        ("host: a, port: 'tcp://b:2001'", "1:1: meter: port is an address with a host already. Remove host"),
        (
            "port: '192.0.2.7:2001'",
            "1:1: meter: port '192.0.2.7:2001' is a host with a port. Write host: 192.0.2.7 and port: 2001",
        ),
        (
            "port: 'socket://192.0.2.7'",
            "1:1: meter: 'socket://192.0.2.7' does not name a host and a port. Write it like socket://p1.local:2001",
        ),
        (
            "host: '192.0.2.7:2001', port: 1",
            "1:9: meter.host: '192.0.2.7:2001' is a host with a port. Write host: 192.0.2.7 and port: 2001",
        ),
        ("host: 'http://a', port: 1", "1:9: meter.host: 'http://a' is not a host. Write a name such as"),
        ("host: p1 local, port: 1", "1:9: meter.host: 'p1 local' is not a host. Write a name such as"),
        ("port: [1]", "1:9: meter.port: a text is expected"),
        ("port: true", "1:9: meter.port: a text is expected (found true)"),
        (
            "host: a, port: 1, baudrate: 9600",
            "1:1: meter: baudrate cannot be set for a meter behind a host. Set it in the",
        ),
        (
            "host: a, port: 1, stopbits: 1, parity: N",
            "1:1: meter: parity, stopbits cannot be set for a meter behind a host.",
        ),
        (
            "source: 'rfc2218://a:1'",
            "1:9: meter.source: 'rfc2218://a:1' is not a source of telegrams. Did you mean",
        ),
        ("source: /dev/a", "1:9: meter.source: '/dev/a' is not a source of telegrams. It begins with one of: http://"),
        ("source: 'rfc2217://'", "1:9: meter.source: 'rfc2217://' is not a source of telegrams. Did you mean"),
        ("source: 'rfc2217://a'", "1:9: meter.source: 'rfc2217://a' does not name a host and a port. Write it like"),
        ("source: 'rfc2217://a:99999'", "1:9: meter.source: 'rfc2217://a:99999' does not name a host and a port."),
        ("source: 'rfc2217://[a:1'", "1:9: meter.source: 'rfc2217://[a:1' does not name a host and a port."),
        ("source: 'rfc2217://a..b:1'", "1:9: meter.source: 'a..b' is not a host"),
        (
            "source: 'rfc2217://me:secret@a:1'",
            "1:1: meter: a source contains no user and no password. It would be shown in logs and on",
        ),
        ("source: [1]", "1:9: meter.source: a text is expected"),
        (
            "source: 'rfc2217://a:1', host: b, port: 1",
            "1:1: meter: port, host cannot be set with a source of rfc2217://. Remove it",
        ),
        ("source: 'http://a/b', poll: 50ms", "1:1: meter: poll is from 0.1s to 5s. Remove it to follow the meter"),
        ("source: 'ws://a/b', poll: 1s", "1:1: meter: poll cannot be set with a source of ws://. Remove it"),
        ("token_file: a", "1:1: meter: token_file cannot be set without a source. Remove it"),
        ("baudrate: 9600.5", "1:9: meter.baudrate: a whole number is expected"),
        ("baudrate: 299", "1:9: meter.baudrate: 300 or more is expected (found 299)"),
        ("baudrate: 4000001", "1:9: meter.baudrate: at most 4000000 is expected (found 4000001)"),
        ("bytesize: 6", "1:9: meter.bytesize: 6 is not one of 7, 8"),
        ("parity: M", "1:9: meter.parity: 'M' is not one of N, E, O"),
        ("parity: no", "1:9: meter.parity: false is not one of N, E, O"),
        ("stopbits: 1.5", "1:9: meter.stopbits: 1.5 is not one of 1, 2"),
        (
            "watchdog: soon",
            "1:9: meter.watchdog: this is not a duration (found 'soon'). Write it like 30s, 500ms or 2m",
        ),
        ("stale_after: 0s", "1:9: meter.stale_after: a duration is more than 0s and at most 24h"),
    ],
)
def test_a_fault_of_a_meter_is_reported_with_its_correction(tmp_path: Path, text: str, told: str) -> None:
    (found,) = faults_in(tmp_path, f"meter: {{{text}}}")
    assert found.startswith(told)


def test_serial_parameters_can_be_set_one_by_one(tmp_path: Path) -> None:
    config = meter(tmp_path, "baudrate: 9600, bytesize: 7, parity: E, stopbits: 2")
    assert (config.baudrate, config.bytesize, config.parity, config.stopbits) == (9600, 7, "E", 2)
    assert meter(tmp_path, "parity: O").baudrate is None


@pytest.mark.parametrize(("text", "found"), [("meter:\n  port:\n", "nothing"), ('meter:\n  port: ""\n', "''")])
def test_a_port_without_a_value_is_not_taken_for_the_usual_device(tmp_path: Path, text: str, found: str) -> None:
    hint = "Write the device or the TCP port, or remove the key"
    assert faults_in(tmp_path, text) == [f"2:3: meter.port: a value is expected (found {found}). {hint}"]
