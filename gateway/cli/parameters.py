"""Arguments and options that several commands have, and what a shell completes for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from gateway.protocol.p1.variants import VARIANTS

if TYPE_CHECKING:
    from gateway.protocol.registers.register_map import RegisterMap

TABLE_FORMATS = ("text", "markdown", "csv", "json")
"""How a register map can be shown (`map_table.FORMATS`)."""
VERSIONS = tuple(VARIANTS)
DEFAULT_CONFIG = "gateway.yaml"


class MapName(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """The name of a register map that comes along, or the path of a file."""

    name = "map"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click calls it so
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The names that begin so; a shell adds the files."""
        from gateway.maps.load import map_names

        names = [CompletionItem(name) for name in sorted(map_names()) if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


def named_map(name: str) -> RegisterMap:
    """A map by its name or path, from the folder in which the command is given."""
    from gateway.maps.load import find_map, load_map

    try:
        return load_map(find_map(name, Path()))
    except LookupError as error:
        what, _, hint = str(error).partition(" | ")
        raise click.UsageError(f"{what}. {hint}".strip()) from None


map_option = click.option(
    "--map", "name", type=MapName(), default="dsmr", show_default=True, help="The register map: a name or a file."
)
unit_option = click.option("--unit", type=click.IntRange(0, 255), help="The unit id; by default the map's, or 1.")
port_option = click.option(
    "--port", default=502, show_default=True, type=click.IntRange(1, 65535), help="The Modbus port."
)
form_option = click.option(
    "--format", "form", type=click.Choice(TABLE_FORMATS), default="text", show_default=True, help="How to show it."
)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")
config_argument = click.argument("config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG)
"""What is wrong with the file is told by what reads it, and ends with the exit code for that."""


def unit_id_or_default(unit: int | None, register_map: RegisterMap) -> int:
    """The unit id that is asked for, or else the map's, or else 1."""
    if unit is not None:
        return unit
    return 1 if register_map.unit_id is None else register_map.unit_id
