"""The clocks of the gateway: a machine that does not say whether its clock is synchronised has no evidence to give."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.runtime import clock


def refused(_timex: object) -> int:
    """Refuse, as a filter of system calls does: adjtimex returns -1 and changes nothing."""
    return -1


@pytest.mark.parametrize("adjtimex", [refused, None], ids=["refused", "not there"])
def test_a_clock_that_may_not_be_asked_counts_as_not_synchronised(
    adjtimex: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "_adjtimex", adjtimex)
    monkeypatch.setattr(clock, "TIMESYNC", tmp_path / "absent")
    assert not clock.is_synchronised()


@pytest.mark.parametrize(
    ("age_s", "is_synchronised"), [(10, True), (clock.TIMESYNC_HOLDS_S + 10, False), (-3600, False)]
)
def test_the_file_of_the_time_service_counts_where_the_kernel_refuses(
    age_s: float, is_synchronised: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "_adjtimex", refused)
    monkeypatch.setattr(clock, "TIMESYNC", tmp_path / "synchronized")
    clock.TIMESYNC.touch()
    touched = clock.unix_now() - age_s
    os.utime(clock.TIMESYNC, (touched, touched))
    assert clock.is_synchronised() is is_synchronised


def test_the_kernel_counts_more_than_the_file_of_the_time_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "_adjtimex", lambda _: 5)
    monkeypatch.setattr(clock, "_timex", clock._Timex(status=clock._UNSYNCHRONISED))
    monkeypatch.setattr(clock, "TIMESYNC", tmp_path / "synchronized")
    clock.TIMESYNC.touch()
    assert not clock.is_synchronised()
