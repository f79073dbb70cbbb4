"""dsmr_parser's OBIS codes and value parsers, imported without the libraries with which it decrypts.

dsmr_parser also imports cryptography and dlms_cosem, for encrypted telegrams. They take 12 MB of memory, a fifth of the
gateway's, and are not used: `gateway.nodes.decryption` decrypts by itself, where it is configured. So empty modules
take their place while dsmr_parser is imported. Afterwards both libraries can be imported as before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_DECRYPTION = {
    "cryptography.hazmat.primitives.ciphers": ("Cipher", "algorithms", "modes"),
    "dlms_cosem.connection": ("XDlmsApduFactory",),
    "dlms_cosem.exceptions": ("DecryptionError",),
    "dlms_cosem.protocol.xdlms": ("GeneralGlobalCipher",),
}
"""The modules that `dsmr_parser.parsers` decrypts with, and the names that it takes from them."""


class _LeftOutError(Exception):
    """An exception that nothing raises, in the place of each name that is left out."""


@contextmanager
def _without_decryption() -> Iterator[None]:
    """Put empty modules in the place of those for decryption that are not imported yet."""
    empty = {name: ModuleType(name) for name in _DECRYPTION if name not in sys.modules}
    for name, module in empty.items():
        vars(module).update(dict.fromkeys(_DECRYPTION[name], _LeftOutError))
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]


with _without_decryption():
    from dsmr_parser import telegram_specifications
    from dsmr_parser.parsers import ValueParser

__all__ = ["ValueParser", "telegram_specifications"]
