"""The service of systemd: whether this program can run as one, its unit, and how it is installed and started.

The service runs as a user that exists only while it runs. Files with secrets belong to root and have the rights 0600:
systemd hands their content to the service (LoadCredential), which finds it in `CREDENTIALS`.
"""

from __future__ import annotations

import grp
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import gateway.service
from gateway.problems.problem import Problem, ProblemError, problem_of

UNIT = "dsmr-gateway.service"
CONFIGURATION = Path("/etc/dsmr-gateway/gateway.yaml")
"""Configuration that the unit names."""
CREDENTIALS = Path("/run/credentials") / UNIT
PACKAGED_PROGRAM = Path("/usr/bin/dsmr-gateway")
_UNITS = Path("/etc/systemd/system")
_PACKAGED_UNIT = Path("/usr/lib/systemd/system") / UNIT
_RUNNING_SYSTEMD = Path("/run/systemd/system")
_HOMES = ("/home", "/root", "/run/user")
"""Folders that the service cannot see (ProtectHome)."""
_SERIAL_GROUPS = ("dialout", "uucp")
_USUAL_DEVICES = ("ttyUSB", "ttyACM", "ttyAMA", "ttyS")
"""Beginnings of the names of devices that the unit allows."""
COMMAND_TIMEOUT_S = 90.0

Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Installation:
    """The program and the configuration of the service, and what it needs beside the files that everybody may read."""

    program: Path
    configuration: Path
    secrets: Mapping[str, Path]
    """Name of a credential to its file."""
    device: str = ""
    """Serial port of the meter; empty where there is none."""


def this_program() -> Path:
    """Return the path of this program as it was started, which may be a link that an upgrade changes."""
    import shutil  # noqa: PLC0415 - only here

    return Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()


def service_problem(program: Path) -> Problem | None:
    """Return why a program cannot be installed as a service now; None if it can."""
    if not _RUNNING_SYSTEMD.exists():
        return problem_of("no-systemd", "systemd does not run on this machine", "Leave out --service")
    if os.geteuid() != 0:
        return problem_of("not-root", "only root can install a service", f"Run: sudo {program} setup --service")
    closed = _closed_folder(program)
    if closed is None:
        return None
    what = f"the service runs as a user of its own, who cannot read {closed}"
    hint = (
        "Install the gateway outside the home folders: sudo python3 -m venv /opt/dsmr-gateway &&"
        " sudo /opt/dsmr-gateway/bin/pip install '.[mdns]' && sudo /opt/dsmr-gateway/bin/dsmr-gateway setup --service"
    )
    return problem_of("program-out-of-reach", what, hint)


def _closed_folder(program: Path) -> Path | None:
    """Return a folder of the program or of its libraries that other users cannot enter; None if there is none."""
    for place in (program, program.resolve(), Path(sys.prefix), Path(sys.base_prefix)):
        for folder in reversed([place, *place.parents]):
            is_open = folder.stat().st_mode & stat.S_IXOTH if folder.exists() else False
            if str(folder) in _HOMES or not is_open:
                return folder
    return None


def unit_text(installation: Installation) -> str:
    """Return the unit with the paths and the group of this machine."""
    text = Path(gateway.service.__file__).with_name(UNIT).read_text()
    text = text.replace(str(PACKAGED_PROGRAM), str(installation.program))
    text = text.replace(str(CONFIGURATION), str(installation.configuration))
    return text.replace(f"SupplementaryGroups={_SERIAL_GROUPS[0]}", f"SupplementaryGroups={_serial_group()}")


def _serial_group() -> str:
    for name in _SERIAL_GROUPS:
        with suppress(KeyError):
            return grp.getgrnam(name).gr_name
    return _SERIAL_GROUPS[0]


def drop_in_text(installation: Installation) -> str:
    """Return the drop-in that hands secrets and a device to the service; empty where it needs none."""
    lines = [f"LoadCredential={name}:{path}" for name, path in installation.secrets.items()]
    device = os.path.realpath(installation.device) if installation.device else ""
    if device and not Path(device).name.startswith(_USUAL_DEVICES):
        lines.append(f"DeviceAllow={device} rw")
    return "\n".join(["# Made by `dsmr-gateway setup`.", "[Service]", *lines, ""]) if lines else ""


def install(installation: Installation, root: Path = Path("/")) -> list[Path]:
    """Write the unit, unless the Debian package has brought it, and its drop-in; return the written files.

    Raises:
        OSError: a file cannot be written.

    """

    def below(path: Path) -> Path:
        return root / path.relative_to("/")

    is_packaged = installation.program == PACKAGED_PROGRAM and installation.configuration == CONFIGURATION
    unit, drop_in = below(_UNITS / UNIT), below(_UNITS / f"{UNIT}.d" / "setup.conf")
    written = []
    if not (is_packaged and below(_PACKAGED_UNIT).exists()):
        unit.parent.mkdir(parents=True, exist_ok=True)
        unit.write_text(unit_text(installation))
        written.append(unit)
    drop_in.unlink(missing_ok=True)
    if text := drop_in_text(installation):
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(text)
        written.append(drop_in)
    return written


def run_command(command: Sequence[str]) -> str:
    """Run a command of the system, and return its output.

    Raises:
        ProblemError: it failed.

    """
    try:
        result = subprocess.run(  # noqa: S603 - the commands of this module
            command, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProblemError(problem_of("command-failed", f"{' '.join(command)}: {error}")) from None
    if result.returncode:
        what = f"{' '.join(command)} failed: {result.stderr.strip() or result.stdout.strip()}"
        raise ProblemError(problem_of("command-failed", what, f"See: journalctl --unit {UNIT}"))
    return result.stdout


def stop_running(run: Run = run_command) -> bool:
    """Stop the service, so that it does not hold the port of the meter; return whether it was running."""
    try:
        run(["systemctl", "is-active", "--quiet", UNIT])
    except ProblemError:
        return False
    run(["systemctl", "stop", UNIT])
    return True


def start(run: Run = run_command) -> None:
    """Start the service now and with the machine.

    Raises:
        ProblemError: it does not start.

    """
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", UNIT])
    run(["systemctl", "restart", UNIT])
