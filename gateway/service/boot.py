"""The number of this start of the gateway: it is larger than that of each earlier start.

Receivers order telegrams by it. It is kept in a file; where there is none, or its folder was lost, the clock of this
machine takes its place. So the number only falls if the file is lost and the clock was set back as well.

A part of it is random. Two gateways may have the same file and the same clock, such as after a memory card was copied
and the power came back: with the same number, their telegrams would look like those of one gateway.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from pathlib import Path

from gateway.problems.system import reason_of
from gateway.runtime.clock import unix_now
from gateway.transport.state_file import read_state, write_state

FILE = "mqtt-boot"
MAX_BYTES = 32
MAX_BOOT = 2**62
STEPS_PER_S = 1_000_000
"""Number of different starts within a second; the random part is smaller."""

_log = logging.getLogger("gateway")


def next_boot(folder: Path | None) -> int:
    """Return the number of this start, and keep it in `folder` if there is one; this reads and writes a file."""
    if folder is None:
        text = "state_dir is not set, so only the clock numbers the starts of this gateway"
        _log.warning("mqtt: %s. Set it: a clock that is set back makes telegrams count as old for some seconds", text)
        return _number(0)
    path, before = folder / FILE, 0
    try:
        with suppress(ValueError):
            found = int((read_state(path, MAX_BYTES) or b"0").decode("ascii"))
            before = found if found < MAX_BOOT else 0
        boot = _number(before)
        write_state(path, b"%d\n" % boot)
    except OSError as error:
        boot = _number(before)
        _log.warning("mqtt: %s cannot be used (%s); the clock numbers this start", path, reason_of(error))
    return boot


def _number(before: int) -> int:
    return max(before + 1, int(unix_now() * STEPS_PER_S)) + secrets.randbelow(STEPS_PER_S)
