"""Files that are remembered over a restart: written whole, read with a bound, put aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.transport.state_file import put_aside, read_state, write_state


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "history"
    assert read_state(path, 100) is None
    write_state(path, b"first")
    write_state(path, b"second")
    assert read_state(path, 100) == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["history"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(bytes(101))
    with pytest.raises(OSError, match="larger than 100 bytes"):
        read_state(path, 100)


def test_a_file_is_put_aside_in_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "history"
    for content in (b"older", b"newer"):
        path.write_bytes(content)
        assert put_aside(path) == tmp_path / "history.broken"
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"newer"]
