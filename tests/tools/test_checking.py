"""`dsmr-gateway check`: what a machine lacks for a configuration is told before the gateway starts."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.config import check_config
from gateway.problems.problem import Problem, in_order
from gateway.tools.checking import check_files, check_machine
from gateway.tools.host_names import unresolved
from gateway.tools.listening_programs import ListeningPrograms
from tests.certificates import add_certificate, make_certificates
from tests.cli.p1_lines import fed_pty
from tests.conftest import own_telegram, program
from tests.peers.harness import (
    Gateway,
    Program,
    as_nobody,
    free_port,
    gateway_command,
    open_folder,
    reserved_port,
    running,
    wait_until,
)


def check(folder: Path, text: str, *arguments: str) -> Result:
    (folder / "gateway.yaml").write_text(text)
    return CliRunner().invoke(main, ["check", str(folder / "gateway.yaml"), *arguments], catch_exceptions=False)


def faults(folder: Path, text: str) -> list[Problem]:
    path = folder / "gateway.yaml"
    path.write_text(text)
    checked = check_config(path, {})
    checked.valid()
    files = check_files(checked.document, checked.config, folder)
    return in_order([*files, *check_machine(checked.document, checked.config).problems])


def told(folder: Path, text: str) -> list[str]:
    return [str(fault).removeprefix(str(folder / "gateway.yaml:")) for fault in faults(folder, text)]


@pytest.fixture
def device() -> Iterator[str]:
    far, near = pty.openpty()
    name = os.ttyname(near)
    os.close(near)
    yield name
    os.close(far)


def test_one_sentence_says_that_all_is_well(tmp_path: Path, device: str) -> None:
    text = f"meter: {{port: {device}}}\nmodbus: [{{listen: '127.0.0.1:{free_port()}'}}]\n"
    result = check(tmp_path, text)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    assert "is valid: 1 meter, 1 unit on 127.0.0.1:" in result.stdout


def test_all_that_is_missing_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = (
            "meters:\n"
            "  a: {port: /dev/no-such-device}\n"
            "  b: {host: p1.invalid, port: 2001}\n"
            "modbus:\n"
            f"  - {{listen: '127.0.0.1:{port}', units: {{1: {{meter: a}}}}}}\n"
            "  - {listen: '192.0.2.77:5020', units: {1: {meter: a}}}\n"
            "  - {serial: {port: /dev/null-not}, units: {1: {meter: b}}}\n"
            "  - {listen: '127.0.0.1:0', tls: {certificate: no.pem, key: no.key}, units: {1: {meter: b}}}\n"
        )
        result = check(tmp_path, text)
    assert result.exit_code == 1
    lines = [line.split(str(tmp_path / "gateway.yaml"))[1] for line in result.stderr.splitlines()]
    assert [line.partition(": ")[0] for line in lines] == [":2:7", ":3:7", ":5:6", ":6:6", ":7:15", ":8:35", ":8:56"]
    assert "/dev/no-such-device: no such device. Is the cable plugged in?" in lines[0]
    assert "p1.invalid is not found" in lines[1]
    assert "in use by" in lines[2]
    assert f"(process {os.getpid()})" in lines[2]
    assert "192.0.2.77:5020 is not an address of this machine" in lines[3]
    assert "no such file" in lines[5]
    assert all("trying again" not in line for line in lines)


def test_the_files_and_hosts_of_brokers_are_looked_at_as_well(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("s3cret\n")
    (tmp_path / "open").chmod(0o644)
    text = (
        "meter: {simulate: true}\nmodbus: []\nmqtt:\n  brokers: [mqtts://broker.invalid]\n  password_file: %s\n"
        "  ca: no.pem\n  certificate: no.pem\n  key: no.key\n  publish: [readings]\n"
    )
    found = told(tmp_path, text % "no.password")
    assert [each.partition(": ")[0] for each in found] == ["4:13", "5:3", "6:3", "7:3", "8:3"]
    assert "the name broker.invalid is not found" in found[0]
    assert all("no such file" in each for each in found[1:])
    result = check(
        tmp_path,
        "meter: {simulate: true}\nmodbus: []\nmqtt: {brokers: [mqtt://127.0.0.1:1],"
        " password_file: open, publish: [readings]}\n",
    )
    assert result.exit_code == 0
    assert "can read or change" in result.stdout + result.stderr
    assert "gateway.yaml is valid: 1 meter, 1 MQTT broker." in result.stdout
    assert "s3cret" not in result.stdout + result.stderr


def test_a_password_file_for_a_broker_has_a_password(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    published = "mqtt: {brokers: [mqtt://127.0.0.1:1], password_file: empty, publish: [readings]}\n"
    received = (
        "meter: {source: 'mqtt://127.0.0.1/p1', user: a, password_file: empty}\nmodbus: [{listen: '127.0.0.1:0'}]\n"
    )
    for text in ("meter: {simulate: true}\nmodbus: []\n" + published, received):
        (line,) = told(tmp_path, text)
        assert line.endswith(f"password_file: {tmp_path}/empty: the file is empty. Write the password into it")


def test_a_state_dir_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    text = "meter: {simulate: true}\nmodbus: [{listen: '127.0.0.1:0'}]\nstate_dir: state\n"
    result = check(tmp_path, text)
    assert result.exit_code == 0
    assert f"3:1: state_dir: there is no folder {tmp_path}/state" in result.stdout + result.stderr
    too_long = check(tmp_path, text.replace("dir: state", f"dir: {300 * 'x'}"))
    assert too_long.exit_code == 0
    assert "there is no folder" in too_long.stdout + too_long.stderr
    (tmp_path / "state").mkdir()
    result = check(tmp_path, text)
    assert "there is no folder" not in result.stdout + result.stderr


def test_udp_ports_are_looked_at_as_well(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        text = (
            f"meter: {{simulate: true}}\nmodbus: [{{listen: '127.0.0.1:{port}', transport: udp, allow: [127.0.0.1]}}]"
        )
        (line,) = told(tmp_path, text)
        assert f"127.0.0.1:{port} is in use by" in line
        assert f"(process {os.getpid()})" in str(ListeningPrograms().of(port, "udp"))
        assert ListeningPrograms().of(port, "tcp") is None


def test_a_name_is_looked_up_once_and_an_address_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr("gateway.tools.host_names.socket.getaddrinfo", look_up)
    names = ["p1.invalid"] * 40 + ["p2.invalid", "192.0.2.1", "2001:db8::1"]
    assert unresolved(names) == {"p1.invalid": "unknown", "p2.invalid": "unknown"}
    assert sorted(looked_up) == ["p1.invalid", "p2.invalid"]


def test_passthroughs_are_looked_at_as_well(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        rest = f"modbus: [{{listen: '127.0.0.1:0'}}]\npassthrough: [{{listen: '127.0.0.1:{port}'}}]"
        (line,) = told(tmp_path, f"meter: {{simulate: true}}\n{rest}")
    assert line.startswith("3:16: passthrough[0].listen: ")


def test_the_status_page_is_looked_at_as_well(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("1234\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        page = f"status_page: {{listen: '127.0.0.1:{port}', password_file: PASSWORD}}"
        text = f"meter: {{simulate: true}}\nmodbus: [{{listen: '127.0.0.1:0'}}]\n{page}\n"
        busy, short = told(tmp_path, text.replace("PASSWORD", "short"))
        missing = told(tmp_path, text.replace("PASSWORD", "missing"))[1]
    assert busy.startswith(f"3:15: status_page.listen: 127.0.0.1:{port} is in use by ")
    assert short.endswith(f"password_file: {tmp_path}/short: the password is too short. Use 8 characters or more")
    assert missing.endswith(
        f"password_file: {tmp_path}/missing: no such file. Check the name, and the folder that it begins in"
    )


def test_the_token_file_of_a_homewizard_device_needs_its_serial_number(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789ABCDEF\n")
    text = "meter: {source: 'homewizard://localhost', token_file: token}\nmodbus: [{listen: '127.0.0.1:0'}]\n"
    (line,) = told(tmp_path, text)
    assert f"{file}: the second line of the token file is not the serial number" in line
    assert "0123456789ABCDEF" not in line
    file.write_text("0123456789ABCDEF\n5c2fafaabbcc\n")
    assert told(tmp_path, text) == []


def test_keys_of_encrypted_telegrams_are_looked_at_and_not_quoted(tmp_path: Path) -> None:
    digits = "0123456789abcdef"
    (tmp_path / "key").write_text(f"{digits} {digits[::-1]} # the key\n")
    keys = "{key_file: key, authentication_key_file: missing}"
    text = f"meter: {{simulate: true, decryption: {keys}}}\nmodbus: [{{listen: '127.0.0.1:0'}}]\n"
    malformed, missing = told(tmp_path, text)
    assert malformed == (
        f"1:38: meter.decryption.key_file: {tmp_path}/key: the file is not a key of 32 hexadecimal digits."
        " Write the key of the grid operator into the file, and nothing else"
    )
    assert missing.startswith(f"1:53: meter.decryption.authentication_key_file: {tmp_path}/missing: no such file")


def test_a_file_that_is_no_serial_device_is_reported(tmp_path: Path) -> None:
    (line,) = told(tmp_path, f"meter: {{port: {tmp_path}}}\nmodbus: [{{listen: '127.0.0.1:0'}}]")
    assert line == f"1:9: meter.port: {tmp_path}: not a serial device. Look in /dev/serial/by-id"


def test_a_device_that_is_used_twice_is_reported_under_every_name(tmp_path: Path, device: str) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(device)
    meters = f"meters:\n  a: {{port: {device}}}\n  b: {{port: {link}}}\n"
    bus = f"  - {{serial: {{port: {device}}}, units: {{2: {{meter: b}}}}}}\n"
    first, second = told(tmp_path, f"{meters}modbus:\n  - {{listen: '127.0.0.1:0', units: {{1: {{meter: a}}}}}}\n{bus}")
    hint = "Each meter and each bus has its own device"
    assert first == f"3:7: meters.b.port: {link} is the device of meters.a.port already. {hint}"
    assert second == f"6:15: modbus[1].serial.port: {device} is the device of meters.a.port already. {hint}"


def test_what_is_most_likely_not_meant_is_a_warning(tmp_path: Path) -> None:
    meters = "meters:\n  a: {simulate: true}\n  b: {simulate: true, stale_after: 2m}\n"
    result = check(tmp_path, f"{meters}modbus: [{{listen: '127.0.0.1:0', units: {{1: {{meter: a}}}}}}]")
    assert result.exit_code == 0
    assert "meters.b: no unit and no passthrough serves b. Add a unit with meter: b" in result.stdout
    assert "stale_after is 120 s, and watchdog is 30 s" in result.stdout


def test_the_program_that_has_a_device_open_is_reported(tmp_path: Path, device: str) -> None:
    holder = Program([program("sh"), "-c", f"exec sleep 60 < {device}"], tmp_path, "holder")
    with running(holder):
        wait_until(lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n", "the device to be open")
        (line,) = told(tmp_path, f"meter: {{port: {device}}}\nmodbus: [{{listen: '127.0.0.1:0'}}]")
    assert f"in use by sleep (process {holder.pid})" in line


def test_a_gateway_that_runs_with_it_is_no_fault(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "running", {"simulate": True})
    with running(gateway):
        result = check(tmp_path, (tmp_path / "running" / "gateway.yaml").read_text())
    assert (result.exit_code, result.stderr) == (0, "")
    assert " has one of its ports or devices open: stop it, unless" in result.stdout


def test_a_missing_right_is_reported_with_what_to_do() -> None:
    port = reserved_port()
    with open_folder() as folder:
        (folder / "gateway.yaml").write_text(f"meter: {{simulate: true}}\nmodbus: [{{listen: '127.0.0.1:{port}'}}]\n")
        command = [*as_nobody(folder), gateway_command(), "check", str(folder / "gateway.yaml")]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert f"gateway.yaml:2:11: modbus[0].listen: no permission to listen on 127.0.0.1:{port}" in result.stderr
    assert "CAP_NET_BIND_SERVICE" in result.stderr


TLS = "meter: {{simulate: true}}\nmodbus: [{{listen: '127.0.0.1:0', tls: {{certificate: {}, key: {}{}}}}}]"


def test_certificates_that_fit_are_right(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    assert told(tmp_path, TLS.format("server.pem", "server.key", ", client_ca: ca.pem")) == []


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        ("old.pem", "old.key", "tls.certificate: {}/old.pem is no longer valid since"),
        ("server.pem", "client.key", "tls.key: {0}/client.key and {0}/server.pem do not belong together (KEY_VALUES_"),
        ("server.key", "server.key", "tls.certificate: {}/server.key does not contain a certificate in PEM form"),
        ("server.pem", "server.pem", "tls.key: {}/server.pem does not contain a private key in PEM form"),
        ("server.pem", "locked.key", "tls.key: {}/locked.key is protected by a password. Save the key without one"),
        (".", "server.key", "tls.certificate: {}: this is a folder"),
    ],
)
def test_unusable_certificates_are_reported(tmp_path: Path, certificate: str, key: str, words: str) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only here

    make_certificates(tmp_path)
    add_certificate(tmp_path, "old", days=-1)
    private = serialization.load_pem_private_key((tmp_path / "server.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    form, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "locked.key").write_bytes(private.private_bytes(form, kind, locked))
    (line,) = told(tmp_path, TLS.format(certificate, key, ""))
    assert words.format(tmp_path) in line


def test_with_probe_the_meter_is_listened_to(tmp_path: Path) -> None:
    rest = "modbus: [{listen: '127.0.0.1:0'}]"
    with fed_pty(own_telegram("v50_sagemcom-t210d")) as port:
        result = check(tmp_path, f"meter: {{port: {port}}}\n{rest}", "--probe", "--json")
    assert result.exit_code == 0, result.stdout
    assert json.loads(result.stdout)["meters"] == [f"{port} 115200 8N1: DSMR 5, /Ene5\\T210-D ESMR5.0"]
    result = check(tmp_path, f"meter: {{host: 127.0.0.1, port: {free_port()}}}\n{rest}", "--probe")
    assert result.exit_code == 1
    assert "gateway.yaml:1:" in result.stderr
    assert "refused" in result.stderr


def test_json_says_all_that_the_text_says(tmp_path: Path) -> None:
    good = check(tmp_path, "meter: {simulate: true}\nmodbus: [{listen: '127.0.0.1:0'}]", "--json")
    data = json.loads(good.stdout)
    assert (good.exit_code, data["right"], data["faults"]) == (0, True, [])
    assert "1 meter" in data["summary"]
    bad = check(tmp_path, "meter: {prot: a}\nmodbus:\n  - {lisen: 3}\n", "--json")
    data = json.loads(bad.stdout)
    assert (bad.exit_code, bad.stderr, data["right"]) == (78, "", False)
    assert [(fault["line"], fault["column"], fault["path"]) for fault in data["faults"]] == [
        (1, 9, "meter.prot"),
        (3, 6, "modbus[0].lisen"),
    ]
    missing = check(tmp_path, "meter: {port: /dev/no}\nmodbus: [{listen: '127.0.0.1:0'}]", "--json")
    assert (missing.exit_code, json.loads(missing.stdout)["faults"][0]["path"]) == (1, "meter.port")


def test_a_wait_that_is_too_long_for_most_clients_is_a_warning(tmp_path: Path) -> None:
    text = "meter: {simulate: true}\nmodbus: [{listen: '127.0.0.1:0', units: {1: {repeat: wait, wait_up_to: 5s}}}]"
    warning = "unit 1 of 127.0.0.1:0: wait_up_to is 5 s; many clients wait 1 to 3 s for a response"
    shown = check(tmp_path, text)
    assert shown.exit_code == 0
    assert warning in shown.stdout.splitlines()
    assert json.loads(check(tmp_path, text, "--json").stdout)["warnings"] == [warning]


@pytest.mark.parametrize(
    ("version", "unit", "lacked"),
    [
        ('"4"', "map: cg-em340", "voltage_l1, voltage_l2, voltage_l3"),
        ('"2.2"', "map: abb-b23, on_stale: silent", "power_net_l1, power_net_l2, power_net_l3, current_l2"),
        ('"4"', "map: abb-b23", None),
        ('"2.2"', "map: cg-et112", None),
        ('"5"', "map: cg-em340", None),
        ("auto", "map: cg-em340", None),
        ('"4"', "map: cg-em340, test_pattern: true", None),
    ],
)
def test_a_map_whose_readings_the_version_never_has_is_a_warning(
    tmp_path: Path, version: str, unit: str, lacked: str | None
) -> None:
    servers = f"modbus: [{{listen: '127.0.0.1:0', units: {{3: {{{unit}}}}}}}]"
    shown = check(tmp_path, f"meter: {{simulate: true, dsmr_version: {version}}}\n{servers}")
    assert shown.exit_code == 0
    warnings = [line for line in shown.stdout.splitlines() if line.startswith("unit 3 of 127.0.0.1:0: ")]
    assert len(warnings) == (lacked is not None)
    if lacked:
        assert f" requires {lacked}" in warnings[0]
        assert ("no response" in warnings[0]) == ("silent" in unit)


def test_each_unit_is_compared_with_its_own_meter(tmp_path: Path) -> None:
    meters = 'meters: {old: {simulate: true, dsmr_version: "4"}, new: {simulate: true, dsmr_version: "5"}}'
    units = "{1: {meter: old, map: cg-em340}, 2: {meter: new, map: cg-em340}}"
    shown = check(tmp_path, f"{meters}\nmodbus: [{{listen: '127.0.0.1:0', units: {units}}}]")
    assert [line[:7] for line in shown.stdout.splitlines() if " requires " in line] == ["unit 1 "]


def test_with_probe_a_version_that_the_meter_contradicts_is_reported(tmp_path: Path) -> None:
    with fed_pty(own_telegram("v50_sagemcom-t210d")) as port:
        rest = "modbus: [{listen: '127.0.0.1:0'}]"
        result = check(tmp_path, f'meter: {{port: {port}, dsmr_version: "4"}}\n{rest}', "--probe")
    assert result.exit_code == 1
    what = "meter.dsmr_version: 4 is configured, but the telegrams are those of DSMR 5"
    assert result.stderr.endswith(f': {what}. Write dsmr_version: "5"\n')
