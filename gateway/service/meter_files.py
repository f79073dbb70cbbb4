"""The tokens and keys of the meters of a configuration: where their files are, and where they are named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.config import Config
from gateway.files.document import Loc
from gateway.problems.problem import Problem, problem_of
from gateway.transport.secret_file import read_token


def token_files(config: Config, folder: Path) -> Iterator[tuple[Loc, str, Path]]:
    """Yield the token file of each meter whose telegrams are posted, with its place and the meter's name."""
    for name, (loc, meter) in zip(config.all_meters(), config.located_meters(), strict=True):
        if meter.is_pushed and meter.token_file:
            yield (*loc, "token_file"), name, folder / meter.token_file


def key_files(config: Config, folder: Path) -> Iterator[tuple[Loc, str, Path]]:
    """Yield the files with the keys of encrypted telegrams, as `token_files` does."""
    for name, (loc, meter) in zip(config.all_meters(), config.located_meters(), strict=True):
        for key, path in meter.decryption or ():
            if path:
                yield (*loc, "decryption", key), name, folder / path


def meter_files(config: Config, folder: Path) -> Iterator[tuple[Loc, str, Path]]:
    """Yield all of these files."""
    yield from token_files(config, folder)
    yield from key_files(config, folder)


def shared_tokens(config: Config, folder: Path) -> Iterator[tuple[Loc, Problem]]:
    """Yield the place and the problem of each token that another meter has too; without files that cannot be used."""
    meters: dict[bytes, str] = {}
    for loc, name, path in token_files(config, folder):
        with suppress(OSError):
            if (other := meters.setdefault(read_token(path), name)) != name:
                what = f"{path}: this is the token of meter {other} too"
                yield loc, problem_of("token-twice", what, "Give each meter a token of its own")
