"""The grammar of data lines is the same for reading and redaction, and time stamps follow their flag."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.obis_line import DATA_LINE, LINE, VALUE_GROUP, is_own_channel_1, parse_timestamp, split_lines
from gateway.protocol.p1.readings import read
from gateway.protocol.p1.redaction import redact
from tests.conftest import OWN_TELEGRAMS, own_telegram
from tests.protocol.p1.stream import only, telegram_of


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


NAMES = sorted(path.stem for path in OWN_TELEGRAMS.glob("*.txt") if not path.stem.startswith("bad_"))


@given(st.lists(st.sampled_from([b"a", b"b(1)", b"(2)", b"\r\n", b"\n", b"\r", b"\x0b", b"\x85", b" "]), max_size=12))
def test_a_body_is_split_into_the_lines_that_the_pattern_finds(parts: list[bytes]) -> None:
    body = b"".join(parts)
    assert split_lines(body) == LINE.findall(body)


def test_a_line_has_a_code_a_suffix_and_value_groups() -> None:
    shape = DATA_LINE.fullmatch("0-1:24.2.1*255(210118070001W)\r\n(00001.000*m3)")
    assert shape is not None
    assert (shape[1], shape[2]) == ("0-1:24.2.1", "*255")
    assert VALUE_GROUP.findall(shape[3]) == ["210118070001W", "00001.000*m3"]


@pytest.mark.parametrize("code", ["0-0:1.0.0", "1-0:99.97.0", "15-255:255.255.255"])
def test_a_code_has_value_groups_up_to_255(code: str) -> None:
    assert DATA_LINE.fullmatch(f"{code}(1)")


@pytest.mark.parametrize(
    "line", ["123-0:1.8.0(1)", "1-1234:1.8.0(1)", "1-0:1234.8.0(1)", "1-0:1.8(1)", "1-0:1.8.0", "1-0:1.8.0*1(1)", "(1)"]
)
def test_anything_else_is_not_a_data_line(line: str) -> None:
    assert not DATA_LINE.fullmatch(line)


@pytest.mark.parametrize("name", NAMES)
def test_redaction_leaves_a_data_line_a_data_line(name: str) -> None:
    raw = own_telegram(name)
    before, after = LINE.findall(raw), LINE.findall(redact(raw))
    for line, masked in zip(before, after, strict=True):
        is_data_line = DATA_LINE.fullmatch(line.decode("latin-1")) is not None
        assert is_data_line is (DATA_LINE.fullmatch(masked.decode("latin-1")) is not None)


@given(st.from_regex(r"[0-9]{1,4}-[0-9]{1,4}:[0-9.]{5,12}(\*255)?(\([0-9A-F]{6,30}\)){1,2}", fullmatch=True))
@settings(max_examples=200)
def test_redaction_keeps_the_code_of_exactly_the_lines_that_are_read(line: str) -> None:
    (reading,) = read(only(telegram_of(line))).lines
    is_read = reading.error != "not an OBIS line"
    assert redact(line.encode()).startswith(line.partition("(")[0].encode()) is is_read


# --- channel 1


@pytest.mark.parametrize(
    ("codes", "is_own"),
    [
        (["1-1:1.8.0"], True),
        (["1-1:1.7.0"], True),
        (["1-1:16.7.0"], True),
        (["1-1:2.8.0"], False),
        (["1-1:32.7.0"], False),
        (["1-1:1.8.0", "1-0:2.8.0"], True),
        (["1-1:1.8.0", "1-0:32.7.0"], True),
        (["1-1:1.8.0", "1-0:1.8.0"], False),
        (["1-1:1.8.0", "1-0:1.8.2"], False),
        (["1-1:1.8.0", "1-1:2.7.0", "1-0:2.7.0"], False),
        (["1-1:1.8.0", "0-0:1.8.0"], True),
        (["1-0:1.8.0"], False),
        ([], False),
    ],
)
def test_channel_1_is_the_meters_own_if_its_totals_are_on_no_other_channel(codes: list[str], is_own: bool) -> None:
    assert is_own_channel_1(codes) is is_own


# --- time stamps


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("101209113020W", utc(2010, 12, 9, 10, 30, 20)),
        ("210701000000S", utc(2021, 6, 30, 22)),
        ("200229235959W", utc(2020, 2, 29, 22, 59, 59)),
        ("991231235959W", None),  # 1999
        ("001231235959W", None),
        ("010101010000W", utc(2001, 1, 1)),
        ("010101005959W", None),
        ("681027120000W", utc(2068, 10, 27, 11)),
        ("691027120000W", None),  # 1969
    ],
)
def test_two_digits_of_a_year_mean_2001_to_2068(text: str, moment: int | None) -> None:
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("250701120000W", utc(2025, 7, 1, 11)),  # Sweden and Finland keep normal time all year
        ("250101120000S", utc(2025, 1, 1, 10)),
        ("250330023000W", utc(2025, 3, 30, 1, 30)),  # in the hour that the calendar leaves out
        ("250330023000S", utc(2025, 3, 30, 0, 30)),
        ("251026023000S", utc(2025, 10, 26, 0, 30)),  # the hour that comes twice, first
        ("251026023000W", utc(2025, 10, 26, 1, 30)),  # and then
    ],
)
def test_the_flag_alone_says_how_far_from_utc_a_stamp_is(text: str, moment: int) -> None:
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("120214090000", utc(2012, 2, 14, 8)),
        ("150710180000", utc(2015, 7, 10, 16)),
        ("251026023000", utc(2025, 10, 26, 0, 30)),  # told by nothing; the first of the two
    ],
)
def test_a_stamp_without_flag_is_local_time(text: str, moment: int) -> None:
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("700101010000W", "000101000000W", "000101010000W", "000101000001W", "000101010000S", "000000000000W"),
        *("632525252525W", "632525252525S", "35255255255255255S", "", "0", "P", "00000000"),
        *("210229120000W", "211301120000W", "210132120000W", "210101240000W", "210101006000W", "210101000060W"),
        *("210101120000X", "210101120000s", "210101120000WW", " 210101120000W", "210101120000W\n", "2101011200 0W"),
        *("21010112000W", "2101011200000W", "2101011200\u0660\u0661W", "-10101120000W", "07E50101FF0C000000800000"),
    ],
)
def test_a_date_that_means_never_and_what_is_no_date_give_none(text: str) -> None:
    assert parse_timestamp(text) is None


@given(st.integers(utc(2001, 1, 2), utc(2068, 12, 30)), st.sampled_from([("S", 2), ("W", 1)]))
@settings(max_examples=200)
def test_every_moment_comes_back_from_its_stamp(moment: int, zone: tuple[str, int]) -> None:
    flag, hours = zone
    local = datetime.fromtimestamp(moment, UTC) + timedelta(hours=hours)
    assert parse_timestamp(f"{local:%y%m%d%H%M%S}{flag}") == moment


@given(st.one_of(st.text(max_size=16), st.from_regex(r"[0-9]{12}[SWX]?", fullmatch=True)))
@settings(max_examples=200)
def test_no_text_raises_or_gives_a_moment_out_of_range(text: str) -> None:
    moment = parse_timestamp(text)
    assert moment is None or utc(2001, 1, 1) <= moment < utc(2069, 1, 1)
