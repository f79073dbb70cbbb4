"""The certificates, keys and passwords of a configuration: what their files held when they were read last.

A reload compares the content of the files, because a renewed certificate has the same path as the old one. New content
is loaded in full before it replaces anything. If it cannot be used, or is a certificate that is not valid today, the
reload is refused with the place of the file in the configuration, and all connections go on with the old content.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config import Config, read_document
from gateway.config.types import TlsConfig
from gateway.files.yaml_file import Document, FileError, Loc, dotted
from gateway.problems.problem import Problem
from gateway.problems.system import file_problem
from gateway.runtime.clock import utc_now
from gateway.runtime.flow import Node
from gateway.service.meter_files import key_files, meter_files, token_files
from gateway.service.node_settings import tls_files
from gateway.transport.clients import Clients
from gateway.transport.secret_file import read_key, read_secret, read_token, rights_problem

if TYPE_CHECKING:
    from gateway.transport.certificates import Expiry
    from gateway.transport.tls import ServerTls, TlsFiles

LOOK_EVERY_S = 600.0
"""Seconds between two looks at the date, which decides about the daily report of certificates."""

Located = tuple[Loc, Problem]
"""A key of the configuration, and a problem of the file that it names."""

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
    changes: Sequence[str] = ()
    """A text for each change."""
    digests: Mapping[Path, bytes] = field(default_factory=dict)


class SecretFiles:
    """The files with secrets of the configuration at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: Mapping[Path, bytes] = {}
        self._rights: list[Problem] = []
        self._expiries: list[tuple[Loc, Expiry]] = []
        self._document: Document | None = None
        self._reported_on = utc_now().date()
        self.warnings: Sequence[Problem] = ()
        """Warnings about certificates that expire soon, and about rights of files."""

    def begin(self, config: Config) -> None:
        """Take the files as they are: the nodes have read them, and report those that they cannot use."""
        self._digests = _digests(config, self._path.parent)
        self.look(config)
        self._log_warnings()

    def read(self, config: Config) -> Renewal:
        """Load the files whose content has changed since they were used first.

        Raises:
            FileError: one of them cannot be used; it carries all problems.

        """
        folder, digests = self._path.parent, _digests(config, self._path.parent)
        problems: list[Located] = []
        changes: list[str] = []
        loaded: dict[TlsFiles, ServerTls] = {}
        for files, locs in _tls(config, folder).items():
            if changed := self._changed_keys(files, digests):
                found, tls = _load(files, is_replaced=bool(self._digests.get(files.certificate)))
                problems += [((*locs[0], key), problem) for key, problem in found]
                if tls:
                    loaded[files] = tls
                    changes.append(_describe(tls, locs, changed))
        password, refused = self._read_password(config, digests)
        if password:
            changes.append("status_page.password_file: new password")
        renewed = self._read_meters(config, digests, changes, refused)
        if problems or refused:
            document = read_document(self._path)
            raise FileError([problem.at(document.place(loc)) for loc, problem in (*problems, *refused)])
        return Renewal(loaded, password, renewed["token"], renewed["key"], changes, digests)

    def _read_meters(
        self, config: Config, digests: Mapping[Path, bytes], changes: list[str], refused: list[Located]
    ) -> dict[str, dict[Path, bytes]]:
        """Return the tokens and keys that are new; add what has changed, and what is wrong with a file."""
        renewed: dict[str, dict[Path, bytes]] = {"token": {}, "key": {}}
        for name, files, read in (("token", token_files, read_token), ("key", key_files, read_key)):
            for loc, _, path in files(config, self._path.parent):
                if digests[path] == self._digests.get(path):
                    continue
                try:
                    renewed[name][path] = read(path)
                    changes.append(f"{dotted(loc)}: new {name}")
                except OSError as error:
                    problem = file_problem(error)
                    refused.append((loc, replace(problem, what=f"{path}: {problem.what}")))
        return renewed

    def accept(self, renewal: Renewal, config: Config) -> None:
        """Note that a renewal is in use, and report the warnings about the files of `config`."""
        self._digests = renewal.digests
        self.look(config)
        self._log_warnings()

    def look(self, config: Config) -> None:
        """Find the warnings about the files."""
        self._document = None
        self._rights, self._expiries = [], []
        located = dict[Path, Loc]()
        for files, locs in _tls(config, self._path.parent).items():
            from gateway.transport.certificates import expiries_of  # noqa: PLC0415 - only where there is TLS

            located.setdefault(files.key, (*locs[0], "key"))
            self._expiries += [((*locs[0], each.key), each) for each in expiries_of(files)]
        if (page := config.status_page) and page.password_file:
            located.setdefault(self._path.parent / page.password_file, ("status_page", "password_file"))
        for loc, meter in config.located_meters():
            for key, file in (("password_file", meter.password_file), ("token_file", meter.token_file)):
                if file:
                    located.setdefault(self._path.parent / file, (*loc, key))
        for loc, _, path in key_files(config, self._path.parent):
            located.setdefault(path, loc)
        for path, loc in located.items():
            if problem := rights_problem(path):
                self._rights.append(self._at(loc, problem))
        self._judge()

    async def watch(self) -> None:
        """Report each day what expires soon, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.report_daily()

    def report_daily(self) -> None:
        """Report what expires soon, unless that was reported today."""
        if self._expiries and utc_now().date() != self._reported_on:
            self._judge()
            self._log_warnings()

    def _judge(self) -> None:
        now, expiring = utc_now(), dict[Path, Problem]()
        for loc, expiry in self._expiries:
            from gateway.transport.certificates import expiry_problem  # noqa: PLC0415 - only where there is TLS

            if problem := expiry_problem(expiry, now):
                expiring.setdefault(expiry.path, self._at(loc, problem))
        self.warnings = [*expiring.values(), *self._rights]

    def _log_warnings(self) -> None:
        self._reported_on = utc_now().date()
        for warning in self.warnings:
            _log.warning("configuration: %s", warning)

    def _at(self, loc: Loc, problem: Problem) -> Problem:
        self._document = self._document or read_document(self._path)
        return problem.at(self._document.place(loc))

    def _changed_keys(self, files: TlsFiles, digests: Mapping[Path, bytes]) -> list[str]:
        named = {"certificate": files.certificate, "key": files.key, "client_ca": files.client_ca}
        return [key for key, path in named.items() if path and digests[path] != self._digests.get(path)]

    def _read_password(self, config: Config, digests: Mapping[Path, bytes]) -> tuple[bytes | None, list[Located]]:
        page = config.status_page
        if page is None or page.password_file is None:
            return None, []
        path = self._path.parent / page.password_file
        if digests[path] == self._digests.get(path):
            return None, []
        from gateway.nodes.status_page.access import read_password  # noqa: PLC0415 - only where there is a page

        try:
            return read_password(path), []
        except OSError as error:
            problem = file_problem(error)
            return None, [(("status_page", "password_file"), replace(problem, what=f"{path}: {problem.what}"))]


def certificates(config: Config) -> Iterator[tuple[Loc, TlsConfig]]:
    """Yield the TLS settings of each listener, with their place in the configuration."""
    for index, server in enumerate(config.modbus):
        if server.tls:
            yield ("modbus", index, "tls"), server.tls
    for index, passthrough in enumerate(config.passthrough):
        if passthrough.tls:
            yield ("passthrough", index, "tls"), passthrough.tls


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
    for node in nodes:
        take = getattr(node, "renew_password", None)
        if take and renewal.password:
            take(renewal.password)
        take_tokens = getattr(node, "renew_tokens", None)
        if take_tokens and renewal.tokens:
            take_tokens(renewal.tokens)
        take_keys = getattr(node, "renew_keys", None)
        if take_keys and renewal.keys:
            take_keys(renewal.keys)


def _tls(config: Config, folder: Path) -> dict[TlsFiles, list[Loc]]:
    """Return the files of TLS listeners, each with its places: several listeners may share files."""
    found: dict[TlsFiles, list[Loc]] = {}
    for loc, tls in certificates(config):
        found.setdefault(tls_files(tls, folder), []).append(loc)
    return found


def _digests(config: Config, folder: Path) -> dict[Path, bytes]:
    """Return a digest of each file; empty for one that cannot be read."""
    paths = [path for files in _tls(config, folder) for path in (files.certificate, files.key, files.client_ca) if path]
    if config.status_page and config.status_page.password_file:
        paths.append(folder / config.status_page.password_file)
    paths += [path for _, _, path in meter_files(config, folder)]
    return {path: _digest(path) for path in dict.fromkeys(paths)}


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(read_secret(path)).digest()
    except OSError:
        return b""


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
