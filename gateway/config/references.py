"""Checks between the parts of a configuration: what one part says about another, and ports that two parts share."""

from __future__ import annotations

from collections.abc import Collection

from gateway.config.meter import MeterConfig
from gateway.config.passthrough import PassthroughConfig
from gateway.config.root import Config
from gateway.config.types import Listen
from gateway.files.document import Document, Loc, dotted
from gateway.files.validation import suggest
from gateway.problems.listing import listed, ranges
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut, quoted

MAX_LISTED = 20
"""Largest number of meters that a hint lists."""
ABOUT_METERS = frozenset({"unknown-meter", "meter-not-chosen", "push-without-meter"})
"""Codes of the problems that depend on all meters being known."""


def check_references(document: Document, config: Config, lost: Collection[Loc] = ()) -> list[Problem]:
    """Return the problems between the parts of a configuration, of which the parts `lost` were not valid."""
    problems: list[Problem] = []
    if config.meter is not None and config.meters:
        hint = "Keep one of them"
        problems.append(document.problem(("meter",), "meter-and-meters", "meter: and meters: are both given", hint))
    if not config.modbus and not config.publishes and ("modbus",) not in lost:
        hint = "Add a server, or mqtt with publish for a gateway that only publishes"
        problems.append(document.problem(("modbus",), "no-server", "there is no server", hint))
    if config.metrics.readings and config.status_page is None and ("status_page",) not in lost:
        hint = "Add status_page: {}, which serves them on this machine"
        problems.append(document.problem(("metrics",), "metrics-without-page", "no page serves the metrics", hint))
    for index, server in enumerate(config.modbus):
        here = ("modbus", index)
        for unit_id, unit in server.units.items():
            problems += _check_meter(document, config, (*here, "units", str(unit_id)), unit.meter)
        if server.other is not None and server.other not in server.units:
            what = f"unit {quoted(server.other)} is not configured"
            hint = f"Configured are: {ranges(server.units)}"
            problems.append(document.problem((*here, "units", "other"), "unknown-unit", what, hint))
    for index, passthrough in enumerate(config.passthrough):
        here = ("passthrough", index)
        problems += _check_meter(document, config, here, passthrough.meter)
        if passthrough.writable and any(not meter.is_serial for meter in _meters_named(config, passthrough.meter)):
            what, hint = "the meter is not on a serial port", "Only a serial port of this machine can be written to"
            problems.append(document.problem((*here, "writable"), "meter-not-writable", what, hint))
        problems += _check_content(document, config, index, passthrough)
    problems += _check_push(document, config, lost) + _check_brokers(document, config, lost)
    return problems + _check_addresses(document, config, lost)


def _check_content(document: Document, config: Config, index: int, passthrough: PassthroughConfig) -> list[Problem]:
    """Return what contradicts the choice between encrypted telegrams and clear text."""
    here, is_clear = ("passthrough", index), passthrough.content == "decrypted"
    for meter in _meters_named(config, passthrough.meter):
        if is_clear and not meter.decryption:
            what = "the telegrams of the meter are not decrypted"
            hint = "Add decryption to the meter, or remove content"
            return [document.problem((*here, "content"), "content-without-decryption", what, hint)]
        if meter.decryption and not is_clear and passthrough.greet == "newest":
            what = "the newest telegram is kept in clear text, and the readers get encrypted telegrams"
            hint = "Add content: decrypted, or remove greet"
            return [document.problem((*here, "greet"), "greet-in-clear-text", what, hint)]
    return []


def _check_push(document: Document, config: Config, lost: Collection[Loc]) -> list[Problem]:
    """Return what is missing: a port to post to, or a meter whose telegrams are posted."""
    pushed = [name for name, meter in config.all_meters().items() if meter.is_pushed]
    if config.push and not pushed and not any(loc[:1] in ((), ("meter",), ("meters",)) for loc in lost):
        hint = "Add a meter with source: push, or remove push"
        return [document.problem(("push",), "push-without-meter", "no meter has source: push", hint)]
    if config.push:
        return []
    hint = 'Add push: {listen: ":8082"} at the beginning of a line'
    return [
        document.problem((*loc, "source"), "push-missing", "there is no port that telegrams are posted to", hint)
        for loc in ([("meters", name) for name in pushed] if config.meters else [("meter",)] * len(pushed))
    ]


def _check_brokers(document: Document, config: Config, lost: Collection[Loc]) -> list[Problem]:
    """Return which meters need brokers, if there are none."""
    if config.mqtt or ("mqtt",) in lost:
        return []
    what = "there are no brokers that the telegrams come over"
    hint = 'Add mqtt: {brokers: ["mqtt://broker.local"]} at the beginning of a line, or write the URL of one topic'
    return [
        document.problem((*loc, "source"), "brokers-missing", what, hint)
        for loc, meter in config.located_meters()
        if meter.is_from_brokers and not meter.simulate
    ]


def _meters_named(config: Config, name: str | None) -> list[MeterConfig]:
    """Return the meter with this name, or the only one where no name is given."""
    meters = config.all_meters()
    if name is None:
        return list(meters.values()) if len(meters) == 1 else []
    return [meters[name]] if name in meters else []


def _check_meter(document: Document, config: Config, loc: Loc, name: str | None) -> list[Problem]:
    if _meters_named(config, name):
        return []
    meters = list(config.all_meters())
    if name is None:
        hint = f"Add meter: {_listed(meters, ' or ')}"
        return [document.problem(loc, "meter-not-chosen", "there are several meters, and none is chosen", hint)]
    hint = suggest(name, meters) or f"There are: {_listed(meters, ', ')}"
    return [
        document.problem((*loc, "meter"), "unknown-meter", f"there is no meter {quoted(name)}", hint, name=cut(name))
    ]


def _listed(names: list[str], between: str) -> str:
    return listed([*map(cut, names[:MAX_LISTED]), *names[MAX_LISTED:]], MAX_LISTED, between)


def _check_addresses(document: Document, config: Config, lost: Collection[Loc]) -> list[Problem]:
    listeners: list[tuple[Loc, str, Listen]] = [
        (("modbus", index), "udp" if server.transport == "udp" else "tcp", server.address)
        for index, server in enumerate(config.modbus)
        if server.serial is None
    ]
    listeners += [(("passthrough", index), "tcp", port.listen) for index, port in enumerate(config.passthrough)]
    if config.push:
        listeners.append((("push",), "tcp", config.push.listen))
    if config.status_page:
        listeners.append((("status_page",), "tcp", config.status_page.listen))
    # The address of a part with an invalid or unknown key may be another one than it seems.
    listeners = [each for each in listeners if not any(loc[: len(each[0])] == each[0] for loc in lost)]
    problems: list[Problem] = []
    taken: dict[tuple[str, int], dict[str, Loc]] = {}
    for loc, transport, address in listeners:
        if address.port == 0:
            continue  # another free port each time
        by_host = taken.setdefault((transport, address.port), {})
        # No host means every host: the system would refuse the second of both.
        before = next(iter(by_host.values()), None) if not address.host else by_host.get(address.host, by_host.get(""))
        if before:
            what = f"{cut(str(address))} is the address of {dotted(before)} already"
            problems.append(document.problem((*loc, "listen"), "address-twice", what, "Choose another port"))
        by_host.setdefault(address.host, loc)
    return problems
