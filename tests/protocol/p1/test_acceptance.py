"""Which telegrams may be believed: a right checksum, or whole, well formed and not against the one before."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.acceptance import COUNTER_SLACK_WH, MAX_POWER_W, contradict, refuse
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram
from gateway.protocol.p1.variants import VARIANTS, Variant
from tests.conftest import own_telegram
from tests.protocol.p1.stream import only, telegram_of

OLD, LATER = own_telegram("v22_iskra-mt382"), own_telegram("v22_iskra-mt382_10s-later")
NEW = own_telegram("v50_sagemcom-t210d")
DSMR_2, DSMR_5 = VARIANTS["2.2"], VARIANTS["5"]


def judge(
    raw: bytes, variant: Variant = DSMR_2, before: bytes | None = None, elapsed_s: float = 10
) -> RefusedTelegram | None:
    telegram = only(raw)
    return refuse(telegram, read(telegram), variant, readings(before) if before else None, elapsed_s)


def readings(raw: bytes) -> Readings:
    return read(only(raw))


def changed(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert raw.count(old) == 1
    return raw.replace(old, new)


# --- with a checksum


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_right_checksum_settles_it_for_every_variant(variant: Variant) -> None:
    assert judge(NEW, variant) is None
    assert judge(NEW, variant, before=own_telegram("v50_iskra-am550-solar")) is None
    assert judge(own_telegram("bad_non-numeric-power"), variant) is None
    assert judge(telegram_of("0-1:24.1.0(012)"), variant) is None


@pytest.mark.parametrize("variant", [v for v in VARIANTS.values() if v.has_checksum], ids=lambda v: v.key)
def test_a_telegram_without_the_checksum_of_its_version_may_be_cut_and_is_refused(variant: Variant) -> None:
    raw = NEW[: NEW.rindex(b"!") + 1] + b"\r\n"
    for before in (None, raw):
        bad = judge(raw, variant, before)
        assert bad is not None
        assert bad.reason is RefusalReason.NO_CHECKSUM
        assert bad.raw == raw
        assert variant.title in bad.detail


# --- without one


@pytest.mark.parametrize("name", ["v22_iskra-me382", "v22_iskra-mt382", "v22_kamstrup-382jxc"])
def test_a_whole_and_well_formed_telegram_is_believed(name: str) -> None:
    raw = own_telegram(name)
    assert judge(raw) is None
    assert judge(raw, before=raw) is None


def test_the_next_telegram_of_the_same_meter_is_believed() -> None:
    assert judge(LATER, before=OLD) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(0001.86*kW)", b"(0001.8:*kW)"),
        (b"(0001.86*kW)", b"(0001.86*kX)"),
        (b"(0001.86*kW)", b"(0001.86 kW)"),
        (b"(0001.86*kW)", b"(0001.86*kW"),
        (b"1-0:1.7.0(", b"1-0;1.7.0("),
        (b"(11562.418*kWh)", b"(1156\xb2.418*kWh)"),
        (b"(07415.033)", b"(07415.03#)"),
        (b"0-2:24.1.0(3)", b"0-2:24.1.0(s)"),
    ],
)
def test_one_line_that_cannot_be_read_is_enough_to_refuse_all(old: bytes, new: bytes) -> None:
    bad = judge(changed(OLD, old, new))
    assert bad is not None
    assert bad.reason is RefusalReason.FORM
    assert "line" in bad.detail


@pytest.mark.parametrize("missing", [b"1-0:1.8.1(", b"1-0:1.8.2(", b"1-0:1.7.0("])
def test_the_lines_of_energy_and_power_must_be_there(missing: bytes) -> None:
    at = OLD.index(missing)
    bad = judge(OLD[:at] + OLD[OLD.index(b"\n", at) + 1 :])
    assert bad is not None
    assert bad.reason is RefusalReason.FORM


def test_a_meter_that_sends_net_power_and_a_total_has_what_it_needs() -> None:
    raw = b"/EBZ5DD3\r\n\r\n1-0:1.8.0*255(000123.4*kWh)\r\n1-0:16.7.0*255(-00012.5*W)\r\n!\r\n"
    assert judge(raw, VARIANTS["Q3D"]) is None


def cuts() -> list[bytes]:
    """The telegram cut behind each of its lines, ended by the end of another."""
    ends = [at + 1 for at, byte in enumerate(OLD) if byte == 0x0A]
    return [OLD[:end] + b"!\r\n" for end in ends if end < OLD.rindex(b"!")]


def test_a_telegram_that_lost_lines_contradicts_the_whole_one_before() -> None:
    assert len(cuts()) > 15
    for cut in cuts():
        bad = judge(cut, before=OLD)
        assert bad is not None, cut
        assert bad.reason in (RefusalReason.FORM, RefusalReason.IMPLAUSIBLE)


# --- contradictions


def why(old: bytes, new: bytes, elapsed_s: float = 10) -> str | None:
    return contradict(readings(OLD), readings(changed(OLD, old, new)), elapsed_s)


def test_a_telegram_does_not_contradict_itself() -> None:
    assert contradict(readings(OLD), readings(OLD), 0) is None


def test_another_identification_is_another_meter() -> None:
    assert why(b"MT382-1003", b"MT382-1004") == "the identification changed"


def test_a_line_more_or_less_is_named() -> None:
    assert "0-0:96.3.10" in str(why(b"0-0:96.3.10(1)\r\n", b""))
    assert "0-0:96.3.11" in str(why(b"0-0:96.3.10(1)\r\n", b"0-0:96.3.11(1)\r\n"))


@pytest.mark.parametrize("line", [b"11562.418", b"09873.205", b"01340.662", b"03105.978"])
def test_no_counter_of_energy_goes_back(line: bytes) -> None:
    lower = f"{float(line) - 0.001:09.3f}".encode()
    assert "Wh" in str(why(line, lower))


@pytest.mark.parametrize("elapsed_s", [0, 10, 3600, 86_400])
def test_no_counter_of_energy_goes_faster_than_the_greatest_connection_can(elapsed_s: float) -> None:
    most_kwh = (float(MAX_POWER_W) * elapsed_s / 3600 + float(COUNTER_SLACK_WH)) / 1000
    for beyond, refused in ((-0.001, False), (0.001, True)):
        higher = f"{11562.418 + most_kwh + beyond:09.3f}".encode()
        assert (why(b"11562.418", higher, elapsed_s) is not None) is refused


def test_one_flipped_digit_in_a_high_place_of_a_counter_is_seen() -> None:
    for place in range(4):
        digits = bytearray(b"11562.418")
        digits[place] ^= 4
        assert why(b"11562.418", bytes(digits)) is not None, digits


@pytest.mark.parametrize(("kilowatts", "refused"), [(b"1000.00", False), (b"1000.01", True), (b"9001.86", True)])
def test_no_power_is_beyond_the_greatest_connection(kilowatts: bytes, refused: bool) -> None:
    before = changed(OLD, b"0001.86*kW", b"0999.99*kW")
    assert (contradict(readings(before), readings(changed(OLD, b"0001.86", kilowatts)), 10) is not None) is refused


def test_power_may_change_from_one_telegram_to_the_next_and_the_limiter_may_be_999_kw() -> None:
    assert why(b"0001.86", b"0070.00") is None
    assert b"0999.00*kW" in OLD


def test_a_power_beyond_meters_without_transformers_must_come_twice() -> None:
    high, higher = changed(OLD, b"0001.86*kW", b"0070.01*kW"), changed(OLD, b"0001.86*kW", b"0099.00*kW")
    assert "power_import" in str(contradict(readings(OLD), readings(high), 10))
    assert contradict(readings(high), readings(higher), 10) is None
    assert contradict(readings(higher), readings(OLD), 10) is None
    # At the start there is nothing that it could be compared with.
    assert judge(high) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(0001.86*kW)", b"(001.86*kW)"),
        (b"(0001.86*kW)", b"(00001.86*kW)"),
        (b"(0001.86*kW)", b"(0001.8*kW)"),
        (b"(0001.86*kW)", b"(000186*kW)"),
        (b"(0001.86*kW)", b"(0001.86*W)"),
        (b"(11562.418*kWh)", b"(11562.4188*kWh)"),
        (b"(07415.033)", b"(0745.033)"),
    ],
)
def test_a_digit_more_or_less_in_a_number_is_seen(old: bytes, new: bytes) -> None:
    assert "the form changed" in str(why(old, new))


def test_every_character_lost_or_doubled_is_seen_where_it_makes_another_value() -> None:
    seen, right = 0, readings(OLD).values.items()
    for at in range(1, OLD.rindex(b"!")):
        for new in (OLD[:at] + OLD[at + 1 :], OLD[:at] + OLD[at : at + 1] + OLD[at:]):
            if not readings(new).values.items() <= right:
                seen += 1
                assert judge(new, before=OLD) is not None, new[at - 20 : at + 20]
    assert seen > 300


@pytest.mark.parametrize("damage", [b"\0", b"\xb2", b"\x7f"])
def test_an_identification_with_a_damaged_character_is_refused(damage: bytes) -> None:
    bad = judge(changed(OLD, b"MT382", b"MT" + damage + b"82"))
    assert bad is not None
    assert (bad.reason, bad.detail) == (RefusalReason.FORM, "the identification is not readable")


def test_a_number_may_change_its_sign() -> None:
    raw = b"/EBZ5DD3\r\n\r\n1-0:1.8.0*255(000123.4*kWh)\r\n1-0:16.7.0*255(-00012.5*W)\r\n!\r\n"
    assert contradict(readings(raw), readings(changed(raw, b"(-", b"(")), 10) is None


def test_what_is_absent_in_one_of_the_two_contradicts_nothing() -> None:
    assert why(b"(11562.418*kWh)", b"()") is None


@pytest.mark.parametrize(
    ("gas", "elapsed_s", "refused"),
    [
        (b"(07415.032)", 10, True),  # as after an exchange, which is believed once it is said twice
        (b"(07415.033)", 10, False),
        (b"(07515.033)", 0, False),  # what an hour brings comes at once
        (b"(07515.034)", 0, True),
        (b"(07615.033)", 3600, False),
        (b"(07615.034)", 3600, True),
        (b"(74150.033)", 10, True),
    ],
)
def test_a_counter_of_gas_goes_neither_back_nor_too_fast(gas: bytes, elapsed_s: float, refused: bool) -> None:
    assert (why(b"(07415.033)", gas, elapsed_s) is not None) is refused


@pytest.mark.parametrize(("heat", "refused"), [(b"(00013.345)", False), (b"(00016.346)", True), (b"(00012.344)", True)])
def test_nor_does_one_of_heat(heat: bytes, refused: bool) -> None:
    before = OLD.replace(b"(m3)", b"(GJ)").replace(b"(07415.033)", b"(00012.345)")
    after = changed(before, b"(00012.345)", heat)
    assert (contradict(readings(before), readings(after), 10) is not None) is refused


def test_a_power_beyond_belief_is_refused_at_the_start_too() -> None:
    telegram = only(OLD.replace(b"0001.86*kW", b"9001.86*kW"))
    assert isinstance(telegram, Telegram)
    bad = refuse(telegram, read(telegram), DSMR_2, None, 0)
    assert bad is not None
    assert bad.reason is RefusalReason.IMPLAUSIBLE


def test_nothing_is_a_contradiction_at_the_start() -> None:
    telegram = only(OLD)
    assert isinstance(telegram, Telegram)
    assert refuse(telegram, read(telegram), DSMR_2, None, 0) is None
