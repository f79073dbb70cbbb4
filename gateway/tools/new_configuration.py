"""The files of a new configuration: its text with comments, the password of the page, and copies of former files."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from gateway.config import check_config
from gateway.nodes.status_page.access import read_password
from gateway.problems.problem import Problem
from gateway.tools.checking import check_machine
from gateway.transport.secret_file import write_secret

PASSWORD_FILE = "page-password"  # noqa: S105 - the name of a file
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Characters of a new password: none of them looks like another one."""
_GROUPS, _GROUP_LETTERS = 3, 4

_HEAD = """\
# Made by `dsmr-gateway setup`. All keys: docs/configuration.md of the project, in the Debian package
# /usr/share/doc/dsmr-gateway/configuration.md. After a change: dsmr-gateway check {name} && dsmr-gateway reload
"""
_MODBUS = """\
modbus:
  # Clients connect to this port and read unit id 1, see docs/registers/dsmr.md. For a client that supports only certain
  # meters, `dsmr-gateway clients` lists what to write here.
  - listen: ":{port}"
"""
_PAGE_FOR_ALL = """\
status_page:
  # Browsers of all machines can open http://ADDRESS:{port}. They ask for a user name, which may be any, and a password.
  listen: ":{port}"
  # The first line of this file is the password.
  password_file: {file}
"""
_PAGE_HERE = """\
status_page:
  # Browsers of this machine only. For others: listen: ":{port}", and password_file: with the name of a file.
  listen: "127.0.0.1:{port}"
"""
_NO_PAGE = "# Without `status_page:` there is no page, and no metrics.\n"


@dataclass(frozen=True, slots=True)
class PageChoice:
    """The page of a new configuration."""

    port: int
    password_file: Path | None
    """Path as the configuration names it; None for a page that browsers of this machine can open only."""


def configuration_text(name: str, meter: str, modbus_port: int, page: PageChoice | None) -> str:
    """Return the text of a configuration.

    Args:
        name: the path of the file, as a user names it.
        meter: the text of its key `meter:`.
        modbus_port: the TCP port of Modbus.
        page: the page; None for none.

    """
    if page is None:
        shown = _NO_PAGE
    elif page.password_file is None:
        shown = _PAGE_HERE.format(port=page.port)
    else:
        shown = _PAGE_FOR_ALL.format(port=page.port, file=json.dumps(str(page.password_file)))
    return f"{_HEAD.format(name=name)}{meter}{_MODBUS.format(port=modbus_port)}{shown}"


def new_password() -> str:
    """Return a random password of 60 bits that can be read aloud."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)


def is_usable_password_file(path: Path) -> bool:
    """Return whether a file has a password that the page takes."""
    try:
        read_password(path)
    except OSError:
        return False
    return True


def write_password(path: Path, password: str) -> None:
    """Write a password into a file that only its owner can read.

    Raises:
        OSError: it cannot be written.

    """
    write_secret(path, f"{password}\n".encode())


def set_aside(path: Path) -> Path:
    """Rename a file that is to be replaced, and return its new path.

    Raises:
        OSError: it cannot be renamed.

    """
    names = (path.with_name(f"{path.name}.old{number or ''}") for number in range(1000))
    former = next(each for each in names if not each.exists())
    path.rename(former)
    return former


def make_folder(path: Path) -> None:
    """Make the folder of a configuration if there is none; the user of a service can enter it, whatever the umask.

    Raises:
        OSError: it cannot be made.

    """
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o755)


def write_configuration(path: Path, text: str, *, is_replacing: bool = False) -> Path | None:
    """Write a new configuration, whole or not at all; other users can read it, because it has no secrets.

    Args:
        path: the file.
        text: its content.
        is_replacing: whether a file that is there is put aside, once the new one is written.

    Returns:
        The new path of the file that was there; None if there was none.

    Raises:
        OSError: it cannot be written, such as FileExistsError where there is one that is not replaced.

    """
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    try:
        new.chmod(0o644)
        former = set_aside(path) if is_replacing and path.exists() else None
        os.link(new, path)  # unlike a rename, this replaces no file
    finally:
        new.unlink()
    return former


def machine_problems(path: Path) -> list[Problem]:
    """Return what keeps this machine from running a configuration, such as a port that a program uses."""
    checked = check_config(path)
    return [*checked.problems, *check_machine(checked.document, checked.config).problems]
