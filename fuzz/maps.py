"""Fuzzes the loader of register maps: `python -m fuzz.maps [OPTION...] fuzz/corpus/maps`."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from fuzz.built_in import remembered
from fuzz.harness import check_error, fuzz
from gateway.files.document import FileError
from gateway.maps.load import load_map
from gateway.protocol.registers.register_map import RegisterMap
from tests.conftest import own_telegram
from tests.maps.decoder import Layout, compare, is_refused, read_layout
from tests.maps.serving import readings_in

_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
FILE = Path(_FOLDER.name) / "map.yaml"
(READINGS,) = readings_in(own_telegram("v50_iskra-am550-solar"))


def check(data: bytes) -> None:
    """Check that any file is a register map, or problems that each have a place and one line of text.

    The registers of a map hold what a second, independent reading of the file says (`tests.maps.decoder`).
    """
    FILE.write_bytes(data)
    try:
        with remembered():
            register_map = load_map(FILE)
    except FileError as error:
        check_error(error, {str(FILE): data})
        return
    check_registers(register_map, read_layout(FILE))


def check_registers(register_map: RegisterMap, layout: Layout) -> None:
    """Check the registers of a map against those of an independent reading."""
    assert len(layout.entries) == len(register_map.registers)
    if not layout.is_shown(READINGS.values):
        assert register_map.lacking(READINGS.values)
        return
    snapshot = register_map.readings.encode(READINGS.values)
    assert register_map.readings.encode(READINGS.values, register_map.readings.empty) == snapshot
    status = layout.status_addresses()
    for entry in layout.entries:
        if entry.address in status or entry.is_status:
            continue
        function = entry.function_code or layout.function_codes[0]
        data = snapshot.read(register_map.place(function, entry.address, entry.length), entry.length)
        if is_refused(entry, READINGS.values):
            assert data is None, entry.name
            continue
        assert data is not None, entry.name
        words = dict(zip(entry.addresses, struct.unpack(f">{entry.length}H", data), strict=True))
        assert compare(entry, words, READINGS.values) == "", entry.name


if __name__ == "__main__":
    fuzz(__file__)
