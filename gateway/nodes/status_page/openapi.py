"""The description of the API (OpenAPI 3.1), made from the classes of its data."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from gateway.exports import FORMATS
from gateway.nodes.status_page import client_views, fleet, journal, model, now_model, readings_model
from gateway.nodes.status_page.fleet import MAX_LINES
from gateway.nodes.status_page.known_clients import KnownClients
from gateway.nodes.status_page.query import MAX_LIMIT
from gateway.version import version

_METER = {"name": "meter", "description": "Name of a meter; by default the first.", "schema": {"type": "string"}}
_METERS = {
    "name": "meter",
    "description": f"Name of a meter; may be given several times, of which the first {MAX_LINES} count.",
    "schema": {"type": "array", "items": {"type": "string"}},
}
_SERVER = {
    "name": "server",
    "description": "Position of a server in the configuration, counted from 0.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 65_535, "default": 0},
}
_UNIT = {
    "name": "unit",
    "description": "Unit id of the server; by default its first.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 255},
}
_FLAG = {"enum": ["true", "false"], "type": "string"}
_IDENTIFIERS = {
    "name": "identifiers",
    "description": "true to show identifiers, false to mask them.",
    "schema": _FLAG | {"default": "false"},
}
_RANGE = {
    "name": "range",
    "description": "The last hour in short buckets, or the last day in long ones.",
    "schema": {"enum": ["hour", "day"], "type": "string", "default": "hour"},
}
_SINCE = {
    "name": "since",
    "description": "Unix time of the first bucket; by default the oldest one.",
    "schema": {"type": "number", "minimum": 0, "maximum": 4_294_967_295, "default": 0},
}
_LIMIT = {
    "name": "limit",
    "description": "Largest number of requests.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 200},
}
_COUNTS_METERS = {
    "name": "meters",
    "description": "true to report an offline meter as a problem, any to report it if no meter is fresh.",
    "schema": {"enum": ["true", "false", "any"], "type": "string", "default": "true"},
}
_FORMAT = {
    "name": "format",
    "required": True,
    "description": "The program.",
    "schema": {"enum": list(FORMATS)},
}
_HOST = {
    "name": "host",
    "required": True,
    "description": "Name or address at which the program reaches the gateway.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^[A-Za-z0-9.\-_]+$"},
}


class _Path(NamedTuple):
    """An endpoint."""

    path: str
    summary: str
    gives: type | str
    """A class of `model.py`, or a media type."""
    parameters: list[dict[str, Any]]
    refusals: tuple[int, ...]


_PATHS = [
    _Path("/api/status", "Nodes, wires, meters and servers", model.StatusView, [], ()),
    _Path(
        "/api/registers",
        "The registers of a unit as a client reads them now",
        readings_model.Registers,
        [_SERVER, _UNIT, _IDENTIFIERS],
        (400, 404),
    ),
    _Path("/api/requests", "The clients and their newest requests", client_views.Requests, [_LIMIT], (400,)),
    _Path("/api/hosts", "The clients by host, and their likely mistakes", client_views.Hosts, [], ()),
    _Path("/api/sparklines", "The power of some meters in the last hour", fleet.Sparklines, [_METERS], ()),
    _Path("/api/changes", "The newest changes of state", journal.Changes, [], ()),
    _Path(
        "/api/telegram",
        "The newest telegram of a meter",
        readings_model.TelegramView,
        [_METER, _IDENTIFIERS],
        (400, 404),
    ),
    _Path("/api/history", "The last hour of a meter", readings_model.HistoryView, [_METER], (404,)),
    _Path("/api/series", "The last hour or day of a meter", now_model.SeriesView, [_METER, _RANGE, _SINCE], (400, 404)),
    _Path("/api/clients", "The known clients, and what to configure for each", KnownClients, [], ()),
    _Path("/healthz", "The health of the gateway; needs no password", model.HealthView, [_COUNTS_METERS], (400,)),
    _Path("/download/map", "The register map of a unit", "text/csv", [_SERVER, _UNIT], (400, 404)),
    _Path(
        "/download/export",
        "The configuration with which a program reads a unit",
        "text/plain",
        [_SERVER, _UNIT, _FORMAT, _HOST],
        (400, 404),
    ),
    _Path("/download/history", "The last hour or day of a meter", "text/csv", [_METER, _RANGE], (400, 404)),
    _Path("/metrics", "Metrics for Prometheus", "text/plain", [], ()),
    _Path(
        "/events",
        "The data of /api/status, or of a view of the page, sent with each telegram and each change",
        "text/event-stream",
        [],
        (),
    ),
]

_REASONS = {400: "A parameter is not valid", 404: "Not found"}
_WITHOUT_PASSWORD = {
    "401": {"description": "The page has a password, which is missing or wrong"},
    "429": {"description": "Too many wrong passwords came from this address"},
}
"""Responses without content that each request may get, except those for the health."""


@lru_cache
def describe() -> dict[str, Any]:
    """Return the description."""
    classes = dict.fromkeys([each.gives for each in _PATHS if not isinstance(each.gives, str)] + [model.ErrorBody])
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (kind.__name__, "serialization", TypeAdapter(kind)) for kind in classes
    ]
    references, definitions = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
    schemas = dict(definitions.get("$defs", {}))
    schemas |= {name: schema for (name, _), schema in references.items() if "$ref" not in schema}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "DSMR Modbus gateway",
            "version": version(),
            "description": "Read-only. Times are unix seconds, durations seconds, powers watts. null means not known.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "./"}],
        "paths": {each.path: {"get": _operation(each)} for each in _PATHS},
        "components": {"schemas": schemas, "securitySchemes": {"password": {"type": "http", "scheme": "basic"}}},
        "security": [{}, {"password": []}],
    }


def _operation(path: _Path) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": path.summary, "content": _content(path.gives)}}
    for status in path.refusals:
        responses[str(status)] = {"description": _REASONS[status], "content": _content(model.ErrorBody)}
    if path.gives is model.HealthView:
        responses["503"] = {"description": "The gateway has a problem", "content": _content(path.gives)}
    else:
        responses |= _WITHOUT_PASSWORD
    return {
        "summary": path.summary,
        "parameters": [{"in": "query", "required": False} | parameter for parameter in path.parameters],
        "responses": responses,
    }


def _content(gives: type | str) -> dict[str, Any]:
    if isinstance(gives, str):
        return {gives: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{gives.__name__}"}}}
