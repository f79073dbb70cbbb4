"""CRC-16 has the check values of its two standards, and can be computed in parts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.crc16 import X25_INVERSION, crc16, crc16_x25
from tests.telegrams import make

CHECK = b"123456789"


@pytest.mark.parametrize(("start", "expected"), [(0, 0xBB3D), (0xFFFF, 0x4B37)], ids=["ARC (P1)", "MODBUS"])
def test_the_crc_has_the_published_check_values(start: int, expected: int) -> None:
    assert crc16(CHECK, start) == expected
    assert crc16(b"", start) == start


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_the_crc_of_two_parts_is_that_of_the_whole(first: bytes, second: bytes) -> None:
    assert crc16(second, crc16(first)) == crc16(first + second) == make.crc16(first + second)


def test_the_checksum_of_hungarian_meters_is_that_of_the_catalogue() -> None:
    assert crc16_x25(CHECK) ^ X25_INVERSION == 0x906E
    assert crc16_x25(CHECK[4:], crc16_x25(CHECK[:4])) == crc16_x25(CHECK)
