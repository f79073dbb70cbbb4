"""A look at the files with secrets that a configuration names: what they hold, their rights, and their expiry."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Config, read_document
from gateway.config.types import CertificateConfig
from gateway.files.document import Loc
from gateway.problems.problem import Place, Problem
from gateway.service.meter_files import key_files, meter_files
from gateway.service.node_settings import tls_files
from gateway.transport.secret_file import read_secret, rights_problem

if TYPE_CHECKING:
    from gateway.transport.certificates import Expiry
    from gateway.transport.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Look:
    """The files at one moment."""

    digests: Mapping[Path, bytes]
    """Digest of the content of each file; empty for one that cannot be read."""
    rights: Sequence[Problem]
    """Warnings about secrets that other users can read or change."""
    expiries: Sequence[tuple[Place, Expiry]]
    """The end of validity of each certificate, with the place in the configuration that names it."""

    def warnings(self, now: dt.datetime) -> Sequence[Problem]:
        """Return what has to be done soon: renew certificates, and take rights away."""
        expiring = dict[Path, Problem]()
        for place, expiry in self.expiries:
            from gateway.transport.certificates import expiry_problem  # noqa: PLC0415 - only where there is TLS

            if problem := expiry_problem(expiry, now):
                expiring.setdefault(expiry.path, problem.at(place))
        return [*expiring.values(), *self.rights]


def look_at_files(config: Config, path: Path) -> Look:
    """Look at the files that the configuration at `path` names. This reads them."""
    folder = path.parent
    expiries: list[tuple[Loc, Expiry]] = []
    digests = {each: _digest(each) for each in _all_files(config, folder)}
    for files, locs in tls_places(config, folder).items():
        from gateway.transport.certificates import expiries_of  # noqa: PLC0415 - only where there is TLS

        expiries += [((*locs[0], each.key), each) for each in expiries_of(files)]
    secrets: dict[Path, Loc] = {}
    for loc, file in _secrets(config, folder):
        secrets.setdefault(file, loc)
    rights = [(loc, problem) for file, loc in secrets.items() if (problem := rights_problem(file))]
    if not (rights or expiries):
        return Look(digests, (), ())
    document = read_document(path)
    return Look(
        digests,
        [problem.at(document.place(loc)) for loc, problem in rights],
        [(document.place(loc), expiry) for loc, expiry in expiries],
    )


def certificates(config: Config) -> Iterator[tuple[Loc, CertificateConfig]]:
    """Yield the certificates of this gateway, those of listeners first, with their place in the configuration."""
    for index, server in enumerate(config.modbus):
        if server.tls:
            yield ("modbus", index, "tls"), server.tls
    for index, passthrough in enumerate(config.passthrough):
        if passthrough.tls:
            yield ("passthrough", index, "tls"), passthrough.tls
    if config.push and config.push.tls:
        yield ("push", "tls"), config.push.tls
    if (mqtt := config.mqtt) and mqtt.certificate and mqtt.key:
        yield ("mqtt",), CertificateConfig(certificate=mqtt.certificate, key=mqtt.key)


def broker_files(config: Config, folder: Path) -> Iterator[tuple[Loc, str, Path]]:
    """Yield the password and the authorities of MQTT brokers: place in the configuration, key and file."""
    for key in ("password_file", "ca") if config.mqtt else ():
        if path := getattr(config.mqtt, key):
            yield ("mqtt", key), key, folder / path


def tls_places(config: Config, folder: Path) -> dict[TlsFiles, list[Loc]]:
    """Return the files of these certificates, each with its places: several listeners may share files."""
    found: dict[TlsFiles, list[Loc]] = {}
    for loc, tls in certificates(config):
        found.setdefault(tls_files(tls, folder), []).append(loc)
    return found


def _secrets(config: Config, folder: Path) -> Iterator[tuple[Loc, Path]]:
    """Yield each file that nobody else should read, with its place."""
    for files, locs in tls_places(config, folder).items():
        yield (*locs[0], "key"), files.key
    if (page := config.status_page) and page.password_file:
        yield ("status_page", "password_file"), folder / page.password_file
    yield from ((loc, path) for loc, key, path in broker_files(config, folder) if key == "password_file")
    for loc, meter in config.located_meters():
        for key, file in (("password_file", meter.password_file), ("token_file", meter.token_file)):
            if file:
                yield (*loc, key), folder / file
    for loc, _, path in key_files(config, folder):
        yield loc, path


def _all_files(config: Config, folder: Path) -> dict[Path, None]:
    """Return the files whose new content a reload takes over, each once."""
    tls = tls_places(config, folder)
    paths = [path for files in tls for path in (files.certificate, files.key, files.client_ca) if path]
    if config.status_page and config.status_page.password_file:
        paths.append(folder / config.status_page.password_file)
    paths += [path for files in (meter_files, broker_files) for _, _, path in files(config, folder)]
    return dict.fromkeys(paths)


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(read_secret(path)).digest()
    except OSError:
        return b""
