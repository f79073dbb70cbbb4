"""`dsmr-gateway schema`."""

from __future__ import annotations

import json

import click
from pydantic import BaseModel

from gateway.config import Config
from gateway.map_file import MapFile

MODELS: dict[str, type[BaseModel]] = {"config": Config, "map": MapFile}


@click.command("schema")
@click.argument("of", type=click.Choice(list(MODELS)))
def schema_command(of: str) -> None:
    """Print the JSON Schema of the configuration or of a register map, for editors that check and complete."""
    click.echo(json.dumps(schema(of), indent=2))


def schema(of: str) -> dict[str, object]:
    """The JSON Schema (2020-12) of `config` or `map`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **MODELS[of].model_json_schema()}
