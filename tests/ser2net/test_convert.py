"""A ser2net's configuration becomes one that the gateway takes, and says what is not as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import Config, load_config
from gateway.files.document import FileError
from gateway.ser2net import convert

USUAL = "2001:raw:600:/dev/ttyUSB0:115200 NONE 1STOPBIT 8DATABITS XONXOFF LOCAL -RTSCTS"
USUAL_AS_YAML = """\
%YAML 1.1
---
connection: &p1
    accepter: tcp,2001
    timeout: 600
    connector: serialdev,/dev/ttyUSB0,115200n81,xonxoff,local
"""


def converted(text: str, folder: Path) -> tuple[Config, str]:
    result = convert(text, "ser2net.conf")
    (folder / "gateway.yaml").write_text(result)
    return load_config(folder / "gateway.yaml"), result


@pytest.mark.parametrize("text", [USUAL, USUAL_AS_YAML], ids=["old", "yaml"])
def test_the_usual_line_keeps_what_it_says_and_tells_what_it_drops(text: str, tmp_path: Path) -> None:
    config, result = converted(text, tmp_path)
    meter = config.all_meters()["meter"]
    assert (meter.device, meter.baudrate, meter.bytesize, meter.parity, meter.stopbits) == (
        "/dev/ttyUSB0",
        115200,
        8,
        "N",
        1,
    )
    (port,) = config.passthrough
    assert (port.listen.host, port.listen.port, port.mode, port.idle_timeout) == ("", 2001, "raw", 600)
    assert not port.writable
    for words in ("XONXOFF is dropped", "one client at a time", "discards it unless writable", "LOCAL"):
        assert words in result
    assert "RTSCTS is dropped" not in result


def test_comments_banners_and_blank_lines_of_the_old_form_are_no_ports(tmp_path: Path) -> None:
    text = f"# ports\n\nBANNER:b1:hello\\r\\n\nCONTROLPORT:3000\n{USUAL}\n"
    config, result = converted(text, tmp_path)
    assert len(config.passthrough) == 1
    assert "Line 5" in result


@pytest.mark.parametrize(
    ("before_port", "listens"),
    [("", ":2001"), ("localhost,", "127.0.0.1:2001"), ("192.0.2.7,", "192.0.2.7:2001"), ("[::1],", "[::1]:2001")],
)
def test_the_address_of_the_old_form_is_kept(before_port: str, listens: str, tmp_path: Path) -> None:
    config, _ = converted(before_port + USUAL, tmp_path)
    assert str(config.passthrough[0].listen) == listens


def test_two_devices_become_two_meters_with_a_unit_each(tmp_path: Path) -> None:
    text = "2001:raw:0:/dev/ttyUSB0:115200\n2002:telnet:0:/dev/ttyUSB1:9600 EVEN 7DATABITS max-connections=3 banner1\n"
    config, result = converted(text, tmp_path)
    second = config.all_meters()["meter2"]
    assert (second.device, second.baudrate, second.parity, second.bytesize) == ("/dev/ttyUSB1", 9600, "E", 7)
    assert [port.meter for port in config.passthrough] == ["meter1", "meter2"]
    assert config.passthrough[1].max_clients == 3
    assert config.passthrough[0].idle_timeout is None
    assert {unit.meter for unit in config.modbus[0].units.values()} == {"meter1", "meter2"}
    assert [port.telnet for port in config.passthrough] == [None, "rfc2217"]
    assert "telnet becomes telnet with RFC 2217" in result
    assert "banner1 is dropped" in result


def test_two_ports_of_one_device_become_two_listeners_of_one_meter(tmp_path: Path) -> None:
    config, _ = converted("2001:raw:0:/dev/p1:115200\n2002:raw:0:/dev/p1:115200\n", tmp_path)
    assert list(config.all_meters()) == ["meter"]
    assert [port.listen.port for port in config.passthrough] == [2001, 2002]


@pytest.mark.parametrize("text", [USUAL.replace("raw", "off"), USUAL_AS_YAML + "    enable: off\n"])
def test_a_port_that_is_off_stays_off(text: str, tmp_path: Path) -> None:
    config, result = converted(text, tmp_path)
    assert config.passthrough == []
    assert "switched off" in result


@pytest.mark.parametrize(
    ("accepter", "telnet", "told"),
    [
        ("telnet(rfc2217),tcp", "rfc2217", "clients cannot change the speed"),
        ("telnet(rfc2217=true,mode=server),tcp", "rfc2217", "clients cannot change the speed"),
        ("telnet(rfc2217=off),tcp", "rfc2217", "telnet becomes telnet with RFC 2217"),
        ("telnet,tcp", "rfc2217", "telnet becomes telnet with RFC 2217"),
        ("tcp", None, "one client at a time"),
    ],
)
def test_a_port_in_telnet_mode_stays_one(accepter: str, telnet: str | None, told: str, tmp_path: Path) -> None:
    config, result = converted(USUAL_AS_YAML.replace("tcp,2001", f"{accepter},2001"), tmp_path)
    assert config.passthrough[0].telnet == telnet
    assert told in result


def test_the_old_form_lets_clients_set_the_port_with_remctl(tmp_path: Path) -> None:
    config, result = converted(USUAL.replace("raw", "telnet") + " remctl", tmp_path)
    assert config.passthrough[0].telnet == "rfc2217"
    assert "clients cannot change the speed" in result
    assert "remctl is dropped" not in result


@pytest.mark.parametrize(
    ("connector", "meter", "told"),
    [
        ("telnet(rfc2217),tcp,p1.local,2001", {"source": "rfc2217://p1.local:2001"}, ""),
        ("telnet(rfc2217),tcp,::1,2001", {"source": "rfc2217://[::1]:2001"}, ""),
        ("tcp,192.0.2.7,2001", {"host": "192.0.2.7", "port": "2001"}, ""),
        ("tcp(nodelay),ipv4,p1.local,2001", {"host": "p1.local", "port": "2001"}, ""),
        ("keepopen(retry-time=500),tcp,2001", {"host": "127.0.0.1", "port": "2001"}, ""),
        ("telnet,tcp,p1.local,2001", {"host": "p1.local", "port": "2001"}, "telnet is dropped"),
    ],
)
def test_a_port_that_ser2net_reads_from_the_network_becomes_a_source(
    connector: str, meter: dict[str, str], told: str, tmp_path: Path
) -> None:
    text = USUAL_AS_YAML.replace("serialdev,/dev/ttyUSB0,115200n81,xonxoff,local", connector)
    config, result = converted(text, tmp_path)
    found = config.all_meters()["meter"]
    assert {key: getattr(found, key) for key in ("host", "port", "source") if getattr(found, key)} == meter
    assert told in result


@pytest.mark.parametrize("connector", ["tcp", "tcp,a,b,2001", "tcp,a,99999", "udp,a,2001", "telnet,a,2001", "telnet"])
def test_another_connector_is_a_problem(connector: str) -> None:
    text = USUAL_AS_YAML.replace("serialdev,/dev/ttyUSB0,115200n81,xonxoff,local", connector)
    with pytest.raises(FileError, match="is not serialdev,DEVICE,SPEED or tcp,HOST,PORT"):
        convert(text, "file")


YAML_WITH_EVERYTHING = """\
%YAML 1.1
---
define: &device /dev/serial/by-id/usb-P1
default:
    name: kickolduser
    value: true
