"""Arguments and options that several commands share, and their completion in a shell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from gateway.protocol.p1.variants import VARIANTS

if TYPE_CHECKING:
    from gateway.protocol.registers.register_map import RegisterMap

TABLE_FORMATS = ("text", "markdown", "csv", "json")
"""Names in `gateway.maps.table.FORMATS`, written here so that `--help` does not import them; a test compares."""
VERSIONS = tuple(VARIANTS)
DEFAULT_CONFIG = "gateway.yaml"
SERVICE_CONFIG = Path("/etc/dsmr-gateway/gateway.yaml")
"""Configuration of the service of systemd."""
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - nothing listens on them here
"""Addresses to listen on that no client can connect to."""


NO_ACCESS = """\
No gateway is running that this user has access to ({path}: {problem}).
If it runs as a service: sudo dsmr-gateway {command}"""
"""Text of a command that cannot ask the running gateway."""


class MapName(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """The name of a built-in register map, or the path of a file."""

    name = "map"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click calls it so
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the names of maps that begin with `incomplete`, or else tell the shell to complete files."""
        from gateway.maps.load import map_names

        names = [CompletionItem(name) for name in sorted(map_names()) if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


def named_map(name: str) -> RegisterMap:
    """Load a map by its name or by its path, which is relative to the working directory.

    Raises:
        click.UsageError: there is no map of that name.
        FileError: the map is not valid.

    """
    from gateway.maps.load import UnknownMapError, find_map, load_map

    try:
        return load_map(find_map(name, Path(), "the working directory"))
    except UnknownMapError as error:
        raise click.UsageError(str(error.problem)) from None


map_option = click.option(
    "--map", "name", type=MapName(), default="dsmr", show_default=True, help="Register map: a name or a file."
)
unit_option = click.option("--unit", type=click.IntRange(0, 255), help="Unit id; by default the map's, or 1.")
port_option = click.option("--port", default=502, show_default=True, type=click.IntRange(1, 65535), help="Modbus port.")
form_option = click.option(
    "--format", "form", type=click.Choice(TABLE_FORMATS), default="text", show_default=True, help="Format of the table."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def the_running_gateway() -> Path:
    """Return the socket of the running gateway.

    Raises:
        click.UsageError: two run that this user has access to.

    """
    from gateway.transport.control_socket import TwoGatewaysError, running_socket_path

    try:
        return running_socket_path()
    except TwoGatewaysError as error:
        raise click.UsageError(str(error)) from None


def default_config() -> Path:
    """Return gateway.yaml in this folder; where there is none, that of the service, if this user can read it."""
    from gateway.files.yaml_file import is_there

    here = Path(DEFAULT_CONFIG)
    return SERVICE_CONFIG if not is_there(here) and os.access(SERVICE_CONFIG, os.R_OK) else here


_config_path = click.Path(path_type=Path, readable=False)
"""Type of the path of a configuration, which the loader opens: it reports the reason and has an exit code for it."""
new_config_argument = click.argument("config", type=_config_path, default=DEFAULT_CONFIG)
"""Configuration to run."""
config_argument = click.argument("config", type=_config_path, default=default_config)
"""Configuration to look at."""


def unit_id_or_default(unit: int | None, register_map: RegisterMap) -> int:
    """Return `unit` where it is given, else the map's unit id, else 1."""
    if unit is not None:
        return unit
    return 1 if register_map.unit_id is None else register_map.unit_id
