"""Write a small map, and list its faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.files.document import FileError
from gateway.maps.load import load_map

GIVE_ABSENT = "For a register that is never available, write value: absent"
"""Hint for a constant that does not fit its type."""


def write(folder: Path, *registers: str, head: str = "") -> Path:
    """Write a map with these registers."""
    path = folder / "map.yaml"
    path.write_text(f"{head}registers:\n" + "".join(f"  - {{{register}}}\n" for register in registers))
    return path


def faults_in(folder: Path, *registers: str, head: str = "") -> list[str]:
    """Return the faults of such a map, without its path."""
    path = write(folder, *registers, head=head)
    with pytest.raises(FileError) as error:
        load_map(path)
    return [str(fault).removeprefix(f"{path}:") for fault in error.value.problems]
