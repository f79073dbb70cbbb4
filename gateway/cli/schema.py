"""`dsmr-gateway schema`."""

from __future__ import annotations

from importlib import import_module

import click

from gateway.cli.output import echo_json

MODELS = {"config": ("gateway.config", "Config"), "map": ("gateway.maps.file", "MapFile")}
"""Module and class of the model behind each schema."""


@click.command("schema")
@click.argument("of", type=click.Choice(list(MODELS)))
def schema_command(of: str) -> None:
    """Print the JSON Schema of the configuration or of a register map, for editors that check and complete files."""
    echo_json(schema(of))


def schema(of: str) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of `config` or `map`."""
    module, name = MODELS[of]
    model = getattr(import_module(module), name)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
