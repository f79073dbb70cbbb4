"""Decryption: opens the encrypted telegrams of a meter with the keys from its grid operator.

In: bytes of the line. Out: the bytes of each telegram in clear text, with the moment of arrival of its last byte.
Everything else that comes over the line is dropped. A telegram in clear text is dropped too: anybody could send one.

The invocation counters are written to a file, because otherwise whoever has recorded telegrams could send them after a
restart, at the meter's own pace, and nothing would show that they are old. They belong to the keys: with other keys a
meter may begin again, and old telegrams cannot be decrypted any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.problems.problem import Place, ProblemError
from gateway.problems.system import file_problem
from gateway.protocol.p1.decryption import TAG_BYTES, DecryptingReader, Fault
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import ByteSink, Output
from gateway.runtime.status import Colour, Mark
from gateway.transport.secret_file import read_key
from gateway.transport.state_file import put_aside, read_state, write_state
from gateway.transport.timed_reading import READ_LIMIT_S, read_in_time

SAVE_EVERY_S = 60.0
"""Time after which new invocation counters are written."""
MAX_COUNTERS_BYTES = 4096
LAST_SAVE_S = 2.0
"""Longest time that the end of the node waits for its file."""
_FIRST_BLOCK = (2).to_bytes(4, "big")
"""Number of the first block of text in Galois/Counter Mode with a nonce of 12 bytes (NIST SP 800-38D, 7.1)."""

_GRIEVOUS = frozenset((Fault.WRONG_KEY, Fault.WRONG_AUTHENTICATION_KEY, Fault.NO_TAG, Fault.NOT_ENCRYPTED))
"""Faults that the meter's next telegram has too."""
LOG_TEXTS: Mapping[Fault, str] = {
    Fault.WRONG_KEY: "the key does not decrypt the telegrams. Compare key_file with the grid operator's letter",
    Fault.WRONG_AUTHENTICATION_KEY: (
        "the telegrams are decrypted, but their tags do not fit. Compare authentication_key_file with the grid"
        " operator's letter"
    ),
    Fault.NO_TAG: "a telegram has no tag, which authentication_key_file requires. It is not used",
    Fault.DAMAGED: "an encrypted telegram is damaged. If it happens often, check the cable",
    Fault.TRUNCATED: "an encrypted telegram is cut off. If it happens often, check the cable",
    Fault.REPEATED: "an encrypted telegram came twice. The second one is not used",
    Fault.COUNTER_FELL: (
        "the invocation counter of a telegram is lower than before: it is an old telegram, and not used. If the meter"
        " was reset or replaced, restart the gateway"
    ),
    Fault.NOT_ENCRYPTED: (
        "the meter sends telegrams in clear text, which are not used. If it no longer encrypts them, remove decryption"
    ),
}


class AesGcm:
    """The cipher of DLMS security suite 0, with the keys of a meter."""

    def __init__(self, key: bytes, authentication_key: bytes | None) -> None:
        self._algorithm = algorithms.AES128(key)
        self._authentication_key = authentication_key

    @property
    def verifies(self) -> bool:
        """Return whether there is an authentication key."""
        return self._authentication_key is not None

    def decrypt(self, nonce: bytes, text: bytes) -> bytes:
        """Return the decrypted text, whatever it is."""
        decryptor = Cipher(self._algorithm, modes.CTR(nonce + _FIRST_BLOCK)).decryptor()
        return decryptor.update(text) + decryptor.finalize()

    def is_authentic(self, nonce: bytes, control: bytes, text: bytes, tag: bytes) -> bool:
        """Return whether the tag fits a frame with this security control (Green Book, 9.2.7.2.4.5)."""
        assert self._authentication_key is not None
        decryptor = Cipher(self._algorithm, modes.GCM(nonce, tag, TAG_BYTES)).decryptor()
        decryptor.authenticate_additional_data(control + self._authentication_key)
        try:
            decryptor.update(text)
            decryptor.finalize()
        except InvalidTag:
            return False
        return True


