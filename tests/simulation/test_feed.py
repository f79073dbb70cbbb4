"""What a simulated line brings: telegrams at a pace, captures as they were, and faults that hurt nobody."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusedTelegram, TelegramReader
from gateway.protocol.p1.variants import VARIANTS
from gateway.simulation.feed import LONGEST_PAUSE_S, corrupt, live_telegrams, replay, with_faults
from gateway.simulation.forms import simulated_meter, simulated_versions
from tests.conftest import own_telegram

NOON = 1_767_610_800
CLOCKED = b"/SIM5\r\n\r\n0-0:1.0.0(260105%06dW)\r\n1-0:1.8.1(000001.000*kWh)\r\n!\r\n"


@pytest.mark.parametrize(
    ("cadence_s", "speed", "pause_s"), [(1, 1, 1), (10, 1, 10), (10, 20, 0.5), (1, 100, 0.1), (0.01, 1, 0.01)]
)
def test_a_household_speaks_at_the_pace_of_its_time(cadence_s: float, speed: float, pause_s: float) -> None:
    meter, times = simulated_meter("4"), iter([NOON, NOON + 7.9])
    pieces = list(islice(live_telegrams(meter, lambda: next(times), cadence_s, speed), 2))
    assert pieces == [(meter.telegram(NOON), pause_s), (meter.telegram(NOON + 7), pause_s)]


def test_a_capture_is_sent_over_and_over_at_its_meters_pace() -> None:
    capture = b"noise" + b"".join(CLOCKED % at for at in (120000, 120010, 120011, 120500, 120400))
    pieces = list(islice(replay(capture), 10))
    assert b"".join(data for data, _ in pieces) == 2 * capture
    # Ten seconds, one, a gap, a clock that was set back, the end.
    assert [pause for _, pause in pieces[:5]] == [10, 1, LONGEST_PAUSE_S, 1, 1]


def test_a_capture_without_clock_goes_at_the_pace_of_its_version() -> None:
    capture = own_telegram("v22_kamstrup-382jxc") * 2
    assert [pause for _, pause in islice(replay(capture), 3)] == [10, 10, 10]
    assert [pause for _, pause in islice(replay(capture, speed=4), 3)] == [2.5, 2.5, 2.5]
    assert next(replay(b"\xff" * 100)) == (b"\xff" * 100, 1)


def test_half_a_telegram_is_sent_as_half_a_telegram() -> None:
    capture = own_telegram("bad_cut-then-restarted")
    pieces = [data for data, _ in islice(replay(capture), 2)]
    assert capture.startswith(pieces[0])
    assert TelegramReader().feed(pieces[0]) == []


@pytest.mark.parametrize("version", simulated_versions())
def test_of_what_a_bad_line_brings_nothing_wrong_is_believed(version: str) -> None:
    household = simulated_meter(version)
    cadence = VARIANTS[version].cadence_s
    moments = [int(NOON + number * cadence) for number in range(400)]
    good = [household.telegram(at) for at in moments]
    meter, reader, believed, refused = MeterState("m", VARIANTS[version], needs_two=False), TelegramReader(), [], 0
    pieces = list(with_faults(iter([(telegram, cadence) for telegram in good]), seed=3))
    for number, (data, _) in enumerate(pieces):
        # The line falls silent between two telegrams.
        for item in reader.feed(data) + reader.silence():
            result = meter.take(item, number * cadence, moments[number])
            if isinstance(result, Received):
                believed.append((number, result.telegram.raw.rstrip(b"\r\n")))
            refused += isinstance(result, RefusedTelegram)
    assert all(raw == good[number].rstrip(b"\r\n") for number, raw in believed)
    assert len(believed) > 250
    assert refused > 20
    assert any(data == b"" for data, _ in pieces)
    assert [data for data, _ in pieces] == [data for data, _ in with_faults(iter([(t, 1.0) for t in good]), seed=3)]


def test_each_of_the_faults_comes_about_as_often() -> None:
    telegram = simulated_meter("5").telegram(NOON)
    random = Random(1).random
    seen = [corrupt(telegram, random) for _ in range(800)]
    same_length = [data for data in seen if len(data) == len(telegram) and data != telegram]
    counts = [
        len(same_length),
        sum(0 < len(data) < len(telegram) and telegram.startswith(data) for data in seen),
        sum(len(data) > len(telegram) and data.endswith(telegram) for data in seen),
        seen.count(b""),
    ]
    assert all(30 <= count <= 75 for count in counts), counts
    assert seen.count(telegram) == 800 - sum(counts)


def test_bytes_without_a_value_have_no_digit_to_spoil() -> None:
    assert corrupt(b"!\r\n", lambda: 0.0) == b"!\r\n"
