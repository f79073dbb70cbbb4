"""Decryption: opens the encrypted telegrams of a meter with the keys from its grid operator.

In: bytes of the line. Out: the bytes of each telegram in clear text, with the moment of arrival of its last byte.
Everything else that comes over the line is dropped. A telegram in clear text is dropped too: anybody could send one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.problems.problem import Place, ProblemError
from gateway.problems.system import file_problem
from gateway.protocol.p1.decryption import TAG_BYTES, DecryptingReader, Fault
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import ByteSink, Output
from gateway.runtime.status import Colour, Mark
from gateway.transport.secret_file import read_key
from gateway.transport.timed_reading import read_in_time

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

    def __init__(self, name: str, key_file: Path, authentication_key_file: Path | None) -> None:
        super().__init__(name)
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
        self._use(keys)
        self.show(Colour.GREY, Mark.RING, "no-telegram-yet")
        self.ready.set()
        await asyncio.Event().wait()

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

    def _use(self, keys: dict[Path, bytes]) -> None:
        self._keys = keys
        if len(keys) == len(set(self._key_files())):
            path = self._authentication_key_file
            self._reader = DecryptingReader(AesGcm(keys[self._key_file], keys[path] if path else None))

    def _note(self, fault: Fault) -> None:
        self._faults[fault] += 1
        self.show(Colour.RED if fault in _GRIEVOUS else Colour.YELLOW, Mark.DOT, fault.value)
        self.log_seldom(logging.WARNING, LOG_TEXTS[fault])
