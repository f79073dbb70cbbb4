"""Detection of a source that sends only copies and old telegrams."""

from __future__ import annotations

from gateway.protocol.p1.age.verdict import Condition, Kind, Verdict

NOTHING_NEW = 2.5
"""Number of cadences without a new telegram, after which the source is reported as repeating."""


class RepeatingSource:
    """The last new telegram of one meter, and the kind of the telegrams after it."""

    def __init__(self) -> None:
        self._newest = 0.0
        self._newest_kind = Kind.WAITING
        self._last_new = 0.0

    def note(self, arrived: float, verdict: Verdict) -> None:
        """Note the verdict of a telegram."""
        self._newest, self._newest_kind = arrived, verdict.kind
        if verdict.kind not in (Kind.REPEAT, Kind.REPLAY) or verdict.is_shown:
            self._last_new = arrived

    def condition(self, cadence_s: float) -> Condition | None:
        """Return REPEATING or REPLAYING after `NOTHING_NEW` cadences without a new telegram, else None."""
        if self._newest - self._last_new <= NOTHING_NEW * cadence_s:
            return None
        if self._newest_kind is Kind.REPEAT:
            return Condition.REPEATING
        return Condition.REPLAYING if self._newest_kind is Kind.REPLAY else None
