"""A source that sends nothing new."""

from __future__ import annotations

from gateway.protocol.p1.age.verdict import Condition, Kind, Verdict

NOTHING_NEW = 2.5
"""After so many cadences with only copies or old telegrams, the source is reported as repeating itself."""


class Progress:
    """The last new telegram of one meter, and what came after it."""

    def __init__(self) -> None:
        self._newest = 0.0
        self._newest_kind = Kind.WAITING
        self._last_new = 0.0

    def note(self, arrived: float, verdict: Verdict) -> None:
        """Note the verdict of a telegram."""
        self._newest, self._newest_kind = arrived, verdict.kind
        if verdict.kind not in (Kind.REPEAT, Kind.REPLAY) or verdict.is_shown:
            self._last_new = arrived

    def stuck(self, cadence_s: float) -> Condition | None:
        """Return what the source does instead of sending new telegrams; None where it does send some."""
        if self._newest - self._last_new <= NOTHING_NEW * cadence_s:
            return None
        if self._newest_kind is Kind.REPEAT:
            return Condition.REPEATING
        return Condition.REPLAYING if self._newest_kind is Kind.REPLAY else None
