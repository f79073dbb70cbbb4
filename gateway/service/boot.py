"""The number of this start of the gateway: it is larger than that of each earlier start.

Receivers order telegrams by it. It is kept in a file; where there is none, or its folder was lost, the clock of this
machine takes its place. So the number only falls if the file is lost and the clock was set back as well.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from gateway.problems.system import reason_of
from gateway.runtime.clock import unix_now
from gateway.transport.state_file import read_state, write_state

FILE = "mqtt-boot"
MAX_BYTES = 32
MAX_BOOT = 2**62

_log = logging.getLogger("gateway")


def next_boot(folder: Path | None) -> int:
    """Return the number of this start, and keep it in `folder` if there is one; this reads and writes a file."""
    if folder is None:
        text = "state_dir is not set, so only the clock numbers the starts of this gateway"
        _log.warning("mqtt: %s. Set it: a clock that is set back makes telegrams count as old for some seconds", text)
        return int(unix_now())
    path, before = folder / FILE, 0
    try:
        with suppress(ValueError):
            before = min(int((read_state(path, MAX_BYTES) or b"0").decode("ascii")), MAX_BOOT)
        boot = max(before + 1, int(unix_now()))
        write_state(path, b"%d\n" % boot)
    except OSError as error:
        boot = max(before + 1, int(unix_now()))
        _log.warning("mqtt: %s cannot be used (%s); the clock numbers this start", path, reason_of(error))
    return boot
