"""The clocks of the gateway: a machine that does not say whether its clock is synchronised has no evidence to give."""

from __future__ import annotations

import pytest

from gateway.runtime import clock


def refused(_timex: object) -> int:
    """Refuse, as a filter of system calls does: adjtimex returns -1 and changes nothing."""
    return -1


@pytest.mark.parametrize("adjtimex", [refused, None], ids=["refused", "not there"])
def test_a_clock_that_may_not_be_asked_counts_as_not_synchronised(
    adjtimex: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_adjtimex", adjtimex)
    assert not clock.is_synchronised()
    assert clock.synchronised_unix_now() is None
