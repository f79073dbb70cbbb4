"""What is shown of a telegram to strangers tells nothing of whose it is, and still what is wrong with it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol.p1.readings import read
from gateway.protocol.p1.redaction import mask_identifiers, redact, redact_line, redact_text
from gateway.protocol.p1.telegram import RefusedTelegram, Telegram, TelegramReader
from tests.conftest import OWN_TELEGRAMS, SHARED_TELEGRAMS, needs_shared_telegrams, own_telegram, shared_manifest

IDENTIFYING = re.compile(rb"^\d-\d:(?:96\.1|96\.13|42\.0|0\.0)\.\d+(?:\*255)?\(([^()\r\n]+)\)", re.MULTILINE)
LONG_DIGITS = re.compile(rb"[0-9A-Fa-f]*[0-9]{5}[0-9A-Fa-f]*")
OWN = sorted(path.stem for path in OWN_TELEGRAMS.glob("*.txt"))
SHARED = [row["file"] for row in shared_manifest()]


def assert_redacted(raw: bytes) -> None:
    masked = redact(raw)
    assert len(masked) == len(raw)
    assert redact(masked) == masked
    assert [at for at, byte in enumerate(masked) if byte in b"\r\n()"] == [
        at for at, byte in enumerate(raw) if byte in b"\r\n()"
    ]
    for match in IDENTIFYING.finditer(raw):
        is_version = match[0].startswith(b"0-0:96.1.4(") and len(match[1]) in (5, 10)
        assert is_version or set(masked[match.start(1) : match.end(1)]) == {ord("X")}, match[0]
    first = masked.lstrip().splitlines()[0]
    assert not first.startswith(b"/") or not LONG_DIGITS.search(first), first


@pytest.mark.parametrize("name", OWN)
def test_no_identifier_of_an_own_telegram_is_left(name: str) -> None:
    assert_redacted(own_telegram(name))


@needs_shared_telegrams
@pytest.mark.parametrize("name", SHARED)
def test_no_identifier_of_a_real_telegram_is_left(name: str) -> None:
    raw = (SHARED_TELEGRAMS / name).read_bytes()
    if len(raw) < 10_000:
        assert_redacted(raw)


@pytest.mark.parametrize("name", ["v22_kamstrup-382jxc", "v42_kaifa-e0026", "v50_iskra-am550-solar"])
def test_all_that_is_measured_stays(name: str) -> None:
    raw = own_telegram(name)
    (before,) = TelegramReader().feed(raw)
    assert isinstance(before, Telegram)
    after = read(Telegram(redact(raw), before.end, checked=True))
    changed = {key: value for key, value in read(before).values.items() if after.values.get(key) != value}
    assert changed
    assert all("identifi" in key or key in ("text_message", "message_code") for key in changed), changed


def test_the_checksum_is_left_as_it_was_and_no_longer_fits() -> None:
    raw = own_telegram("v50_iskra-am550-solar")
    masked = redact(raw)
    assert masked[-7:] == raw[-7:]
    (item,) = TelegramReader().feed(masked)
    assert isinstance(item, RefusedTelegram)


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        (b"/FLU5\\253769484_A", b"/FLU5\\XXXXXXXXX_A"),
        (b"/XMX5LGBBFG1009394887", b"/XMX5LGBBFGXXXXXXXXXX"),
        (b"/ISk5\\2MT382-1003", b"/ISk5\\2MT382-1003"),
        (b"0-0:96.1.4(50217)", b"0-0:96.1.4(50217)"),
        (b"0-0:96.1.4(3231313130)", b"0-0:96.1.4(3231313130)"),
        (b"0-0:96.1.4(541448812345678901)", b"0-0:96.1.4(XXXXXXXXXXXXXXXXXX)"),
        (b"0-1:96.1.2(1234)", b"0-1:96.1.2(XXXX)"),
        (b"0-0:96.13.0(who (is) this)", b"XXXXXXXXXXX(XXXX(XX)XXXXX)"),
        (b"1-0:0.0.0*255(1336001560)", b"1-0:0.0.0*255(XXXXXXXXXX)"),
        (b"7-0:0.0.0(12)", b"7-0:0.0.0(XX)"),
        (b"0-0:96.14.0(0002)", b"0-0:96.14.0(0002)"),
        (b"1-0:1.8.1(000051.775*kWh)", b"1-0:1.8.1(000051.775*kWh)"),
        (b"1-0:1.8.0*255(00032549.5061662*kWh)", b"1-0:1.8.0*255(00032549.5061662*kWh)"),
        (b"1-0:99.97.0(1)(0-0:96.7.19)(240612093015S)(0000001260*s)",) * 2,
        (b"0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00012.345)",) * 2,
        (b"0-0:96.50.68(ON)", b"0-0:96.50.68(ON)"),
        (b"0-0:25.9.0(00AABBCCDDEE)", b"0-0:25.9.0(XXXXXXXXXXXX)"),
        (b"1-0:99.1.0(12345678)(1.5*kW)", b"1-0:99.1.0(XXXXXXXX)(XXXXXX)"),
        # What noise has broken, where an identifier may stand anywhere.
        (b"1-0:1.8.1(0000510-0:96.1.1(4B3834)", b"XXXXXXXXX(XXXXXXXXXXXXXXXX(XXXXXX)"),
        (b"1-0:1.8.1(4B384547303034303436)", b"1-0:1.8.1(XXXXXXXXXXXXXXXXXXXX)"),
        (b"0%0:96.1.1(4B38)", b"XXXXXXXXXX(XXXX)"),
        (b"/KFM5KAIFA0-0:96.1.1(4B384547)", b"XXXXXXXXXXXXXXXXXXXX(XXXXXXXX)"),
        (b"\xb4\xb2\xb8", b"XXX"),
        (b"DE0000000000000000000000000000003", b"X" * 33),
        (b"!7EF9", b"!7EF9"),
        (b"!7EF91234", b"X" * 9),
    ],
)
def test_line_by_line(line: bytes, masked: bytes) -> None:
    assert redact(line) == masked


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(own_telegram("v42_kaifa-e0026").splitlines(True)))))
@example([b"(", b"(\r\n"])
def test_any_bytes_come_out_as_long_as_they_were(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    assert len(redact(raw)) == len(raw)
    assert redact(redact(raw)) == redact(raw)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "line 5 cannot be read: not a number ('0-0:96.1.1(4B384547303034303436333935)')",
            "line 5 cannot be read: not a number ('0-0:96.1.1(XXXXXXXXXXXXXXXXXXXXXXXXXX)')",
        ),
        ("found DSMR 5, /FLU5\\253769484_A: 35 readings", "found DSMR 5, /FLU5\\XXXXXXXXX_A: 35 readings"),
        (
            "energy_import_t1 went from 51775000 to 51774000 Wh in 10 s",
            "energy_import_t1 went from XXXXXXXX to XXXXXXXX Wh in 10 s",
        ),
        ("the meter sent 1A2B, its bytes give 3C4D",) * 2,
        (
            "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0: no such device",
            "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_XXXXXXXX-if00-port0: no such device",
        ),
        ("connecting /dev/serial/by-id/usb-FTDI_UART_A502", "connecting /dev/serial/by-id/usb-FTDI_UART_XXXX"),
        ("/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0",) * 2,
        ("/home/someone/gateway.yaml: 1:2", "~/gateway.yaml: 1:2"),
        ("192.168.1.13:2001 and 127.0.0.1:502", "192.168.1.13:2001 and 127.0.0.1:502"),
        ("84.22.33.44:2001 is refused", "(public address):2001 is refused"),
        ("2a02:a210::17 is refused, fe80::1 and ::1 are not", "(public address) is refused, fe80::1 and ::1 are not"),
        ("2026-11-25 21:44:32 at 12:30", "2026-11-25 21:44:32 at 12:30"),
        ("", ""),
    ],
)
def test_what_people_read_is_masked_where_it_names_somebody(text: str, masked: str) -> None:
    assert redact_text(text) == masked


@given(st.text())
def test_a_masked_text_stays_as_it_is(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


def test_a_line_with_characters_that_no_telegram_has_is_redacted() -> None:
    assert redact_line("0-0:96.1.1(4530303132)\u20ac") == "XXXXXXXXXX(XXXXXXXXXX)X"
    assert redact_line("0-0:96.1.1(4530303132)") == "0-0:96.1.1(XXXXXXXXXX)"


def test_a_line_of_the_log_keeps_addresses_and_loses_identifiers() -> None:
    masked = mask_identifiers("node=meter 192.0.2.1:50000: meter E0012345678901234 sends")
    assert "192.0.2.1:50000" in masked
    assert "0012345678901234" not in masked
