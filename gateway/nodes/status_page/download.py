"""Downloads: register maps, configurations for programs that read them, and the history of a meter."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.exports import FORMATS, ExportedUnit, ExportError, Target
from gateway.exports import export as render
from gateway.maps.table import as_csv, rows
from gateway.nodes.status_page.now import series
from gateway.nodes.status_page.observation import ListenSettings
from gateway.nodes.status_page.query import Query
from gateway.problems.quoting import quoted

SUFFIXES = {"home-assistant": "yaml", "evcc": "yaml", "telegraf": "toml", "node-red": "json"}
_HOST = re.compile(r"[A-Za-z0-9.\-_]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Fa-f:]{2,45}")


def register_map(query: Query) -> Response:
    """Return a register map as comma-separated values."""
    _, unit = query.unit()
    shown = unit.unit.register_map
    return as_download(as_csv(rows(shown)), f"{shown.name}.csv", "text/csv")


def export(query: Query) -> Response:
    """Return the configuration with which a program reads a unit."""
    served, unit = query.unit()
    form = query.given.get("format", "")
    if form not in FORMATS:
        raise HTTPException(400, f"format must be one of {', '.join(FORMATS)} (found {quoted(form)}).")
    host = query.given.get("host", "")
    if not _HOST.fullmatch(host):
        raise HTTPException(400, f"host must be the name or address of the gateway (found {quoted(host)}).")
    settings = served.server.settings
    target = Target(host, served.server.port, unit.unit_id, reached_over(settings))
    if settings.serial:
        target = Target(settings.serial.device, 0, unit.unit_id, "serial", settings.serial.line)
    try:
        text = render(form, [ExportedUnit(unit.unit.register_map, target)])
    except ExportError as error:
        raise HTTPException(404, str(error)) from None
    return as_download(text, f"{unit.unit.register_map.name}-{form}.{SUFFIXES.get(form, 'csv')}", "text/plain")


def history(query: Query) -> Response:
    """Return the last hour or day of a meter as comma-separated values, a row for each bucket."""
    meter, kept = query.meter_and_history()
    is_day = query.is_day()
    found = series(meter, kept, is_day=is_day, since=0)
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["time", *found.columns])
    for number, row in enumerate(zip(*found.columns.values(), strict=True)):
        begin = datetime.fromtimestamp(found.first + number * found.bucket_s, UTC)
        writer.writerow([begin.isoformat(timespec="seconds"), *row])
    return as_download(stream.getvalue(), f"{meter.name}-{'day' if is_day else 'hour'}.csv", "text/csv")


def reached_over(settings: ListenSettings) -> str:
    """Return the transport of a server as exports name it."""
    return "tls" if settings.admission.tls is not None else str(settings.transport)


def as_download(text: str, name: str, media_type: str) -> Response:
    """Return a response that a browser saves as a file of this name; other characters than the safest are replaced."""
    safe = re.sub(r"[^A-Za-z0-9.\-_]", "_", name)
    return Response(text, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{safe}"'})
