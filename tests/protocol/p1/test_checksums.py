"""The checksums of telegrams against the published check values: the checksum of the text 123456789."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.checksums import RECOGNISED, VERIFIED, Checksum

CHECK = b"123456789"
CHECK_VALUES = {
    "CRC-16/ARC": 0xBB3D,
    "CRC-16/X-25": 0x906E,
    "CRC-16/KERMIT": 0x2189,
    "CRC-16/MODBUS": 0x4B37,
    "CRC-16/USB": 0xB4C8,
}


@pytest.mark.parametrize("checksum", VERIFIED + RECOGNISED, ids=lambda each: each.name)
def test_each_checksum_has_its_published_check_value(checksum: Checksum) -> None:
    assert checksum.of(CHECK) == CHECK_VALUES[checksum.name]
