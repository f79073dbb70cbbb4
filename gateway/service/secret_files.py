"""The certificates, keys and passwords of a configuration: what their files held when they were read last.

A reload compares the content of the files, because a renewed certificate has the same path as the old one. New content
is loaded in full before it replaces anything. If it cannot be used, or is a certificate that is not valid today, the
reload is refused with the place of the file in the configuration, and all connections go on with the old content.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config import Config, read_document
from gateway.files.document import FileError, Loc, dotted
from gateway.problems.problem import Problem
from gateway.problems.system import file_problem
from gateway.runtime.clock import utc_now
from gateway.runtime.flow import Node
from gateway.service.file_look import Look, broker_files, look_at_files, tls_places
from gateway.service.meter_files import key_files, shared_tokens, token_files
from gateway.transport.clients import Clients
from gateway.transport.secret_file import read_key, read_login, read_token

if TYPE_CHECKING:
    from gateway.transport.tls import ServerTls, TlsFiles

LOOK_EVERY_S = 600.0
"""Seconds between two looks at the date, which decides about the daily report of certificates."""

Located = tuple[Loc, Problem]
"""A key of the configuration, and a problem of the file that it names."""

NOTHING_SEEN = Look({}, (), ())
"""A look at no file."""

_log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Renewal:
    """The files that hold something else than before, loaded."""

    tls: Mapping[TlsFiles, ServerTls] = field(default_factory=dict)
    password: bytes | None = None
    """Digest of the new password of the status page."""
    tokens: Mapping[Path, bytes] = field(default_factory=dict)
    """Digest of each new token, by its file."""
    keys: Mapping[Path, bytes] = field(default_factory=dict, repr=False)
    """Each new key of a meter, by its file."""
    logins: frozenset[Path] = frozenset()
    """The files with a new password or new authorities for MQTT brokers."""
    changes: Sequence[str] = ()
    """A text for each change."""
    look: Look = NOTHING_SEEN
    """The files that were loaded."""


class SecretFiles:
    """The files with secrets of the configuration at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._look = NOTHING_SEEN
        self._reported_on = utc_now().date()
        self.warnings: Sequence[Problem] = ()
        """Warnings about certificates that expire soon, and about rights of files."""

    def take(self, look: Look) -> None:
        """Note that the files of `look` are in use, and report the warnings about them."""
        self._look = look
        self._report()

    def read(self, config: Config) -> Renewal:
        """Load the files whose content has changed since they were used first.

        Raises:
            FileError: one of them cannot be used; it carries all problems.

        """
        folder, look = self._path.parent, look_at_files(config, self._path)
        digests = look.digests
        problems: list[Located] = []
        changes: list[str] = []
        loaded: dict[TlsFiles, ServerTls] = {}
        for files, locs in tls_places(config, folder).items():
            if changed := self._changed_keys(files, digests):
                found, tls = _load(files, is_replaced=bool(self._look.digests.get(files.certificate)))
                problems += [((*locs[0], key), problem) for key, problem in found]
                if tls:
                    loaded[files] = tls
                    changes.append(_describe(tls, locs, changed))
        password, refused = self._read_password(config, digests)
        if password:
            changes.append("status_page.password_file: new password")
        renewed = self._read_meters(config, digests, changes, refused)
        logins = self._read_logins(config, digests, changes, refused)
        if problems or refused:
            document = read_document(self._path)
            raise FileError([problem.at(document.place(loc)) for loc, problem in (*problems, *refused)])
        return Renewal(loaded, password, renewed["token"], renewed["key"], logins, changes, look)

    def _read_meters(
        self, config: Config, digests: Mapping[Path, bytes], changes: list[str], refused: list[Located]
    ) -> dict[str, dict[Path, bytes]]:
        """Return the tokens and keys that are new; add what has changed, and what is wrong with a file."""
        renewed: dict[str, dict[Path, bytes]] = {"token": {}, "key": {}}
        for name, files, read in (("token", token_files, read_token), ("key", key_files, read_key)):
            for loc, _, path in files(config, self._path.parent):
                if digests[path] == self._look.digests.get(path):
                    continue
                try:
                    renewed[name][path] = read(path)
                    changes.append(f"{dotted(loc)}: new {name}")
                except OSError as error:
                    problem = file_problem(error)
                    refused.append((loc, replace(problem, what=f"{path}: {problem.what}")))
        refused += shared_tokens(config, self._path.parent)
        return renewed

    def _read_logins(
        self, config: Config, digests: Mapping[Path, bytes], changes: list[str], refused: list[Located]
    ) -> frozenset[Path]:
        """Return the files for MQTT brokers that are new; add what has changed, and what is wrong with a file."""
        renewed = set[Path]()
        for loc, key, path in broker_files(config, self._path.parent):
            if digests[path] == self._look.digests.get(path):
                continue
            from gateway.transport.client_tls import trust  # noqa: PLC0415 - only where there are brokers

            try:
                (trust if key == "ca" else read_login)(path)
                renewed.add(path)
                changes.append(f"{dotted(loc)}: new {'authorities' if key == 'ca' else 'password'}")
            except OSError as error:
                problem = file_problem(error)
                refused.append((loc, replace(problem, what=f"{path}: {problem.what}")))
        return frozenset(renewed)

    async def watch(self) -> None:
        """Report each day what expires soon, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.report_daily()

    def report_daily(self) -> None:
        """Report what expires soon, unless that was reported today."""
        if self._look.expiries and utc_now().date() != self._reported_on:
            self._report()

    def _report(self) -> None:
        moment = utc_now()
        self.warnings, self._reported_on = self._look.warnings(moment), moment.date()
        for warning in self.warnings:
            _log.warning("configuration: %s", warning)

    def _changed_keys(self, files: TlsFiles, digests: Mapping[Path, bytes]) -> list[str]:
        named = {"certificate": files.certificate, "key": files.key, "client_ca": files.client_ca}
        return [key for key, path in named.items() if path and digests[path] != self._look.digests.get(path)]

    def _read_password(self, config: Config, digests: Mapping[Path, bytes]) -> tuple[bytes | None, list[Located]]:
        page = config.status_page
        if page is None or page.password_file is None:
            return None, []
        path = self._path.parent / page.password_file
        if digests[path] == self._look.digests.get(path):
            return None, []
        from gateway.nodes.status_page.access import read_password  # noqa: PLC0415 - only where there is a page

        try:
            return read_password(path), []
        except OSError as error:
            problem = file_problem(error)
            return None, [(("status_page", "password_file"), replace(problem, what=f"{path}: {problem.what}"))]


def listeners(nodes: Iterable[Node]) -> Iterator[tuple[Node, Clients[Any]]]:
    """Yield the nodes that listen for clients."""
    for node in nodes:
        clients = getattr(node, "clients", None)
        if isinstance(clients, Clients):
            yield node, clients


async def renew(nodes: Sequence[Node], renewal: Renewal) -> None:
    """Give each node the new content of its files; connections go on, new handshakes and requests use the new."""
    for node, clients in listeners(nodes):
        tls = renewal.tls.get(clients.tls_files) if clients.tls_files else None
        closed = await clients.renew_tls(tls) if tls else 0
        if closed:
            node.log(logging.INFO, f"{closed} connections are closed: the new client_ca has not signed the certificate")
    renewed = {
        "renew_tls": renewal.tls,
        "renew_password": renewal.password,
        "renew_tokens": renewal.tokens,
        "renew_keys": renewal.keys,
        "renew_login": renewal.logins,
    }
    for node in nodes:
        for name, content in renewed.items():
            take = getattr(node, name, None)
            if take and content:
                take(content)


def _load(files: TlsFiles, *, is_replaced: bool) -> tuple[Sequence[tuple[str, Problem]], ServerTls | None]:
    """Load the files, or return their problems. Where they replace others, certificates have to be valid today."""
    from gateway.transport.tls import ServerTls  # noqa: PLC0415 - only where there is TLS
    from gateway.transport.tls_check import check_tls_files, unusable_files  # noqa: PLC0415

    found = (check_tls_files if is_replaced else unusable_files)(files)
    if found:
        return found, None
    try:
        return [], ServerTls(files)
    except OSError as error:  # replaced once more since the check
        return [("key", file_problem(error))], None


def _describe(tls: ServerTls, locs: Sequence[Loc], changed: Sequence[str]) -> str:
    ends = {each.key: f" (valid until {each.at:%Y-%m-%d})" for each in tls.expiries}
    others = f" and {len(locs) - 1} more" if len(locs) > 1 else ""
    return f"{dotted(locs[0])}{others}: " + ", ".join(f"new {key}{ends.get(key, '')}" for key in changed)
