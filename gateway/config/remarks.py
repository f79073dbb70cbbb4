"""Find what is valid in a configuration and most likely not meant: each remark is a text with its place."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.meter import MeterConfig
from gateway.config.root import Config
from gateway.files.document import Document, dotted
from gateway.problems.listing import listed
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut

MAX_LISTED = 20
"""Largest number of meters that a remark lists."""


def config_remarks(document: Document, config: Config) -> list[str]:
    """Return the remarks about the meters of a configuration."""
    return [
        str(problem)
        for problem in (
            *_unserved(document, config),
            *_shared_sources(document, config),
            *_shared_identifiers(document, config),
            *_without_source(document, config),
            *_early_watchdogs(document, config),
            *_unused_brokers(document, config),
        )
    ]


def _unserved(document: Document, config: Config) -> Iterator[Problem]:
    """Yield one problem for all meters that neither a unit nor a passthrough serves."""
    if config.publishes:
        return
    meters = config.all_meters()
    users = [unit.meter for server in config.modbus for unit in server.units.values()]
    served = {name or next(iter(meters)) for name in (*users, *(each.meter for each in config.passthrough))}
    if names := [name for name in meters if name not in served]:
        many = len(names) > 1
        what = f"no unit and no passthrough serves {listed([cut(name) for name in names], MAX_LISTED)}"
        hint = f"Add a unit with meter: {cut(names[0])}" + (", and one for each of the others" if many else "")
        yield document.problem(("meters", names[0]), "meter-not-served", what, hint)


def _shared_sources(document: Document, config: Config) -> Iterator[Problem]:
    """Yield the meters that have the host and port of another one."""
    first: dict[tuple[str, str, str], str] = {}
    for loc, meter in config.located_meters():
        source = _network_source(meter)
        if source is None:
            continue
        if source in first:
            what = f"{cut(source[0])} port {source[1]} is the source of {first[source]} already"
            hint = "Both would show the same meter, or ser2net would refuse one of them: correct one"
            key = "source" if meter.source else "host"
            yield document.problem((*loc, key), "source-of-another-meter", what, hint)
        first.setdefault(source, dotted(loc))


def _network_source(meter: MeterConfig) -> tuple[str, str, str] | None:
    """Return host, port and path of a meter on the network; None for another one."""
    if meter.simulate:
        return None
    if (source := meter.parsed_source) and not source.is_bare:
        return source.host.lower(), str(source.port), source.path
    return (meter.host.lower(), meter.port or "", "/") if meter.host else None


def _shared_identifiers(document: Document, config: Config) -> Iterator[Problem]:
    """Yield the meters that have the equipment identifier of another one."""
    first: dict[str, str] = {}
    for loc, meter in config.located_meters():
        if identifier := meter.equipment_identifier:
            before = first.setdefault(identifier, dotted(loc))
            if before != dotted(loc):
                what = f"{cut(identifier)} is the equipment identifier of {before} already"
                hint = "One of the two has no telegrams with it, unless both read the same meter: correct one"
                yield document.problem((*loc, "equipment_identifier"), "identifier-of-another-meter", what, hint)


def _without_source(document: Document, config: Config) -> Iterator[Problem]:
    """Yield the meters among several for which no source is configured."""
    meters = list(config.located_meters())
    for loc, meter in meters:
        if len(meters) > 1 and not (meter.port or meter.host or meter.source or meter.simulate):
            what = f"no source is configured, so the meter is read from {meter.device}"
            yield document.problem(loc, "default-source", what, "Write its source, host or port")


def _early_watchdogs(document: Document, config: Config) -> Iterator[Problem]:
    """Yield the meters whose connection is opened again before their readings are stale."""
    for loc, meter in config.located_meters():
        if meter.stale_after is not None and meter.stale_after > meter.watchdog:
            what = f"stale_after is {meter.stale_after:g} s, and watchdog is {meter.watchdog:g} s"
            hint = (
                "The connection is opened again before the readings are stale, and a meter that sends less often"
                f" than that is never read: write watchdog: {meter.stale_after:g}s or more"
            )
            yield document.problem((*loc, "stale_after"), "watchdog-before-stale", what, hint)


def _unused_brokers(document: Document, config: Config) -> Iterator[Problem]:
    """Yield that the brokers are not used, or not for telegrams that are to be published."""
    if config.mqtt is None:
        return
    are_received = [meter.is_from_brokers for meter in config.all_meters().values()]
    if not config.publishes and not any(are_received):
        what = "nothing is published, and no meter has source: mqtt, so the brokers are not used"
        hint = "Write publish: [telegrams] for serving gateways, or publish: [readings]"
        yield document.problem(("mqtt",), "brokers-not-used", what, hint)
    if "telegrams" in config.mqtt.publish and all(are_received):
        what = "no telegram is published: those of all meters come from the brokers themselves"
        yield document.problem(("mqtt", "publish"), "telegrams-not-published", what, "Remove telegrams")
