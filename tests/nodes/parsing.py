"""A parser that is fed at moments of the test's choice, and whose pending telegram becomes ripe at once."""

from __future__ import annotations

from unittest.mock import patch

from gateway.nodes import dsmr_parser
from gateway.nodes.dsmr_parser import DsmrParser

QUIET_S = 8.0
"""A quiet moment after which a pending telegram is served, at any cadence."""


def receive(parser: DsmrParser, data: bytes, arrived: float, *, read: float | None = None) -> None:
    """Hand over bytes that arrived at a moment, and are read then or at `read`."""
    with patch.object(dsmr_parser, "now", lambda: arrived if read is None else read):
        parser.receive(data, arrived)


def ripen(parser: DsmrParser, moment: float) -> None:
    """Let a quiet moment pass after `moment`."""
    with patch.object(dsmr_parser, "now", lambda: moment + QUIET_S):
        parser._ripen()
