"""dsmr_parser is imported without its decryption, and nobody else has to do without the libraries for it."""

from __future__ import annotations

import subprocess
import sys
from unittest.mock import patch

from gateway.protocol.p1.dsmr_library import _DECRYPTION, _without_decryption
from tests.conftest import ROOT

LEFT_OUT = ("cryptography", "dlms_cosem")
AFTERWARDS = """
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from dlms_cosem.connection import XDlmsApduFactory
from dlms_cosem.exceptions import DecryptionError
from dlms_cosem.protocol.xdlms import GeneralGlobalCipher
import cryptography.hazmat.primitives.ciphers as ciphers
assert ciphers.Cipher is Cipher
Cipher(algorithms.AES(bytes(16)), modes.GCM(bytes(12))).encryptor().update(b"text")
assert XDlmsApduFactory and GeneralGlobalCipher and issubclass(DecryptionError, Exception)
"""


def run(program: str) -> str:
    """Run a program in an interpreter of its own; return what it prints."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def test_decryption_is_left_out_and_can_be_imported_afterwards() -> None:
    loaded = f"print([name for name in {LEFT_OUT!r} if name in sys.modules])"
    assert run(f"import sys, gateway.protocol.p1.value_groups; {loaded}\n{AFTERWARDS}") == "[]"


def test_what_is_imported_already_stays() -> None:
    before = "from cryptography.hazmat.primitives import ciphers; import sys; whole = dict(sys.modules)"
    kept = "print(all(sys.modules[name] is module for name, module in whole.items()))"
    assert run(f"{before}; import gateway.protocol.p1.value_groups; {kept}\n{AFTERWARDS}") == "True"


def test_the_library_decrypts_where_it_was_imported_before() -> None:
    program = "import dsmr_parser.parsers as it, gateway.protocol.p1.obis; print(it.Cipher.__module__)"
    assert run(program).startswith("cryptography.")


def test_a_name_is_left_out_while_the_library_is_imported_and_not_afterwards() -> None:
    with patch.dict(sys.modules):
        for name in _DECRYPTION:
            sys.modules.pop(name, None)
        with _without_decryption():
            assert [list(vars(sys.modules[name]))[-1] for name in _DECRYPTION] == [
                names[-1] for names in _DECRYPTION.values()
            ]
        assert not _DECRYPTION.keys() & sys.modules.keys()
