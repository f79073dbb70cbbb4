"""`dsmr-gateway probe` and `check --probe` of a meter that encrypts: whether there is a key, and whether it fits."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

import pytest
from click.testing import Result

from gateway.config import load_config
from tests.ciphering import AUTHENTICATION_KEY, KEY, LUXEMBOURG, OTHER_KEY, encrypted, telegram_at
from tests.cli.calling import invoke
from tests.cli.p1_lines import fed_pty, sending

LISTEN_S = "20"
"""Longer than any of these takes, because each ends as soon as it is clear."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the working directory, with files of keys."""
    for name, key in {"meter": KEY, "tag": AUTHENTICATION_KEY, "other": OTHER_KEY}.items():
        (tmp_path / f"{name}.key").write_text(f"{key.hex()}\n")
        (tmp_path / f"{name}.key").chmod(0o600)
    (tmp_path / "short.key").write_text("0011\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def meter(*, has_tag: bool = True) -> AbstractContextManager[str]:
    """Give a port with a meter that encrypts each telegram with the next invocation counter."""
    numbers = count(1)

    def telegram(_speed: int) -> bytes:
        number = next(numbers)
        return encrypted(telegram_at(number % 60), number, has_tag=has_tag)

    return sending(telegram)


def probe(device: str, *arguments: str) -> Result:
    return invoke("probe", device, "--seconds", LISTEN_S, *arguments)


def keys(key: str, authentication: str = "") -> list[str]:
    files = ["--decryption-key-file", f"{key}.key"]
    return [*files, "--authentication-key-file", f"{authentication}.key"] if authentication else files


@pytest.mark.parametrize(
    ("files", "outcome", "has_tag"),
    [
        (["meter"], "the key fits", True),
        (["meter", "tag"], "the keys fit", True),
        (["meter"], "the key fits", False),
    ],
)
def test_a_key_that_fits_gives_the_readings_and_the_configuration(
    files: list[str], outcome: str, has_tag: bool, here: Path
) -> None:
    (here / "etc").mkdir()
    with meter(has_tag=has_tag) as device:
        result = probe(device, *keys(*files), "--save", "etc/gateway.yaml")
    assert result.exit_code == 0, result.stderr
    assert f"encrypted: {outcome}" in result.stdout
    assert "power_import: " in result.stdout
    saved = load_config(here / "etc" / "gateway.yaml", {}).all_meters()["meter"]
    assert saved.decryption
    assert (here / "etc" / saved.decryption.key_file).resolve() == here / "meter.key"
    assert (saved.decryption.authentication_key_file is not None) == (len(files) == 2)


@pytest.mark.parametrize(
    ("options", "problem", "has_tag"),
    [
        ([], "encrypted telegrams, no key is given. Ask the grid operator for the key", True),
        (keys("other"), "encrypted telegrams, the key does not fit. Compare it with the letter", True),
        (keys("meter", "other"), "encrypted telegrams, the key fits, the authentication key does not", True),
        (keys("other", "tag"), "encrypted telegrams, the key does not fit", True),
        (keys("meter", "tag"), "encrypted telegrams, the telegrams have no tag. Leave out the authentication", False),
    ],
)
def test_why_encrypted_telegrams_are_not_read_is_said(options: list[str], problem: str, has_tag: bool) -> None:
    with meter(has_tag=has_tag) as device:
        result = probe(device, *options)
        data = json.loads(probe(device, "--json", *options).stdout)[0]
    assert result.exit_code == 1
    assert problem in result.stderr
    # The first speed has shown it, so the second one is not tried.
    assert len(data["tried"]) == 1
    assert data["encryption"] in problem
    assert KEY.hex() not in result.output


def test_a_meter_in_clear_text_needs_no_key() -> None:
    with fed_pty(LUXEMBOURG) as device:
        result = probe(device, *keys("meter"))
    assert result.exit_code == 0
    assert "The telegrams are not encrypted: this meter needs no key." in result.stdout
    assert "decryption:" not in result.stdout


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (keys("short"), "not a key of 32 hexadecimal digits"),
        (keys("nowhere"), "no such file"),
        (["--authentication-key-file", "tag.key"], "--authentication-key-file needs --decryption-key-file"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_reported_before_anything_is_read(options: list[str], problem: str) -> None:
    result = probe("/dev/null", *options)
    assert result.exit_code == 2
    assert problem in result.stderr


def check(device: str, decryption: str) -> Result:
    text = f"meter:\n  port: {device}\n{decryption}modbus: [{{listen: '127.0.0.1:0'}}]\n"
    Path("gateway.yaml").write_text(text)
    return invoke("check", "--probe")


def test_check_says_whether_the_configured_keys_fit() -> None:
    with meter() as device:
        right = check(device, "  decryption: {key_file: meter.key, authentication_key_file: tag.key}\n")
        none = check(device, "")
        wrong = check(device, "  decryption:\n    key_file: other.key\n")
        wrong_tag = check(device, "  decryption:\n    key_file: meter.key\n    authentication_key_file: other.key\n")
    assert right.exit_code == 0, right.stderr
    assert "encrypted: the keys fit" in right.stdout
    assert (none.exit_code, wrong.exit_code, wrong_tag.exit_code) == (1, 1, 1)
    assert "encrypted telegrams, no key is given" in none.stderr
    assert "gateway.yaml:4:5: meter.decryption.key_file: " in wrong.stderr
    assert "the key does not fit" in wrong.stderr
    assert "gateway.yaml:5:5: meter.decryption.authentication_key_file: " in wrong_tag.stderr


def test_check_reports_decryption_of_a_meter_in_clear_text() -> None:
    with fed_pty(LUXEMBOURG) as device:
        result = check(device, "  decryption: {key_file: meter.key}\n")
    assert result.exit_code == 1
    assert (
        "the meter sends telegrams in clear text, which are not used with decryption. Remove decryption"
        in result.stderr
    )
