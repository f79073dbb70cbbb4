"""A library that is kept from importing another one, which others can import all the same."""

from __future__ import annotations

import sys

import pytest

from gateway.runtime.imports import without

SELDOM_IMPORTED = "this"


def test_a_module_cannot_be_imported_meanwhile_and_can_be_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    sys.modules.pop(SELDOM_IMPORTED, None)
    with without(SELDOM_IMPORTED), pytest.raises(ImportError):
        __import__(SELDOM_IMPORTED)
    __import__(SELDOM_IMPORTED)
    assert "Zen of Python" in capsys.readouterr().out
    with without(SELDOM_IMPORTED):
        __import__(SELDOM_IMPORTED)
