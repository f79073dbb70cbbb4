"""What is valid in a configuration and most likely not meant is reported, and prevents nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import check_config
from gateway.config.remarks import config_remarks

IDENTIFIERS = (("a", "E0047000073605419"), ("b", "E0047000073605420"), ("c", "E0047000073605419"))


def remarks_of(folder: Path, text: str) -> list[str]:
    path = folder / "gateway.yaml"
    path.write_text(text)
    checked = check_config(path, {})
    assert checked.problems == []
    return [each.removeprefix(f"{path}:") for each in config_remarks(checked.document, checked.config)]


def test_a_meter_that_nothing_serves_is_reported(tmp_path: Path) -> None:
    meters = "meters:\n  a: {port: /dev/a}\n  b: {port: /dev/b}\n  c: {port: /dev/c}\n"
    [remark] = remarks_of(tmp_path, f"{meters}modbus: [{{units: {{1: {{meter: a}}}}}}]")
    hint = "Add a unit with meter: b, and one for each of the others"
    assert remark == f"3:3: meters.b: no unit and no passthrough serves b, c. {hint}"
    served = "modbus: [{units: {1: {meter: a}, 2: {meter: b}}}]\npassthrough: [{meter: c}]"
    assert remarks_of(tmp_path, meters + served) == []
    assert remarks_of(tmp_path, "meter: {port: /dev/a}") == []


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ("{host: P1.local, port: 2001}", "{host: p1.local, port: 2001}", "host"),
        ("{host: p1.local, port: 2001}", "{port: 'socket://p1.local:2001'}", "host"),
        ("{host: p1.local, port: 2001}", "{source: 'rfc2217://p1.local:2001'}", "source"),
    ],
)
def test_two_meters_on_one_host_and_port_are_reported(tmp_path: Path, first: str, second: str, key: str) -> None:
    units = "modbus: [{units: {1: {meter: a}, 2: {meter: b}}}]"
    [remark] = remarks_of(tmp_path, f"meters:\n  a: {first}\n  b: {second}\n{units}")
    assert f": meters.b.{key}: " in remark
    assert "port 2001 is the source of meters.a already" in remark


def test_two_meters_of_one_host_with_different_ports_or_topics_are_not_reported(tmp_path: Path) -> None:
    units = "modbus: [{units: {1: {meter: a}, 2: {meter: b}}}]"
    for first, second in (
        ("{host: p1.local, port: 2001}", "{host: p1.local, port: 2002}"),
        ("{source: 'mqtt://p1.local/a'}", "{source: 'mqtt://p1.local/b'}"),
        ("{simulate: true, host: p1.local, port: 2001}", "{host: p1.local, port: 2001}"),
    ):
        assert remarks_of(tmp_path, f"meters:\n  a: {first}\n  b: {second}\n{units}") == []


def test_two_meters_with_one_identifier_are_reported(tmp_path: Path) -> None:
    meters = "".join(f"  {name}: {{port: /dev/{name}, equipment_identifier: {each}}}\n" for name, each in IDENTIFIERS)
    units = "modbus: [{units: {1: {meter: a}, 2: {meter: b}, 3: {meter: c}}}]"
    [remark] = remarks_of(tmp_path, f"meters:\n{meters}{units}")
    assert remark == (
        "4:21: meters.c.equipment_identifier: E0047000073605419 is the equipment identifier of meters.a already."
        " One of the two has no telegrams with it, unless both read the same meter: correct one"
    )


def test_a_meter_among_several_without_a_source_is_reported(tmp_path: Path) -> None:
    units = "modbus: [{units: {1: {meter: a}, 2: {meter: b}}}]"
    [remark] = remarks_of(tmp_path, f"meters:\n  a: {{port: /dev/a}}\n  b: {{dsmr_version: '5'}}\n{units}")
    what = "no source is configured, so the meter is read from /dev/ttyUSB0"
    assert remark == f"3:3: meters.b: {what}. Write its source, host or port"
    assert remarks_of(tmp_path, "meter: {dsmr_version: '5'}") == []


def test_readings_that_stay_fresh_longer_than_the_watchdog_waits_are_reported(tmp_path: Path) -> None:
    [remark] = remarks_of(tmp_path, "meter: {stale_after: 2m}")
    assert remark.startswith("1:9: meter.stale_after: stale_after is 120 s, and watchdog is 30 s. ")
    assert remark.endswith("write watchdog: 120s or more")
    assert remarks_of(tmp_path, "meter: {stale_after: 2m, watchdog: 2m}") == []


def test_brokers_that_nothing_is_published_to_and_nothing_comes_from_are_reported(tmp_path: Path) -> None:
    meters, brokers = "meter: {simulate: true}\n", "mqtt: {brokers: ['mqtt://b.local']%s}\n"
    [remark] = remarks_of(tmp_path, meters + brokers % "")
    assert remark == (
        "2:1: mqtt: nothing is published, and no meter has source: mqtt, so the brokers are not used."
        " Write publish: [telegrams] for serving gateways, or publish: [readings]"
    )
    received = "meter: {source: mqtt}\n"
    [remark] = remarks_of(tmp_path, received + brokers % ", publish: [telegrams]")
    assert remark == (
        "2:37: mqtt.publish: no telegram is published: those of all meters come from the brokers themselves."
        " Remove telegrams"
    )
    for text in (
        received + brokers % "",
        received + brokers % ", publish: [readings]",
        meters + brokers % ", publish: [telegrams]",
        meters + brokers % ", publish: [readings]",
    ):
        assert remarks_of(tmp_path, text) == []