connection: &first
    accepter: telnet(rfc2217),tcp(nodelay),127.0.0.1,2001
    connector: keepopen(retry-time=500,discard-badwrites),serialdev,*device,9600e71
    options:
      max-connections: 10
      banner: "hello\\r\\n"
      mdns: true
connection: &second
    accepter: ssl(key=/etc/p1.key,cert=/etc/p1.pem,CA=/etc/ca.pem,clientauth),tcp,::1,2002
    connector: serialdev,*device,9600e71,local
    options:
      remaddr: 192.168.1.0/24
"""


def test_aliases_defaults_layers_and_options_of_the_yaml_form_are_understood(tmp_path: Path) -> None:
    config, result = converted(YAML_WITH_EVERYTHING, tmp_path)
    meter = config.all_meters()["meter"]
    assert (meter.device, meter.baudrate, meter.parity, meter.bytesize) == ("/dev/serial/by-id/usb-P1", 9600, "E", 7)
    first, second = config.passthrough
    assert (str(first.listen), first.max_clients, first.kick_oldest) == ("127.0.0.1:2001", 10, True)
    assert first.announce
    assert str(second.listen) == "[::1]:2002"
    assert second.tls is not None
    assert (str(second.tls.certificate), str(second.tls.key), str(second.tls.client_ca)) == (
        "/etc/p1.pem",
        "/etc/p1.key",
        "/etc/ca.pem",
    )
    assert (first.telnet, second.telnet) == ("rfc2217", None)
    for words in ("clients cannot change the speed", "banner", "remaddr 192.168.1.0/24 is dropped"):
        assert words in result


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1:1: the file serves no serial port over TCP"),
        ("# nothing\n", "1:1: the file serves no serial port"),
        ("2001:raw:600\n", "1:1: 2001: this is not port:state:timeout:device:options"),
        ("[::1,2001:raw:0:/dev/p1:9600\n", "1:1: [: this is not port:state:timeout:device:options"),
        ("\n  2001:cooked:0:/dev/p1:9600\n", "2:3: 2001: 'cooked' is not one of raw"),
        ("70000:raw:0:/dev/p1:9600\n", "1:1: 70000: 70000 is not a TCP port"),
        ("2001:raw:soon:/dev/p1:9600\n", "'soon' is not a number of seconds"),
        ("2001:raw:0:COM1:9600\n", "'COM1' is not a device"),
        ("connection: &a\n  accepter: tcp,p1\n  connector: serialdev,/dev/p1,9600n81\n", "2:3: connection: accepter"),
        ("connection: &a\n  accepter: tcp,2001\n  connector: ssl,tcp,host,80\n", "is not serialdev"),
        ("connection: [\n", "2:1: not valid YAML"),
    ],
)
def test_what_cannot_be_read_is_reported_with_its_place(text: str, told: str) -> None:
    with pytest.raises(FileError) as error:
        convert(text, "file")
    assert told in str(error.value.problems[0])


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(FileError) as error:
        convert("2001:raw\n2002:raw\n", "file")
    assert len(error.value.problems) == 2


LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from([USUAL, *USUAL_AS_YAML.splitlines(), *YAML_WITH_EVERYTHING.splitlines(), "connection: &a"]),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(LINES)
def test_any_file_is_converted_or_its_faults_are_reported(lines: list[str]) -> None:
    try:
        result = convert("\n".join(lines), "file")
    except FileError as error:
        result = str(error.problems[0])
    assert "passthrough:" in result or result.startswith("file:")
