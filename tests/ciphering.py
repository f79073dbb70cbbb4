"""Encrypted telegrams as meters send them, made here with keys that no meter has."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.protocol.crc16 import crc16
from tests.conftest import own_telegram

KEY = bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F0")
AUTHENTICATION_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
OTHER_KEY = bytes.fromhex("FFEEDDCCBBAA99887766554433221100")
TITLE = b"SAG\x67\x70\x00\x00\x01"
LUXEMBOURG = own_telegram("lu_smarty")
AUSTRIA = own_telegram("at_t210")


def encrypted(
    telegram: bytes,
    counter: int = 1,
    *,
    key: bytes = KEY,
    authentication_key: bytes = AUTHENTICATION_KEY,
    title: bytes = TITLE,
    has_tag: bool = True,
) -> bytes:
    """Return the frame of a telegram (DLMS general-glo-ciphering, security suite 0)."""
    control = b"\x30" if has_tag else b"\x20"
    number = counter.to_bytes(4, "big")
    encryptor = Cipher(algorithms.AES128(key), modes.GCM(title + number)).encryptor()
    encryptor.authenticate_additional_data(control + authentication_key)
    content = control + number + encryptor.update(telegram) + encryptor.finalize()
    content += encryptor.tag[:12] if has_tag else b""
    return b"\xdb\x08" + title + b"\x82" + len(content).to_bytes(2, "big") + content


def telegram_at(second: int, template: bytes = LUXEMBOURG) -> bytes:
    """Return a telegram of this second of a minute, with its checksum."""
    at = template.index(b"0-0:1.0.0(") + len(b"0-0:1.0.0(")
    body = template[: at + 10] + b"%02d" % second + template[at + 12 : template.rindex(b"!") + 1]
    return body + b"%04X\r\n" % crc16(body)
