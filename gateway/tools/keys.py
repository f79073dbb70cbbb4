"""Tries the keys of a meter that encrypts its telegrams, and says whether they fit."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gateway.config.meter import MeterConfig
from gateway.problems.problem import Problem, problem_of
from gateway.protocol.p1.decryption import DecryptingReader, Fault
from gateway.protocol.p1.diagnosis import ENCRYPTED, diagnose
from gateway.transport.secret_file import read_key

FAULTS_WANTED = 2
"""Number of faults of one kind that show enough. A single one may come from a damaged telegram."""

_LETTER = "Compare it with the letter of the grid operator"
_PROBLEMS = {
    Fault.WRONG_KEY: ("the key does not fit", f"{_LETTER}: the key belongs to this meter"),
    Fault.WRONG_AUTHENTICATION_KEY: ("the key fits, the authentication key does not", f"{_LETTER}, or leave it out"),
    Fault.NO_TAG: ("the telegrams have no tag", "Leave out the authentication key"),
    Fault.DAMAGED: ("the telegrams are damaged", "Check the cable, and that nothing removes bytes from the line"),
    Fault.TRUNCATED: ("the telegrams are cut off", "Check the cable, and that nothing removes bytes from the line"),
}
"""Fault → the outcome, and what to do."""
_FITS, _FITS_VERIFIED, _NO_KEY = "the key fits", "the keys fit", "no key is given"


class Keys(NamedTuple):
    """The keys of a meter, each of 128 bits."""

    key: bytes
    authentication_key: bytes | None = None

    def __repr__(self) -> str:
        """Return a text without the keys."""
        return "Keys(…)"


def read_keys(key_file: Path, authentication_key_file: Path | None) -> Keys:
    """Return the keys in these files.

    Raises:
        OSError: a file cannot be read, or does not hold a key.

    """
    return Keys(read_key(key_file), read_key(authentication_key_file) if authentication_key_file else None)


def meter_keys(meter: MeterConfig, folder: Path) -> Keys | None:
    """Return the keys of a configured meter, None for one in clear text; relative paths begin at `folder`.

    Raises:
        OSError: as `read_keys` raises it.

    """
    files = meter.decryption
    if files is None:
        return None
    authentication = files.authentication_key_file
    return read_keys(folder / files.key_file, folder / authentication if authentication else None)


class TriedKeys:
    """The keys, with what came of decrypting the telegrams of one line."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys
        self._reader = _reader(keys) if keys else None
        self._faults: list[Fault] = []
        self._has_decrypted = False

    @property
    def has_keys(self) -> bool:
        """Return whether there are keys to try."""
        return self._keys is not None

    @property
    def has_failed(self) -> bool:
        """Return whether enough telegrams have shown that they cannot be decrypted."""
        return not self._has_decrypted and len(self._faults) >= FAULTS_WANTED

    def feed(self, data: bytes, arrived: float) -> bytes:
        """Return the clear text of the telegrams that end in these bytes of the line."""
        clear_text = b""
        for item in self._reader.feed(data, arrived) if self._reader else ():
            if isinstance(item, bytes):
                self._has_decrypted = True
                clear_text += item + b"\r\n"
            elif item in _PROBLEMS and len(self._faults) < FAULTS_WANTED:
                self._faults.append(item)
        return clear_text

    def outcome(self, sample: bytes) -> str:
        """Return whether the keys fit; empty where the first bytes of the line show no encrypted telegram."""
        if self._has_decrypted and self._keys:
            return _FITS_VERIFIED if self._keys.authentication_key else _FITS
        cause = diagnose(sample)
        if cause is None or cause.code != ENCRYPTED:
            return ""
        if self._keys is None:
            return _NO_KEY
        return _PROBLEMS[self._faults[-1]][0] if self._faults else "no telegram was complete"

    def problem(self, sample: bytes) -> Problem | None:
        """Return why encrypted telegrams cannot be read; None where there are none, or the keys fit."""
        outcome = self.outcome(sample)
        if not outcome or self._has_decrypted:
            return None
        if self._keys is None:
            hint = "Ask the grid operator for the key, and give its file: --decryption-key-file FILE"
            return problem_of(ENCRYPTED, f"encrypted telegrams, {outcome}", hint, short="encrypted, no key given")
        if not self._faults:
            return problem_of("encrypted-incomplete", f"encrypted telegrams, {outcome}", "Listen longer: --seconds 30")
        fault = self._faults[-1]
        return problem_of(fault.value, f"encrypted telegrams, {outcome}", _PROBLEMS[fault][1], short=outcome[:40])


def _reader(keys: Keys) -> DecryptingReader:
    from gateway.nodes.decryption import AesGcm  # noqa: PLC0415 - only where there is a key

    return DecryptingReader(AesGcm(keys.key, keys.authentication_key))