class Decryption(Node):
    """The decryption of one meter's telegrams."""

    kind = "decryption"

    def __init__(
        self, name: str, key_file: Path, authentication_key_file: Path | None, counters_file: Path | None = None
    ) -> None:
        """Decrypt with the keys in these files.

        Args:
            name: the node's name.
            key_file: file with the encryption key.
            authentication_key_file: file with the authentication key; None if there is none.
            counters_file: file that keeps the invocation counters over a restart; None to keep none.

        """
        super().__init__(name)
        self._counters_file = counters_file
        self._saved: Mapping[bytes, int] = {}
        self._key_file = key_file
        self._authentication_key_file = authentication_key_file
        self._keys: dict[Path, bytes] = {}
        self._reader: DecryptingReader | None = None
        self._faults = Counter[Fault]()
        self._decrypted = 0
        self.line_bytes: Output[ByteSink] = Output(self)

    def details(self) -> Details:
        """Return whether tags are verified, and how many telegrams were decrypted."""
        return {
            "tags_verified": "yes" if self._authentication_key_file else "no",
            "telegrams_decrypted": self._decrypted,
            **{f"telegrams_not_decrypted ({fault})": count for fault, count in sorted(self._faults.items())},
        }

    async def run(self) -> None:
        """Read the keys, and decrypt until cancelled."""
        keys: dict[Path, bytes] = {}
        for path in self._key_files():
            try:
                keys[path] = await read_in_time(read_key, path)
            except OSError as error:
                self.show(Colour.RED, Mark.RING, "key-file-unusable", file=path.name)
                raise ProblemError(file_problem(error, Place(str(path))), error.errno) from error
        self._use(keys, await self._read_counters(keys))
        self.show(Colour.GREY, Mark.RING, "no-telegram-yet")
        self.ready.set()
        try:
            while True:
                await asyncio.sleep(SAVE_EVERY_S)
                await self._save()
        finally:
            await self._save(LAST_SAVE_S)

    def renew_keys(self, keys: Mapping[Path, bytes]) -> None:
        """Take new keys, by file; the next telegram is decrypted with them."""
        if own := {path: key for path, key in keys.items() if path in self._key_files()}:
            self._use({**self._keys, **own})

    def receive(self, data: bytes, arrived: float) -> None:
        """Take bytes from the line, with the moment of their arrival on the gateway's clock."""
        for item in self._reader.feed(data, arrived) if self._reader else ():
            if isinstance(item, Fault):
                self._note(item)
                continue
            self._decrypted += 1
            verified = self._authentication_key_file is not None
            self.show(Colour.GREEN, Mark.DOT, "telegrams-verified" if verified else "telegrams-decrypted")
            for sink in self.line_bytes.receivers:
                sink.receive(item, arrived)

    def line_lost(self) -> None:
        """Drop a telegram that has begun, so that the bytes of the next connection cannot complete it."""
        if self._reader:
            self._reader.reset()
        for sink in self.line_bytes.receivers:
            sink.line_lost()

    def _key_files(self) -> list[Path]:
        return [path for path in (self._key_file, self._authentication_key_file) if path]

    async def _read_counters(self, keys: Mapping[Path, bytes]) -> Mapping[bytes, int]:
        if self._counters_file is None:
            return {}
        try:
            self._saved = await read_in_time(read_counters, self._counters_file, list(keys.values()))
        except OSError as error:
            text = f"the invocation counters of before the start are not known: {error}"
            self.log(logging.WARNING, f"{text}. Old telegrams cannot be told from new ones until new ones have come")
        return self._saved

    async def _save(self, limit_s: float = READ_LIMIT_S) -> None:
        """Write the invocation counters, if there are new ones."""
        counters = dict(self._reader.counters) if self._reader else {}
        if self._counters_file is None or counters == self._saved:
            return
        try:
            keys = list(self._keys.values())
            await read_in_time(write_counters, self._counters_file, keys, counters, limit_s=limit_s)
            self._saved = counters
        except OSError as error:
            text = f"the invocation counters cannot be written: {error}"
            self.log_seldom(logging.WARNING, f"{text}. After a restart, old telegrams cannot be told from new ones")

    def _use(self, keys: dict[Path, bytes], counters: Mapping[bytes, int] = MappingProxyType({})) -> None:
        self._keys = keys
        if len(keys) == len(set(self._key_files())):
            path = self._authentication_key_file
            self._reader = DecryptingReader(AesGcm(keys[self._key_file], keys[path] if path else None), counters)

    def _note(self, fault: Fault) -> None:
        self._faults[fault] += 1
        self.show(Colour.RED if fault in _GRIEVOUS else Colour.YELLOW, Mark.DOT, fault.value)
        text = LOG_TEXTS[fault]
        if fault is Fault.COUNTER_FELL and self._counters_file:
            text += f" without the file {self._counters_file}"
        self.log_seldom(logging.WARNING, text)


def counters_file(folder: Path, meter: str) -> Path:
    """Return the file of a meter; its name may have characters that a file cannot have."""
    return folder / f"invocation-counters-{hashlib.sha256(meter.encode()).hexdigest()[:12]}"


def read_counters(path: Path, keys: Sequence[bytes]) -> dict[bytes, int]:
    """Return the counter of each system title; none where there is no file, or it belongs to other keys.

    Raises:
        OSError: the file cannot be read, or has other content; then it is renamed.

    """
    content = read_state(path, MAX_COUNTERS_BYTES)
    if content is None:
        return {}
    try:
        held = json.loads(content)
        counters = {bytes.fromhex(title): int(counter) for title, counter in held["counters"].items()}
        is_of_these_keys = held["keys"] == _digest_of(keys)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise OSError(f"{put_aside(path)} has other content, and was renamed to this") from error
    return counters if is_of_these_keys else {}


def write_counters(path: Path, keys: Sequence[bytes], counters: Mapping[bytes, int]) -> None:
    """Write the counters.

    Raises:
        OSError: the file cannot be written.

    """
    held = {"keys": _digest_of(keys), "counters": {title.hex(): counter for title, counter in counters.items()}}
    write_state(path, json.dumps(held).encode())


def _digest_of(keys: Sequence[bytes]) -> str:
    return hashlib.sha256(b"keys of " + b"".join(keys)).hexdigest()[:32]
