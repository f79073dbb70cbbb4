"""CRC-16 has the check values of its two standards, and can be computed in parts."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol import crc16 as crc16_module
from gateway.protocol.crc16 import X25_INVERSION, crc16, crc16_in_python, crc16_x25, crc16_x25_in_python
from tests.telegrams import make

CHECK = b"123456789"


@pytest.mark.parametrize(("start", "expected"), [(0, 0xBB3D), (0xFFFF, 0x4B37)], ids=["ARC (P1)", "MODBUS"])
def test_the_crc_has_the_published_check_values(start: int, expected: int) -> None:
    assert crc16(CHECK, start) == expected
    assert crc16(b"", start) == start


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=60)
def test_the_crc_of_two_parts_is_that_of_the_whole(first: bytes, second: bytes) -> None:
    assert crc16(second, crc16(first)) == crc16(first + second) == make.crc16(first + second)


def test_the_checksum_of_hungarian_meters_is_that_of_the_catalogue() -> None:
    assert crc16_x25(CHECK) ^ X25_INVERSION == 0x906E
    assert crc16_x25(CHECK[4:], crc16_x25(CHECK[:4])) == crc16_x25(CHECK)


@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
@settings(max_examples=100)
def test_the_library_and_the_tables_agree(data: bytes, crc: int) -> None:
    with patch.dict(crc16_module._functions):
        if not crc16_module.use_library():
            pytest.skip("fastcrc is not installed")
        assert not {crc16_in_python, crc16_x25_in_python} & set(crc16_module._functions.values())
        for of_library, of_tables in ((crc16, crc16_in_python), (crc16_x25, crc16_x25_in_python)):
            assert of_library(data) == of_tables(data)
            assert of_library(data, crc) == of_tables(data, crc)
            assert of_library(bytearray(data), crc) == of_tables(bytearray(data), crc)


def test_each_checksum_is_computed_by_its_function_of_the_library() -> None:
    functions = SimpleNamespace(arc=lambda _data, _crc: 1, mcrf4xx=lambda _data, _crc: 2)
    with (
        patch.dict(crc16_module._functions),
        patch.dict(sys.modules, {"fastcrc": SimpleNamespace(crc16=functions)}),  # type: ignore[dict-item]
    ):
        assert crc16_module.use_library()
        assert (crc16(CHECK), crc16_x25(CHECK)) == (1, 2)


def test_without_the_library_the_tables_go_on() -> None:
    with patch.dict(crc16_module._functions), patch.dict(sys.modules, {"fastcrc": None}):
        assert not crc16_module.use_library()
        assert crc16(CHECK) == 0xBB3D
