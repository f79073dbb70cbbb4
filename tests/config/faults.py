"""What a configuration says, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.files.yaml_file import FileError


def load(folder: Path, text: str) -> Config:
    """The configuration of a file with this text."""
    path = folder / "gateway.yaml"
    path.write_text(text)
    return load_config(path, {})


def faults_in(folder: Path, text: str) -> list[str]:
    """All that is wrong with it, from `line:column` on."""
    with pytest.raises(FileError) as error:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'gateway.yaml'}:") for fault in error.value.problems]
