"""The folder in which the gateway keeps what it remembers over a restart."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.config import Config

_SYSTEMD_VARIABLE = "STATE_DIRECTORY"
"""Variable in which systemd passes the folders of `StateDirectory=`, separated by colons."""


def state_folder(config: Config, folder: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return `state_dir` of a configuration in `folder`, by default the folder of systemd; None if there is neither."""
    if config.state_dir:
        return folder / config.state_dir
    given = environment.get(_SYSTEMD_VARIABLE, "").split(":")[0]
    return Path(given) if given else None
