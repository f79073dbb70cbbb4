"""Telegrams without checksum: two that agree are accepted; one alone only if it agrees with the one before."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.acceptance import contradict
from gateway.protocol.p1.confirmation import Confirmation
from gateway.protocol.p1.readings import read
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram
from tests.conftest import own_telegram
from tests.protocol.p1.stream import only

OLD = own_telegram("v22_iskra-mt382")
UNCONFIRMED, IMPLAUSIBLE = RefusalReason.UNCONFIRMED, RefusalReason.IMPLAUSIBLE


def with_counter(kwh: int) -> bytes:
    assert OLD.count(b"11562.418") == 1
    return OLD.replace(b"11562.418", b"%05d.418" % kwh)


def outcomes(confirmation: Confirmation, *counters: int) -> list[RefusalReason | None]:
    """Feed a telegram each ten seconds, and return the reasons of the refusals; None for one that is accepted."""
    reasons = []
    for number, kwh in enumerate(counters):
        telegram, arrived = only(with_counter(kwh)), 10.0 * number
        readings, before = read(telegram), confirmation.before
        detail = contradict(before, readings, arrived - confirmation.before_at) if before else None
        refusal = RefusedTelegram(telegram.raw, IMPLAUSIBLE, detail) if detail else None
        refused = confirmation.refuse(telegram, readings, refusal, arrived)
        if refused is None:
            confirmation.accept(readings, arrived)
        reasons.append(refused.reason if refused else None)
    return reasons


@pytest.mark.parametrize(
    ("needs_two", "counters", "expected"),
    [
        (True, (11562, 11562, 11562), [UNCONFIRMED, None, None]),
        (True, (11562, 51562, 51562), [UNCONFIRMED, UNCONFIRMED, None]),
        (False, (11562, 11562), [None, None]),
    ],
)
def test_the_first_telegram_waits_for_a_second_one_that_agrees(
    needs_two: bool, counters: tuple[int, ...], expected: list[RefusalReason | None]
) -> None:
    assert outcomes(Confirmation(needs_two=needs_two), *counters) == expected


def test_two_telegrams_that_agree_with_each_other_show_a_new_meter() -> None:
    assert outcomes(Confirmation(needs_two=False), 11562, 31562, 31562) == [None, IMPLAUSIBLE, None]


def test_two_telegrams_that_agree_with_nothing_are_both_refused() -> None:
    assert outcomes(Confirmation(needs_two=False), 11562, 51562, 31562) == [None, IMPLAUSIBLE, IMPLAUSIBLE]


def test_one_of_two_meters_that_send_by_turns_is_accepted() -> None:
    counters = (11562, 51562) * 3
    assert outcomes(Confirmation(needs_two=True), *counters) == [UNCONFIRMED, UNCONFIRMED, *(None, IMPLAUSIBLE) * 2]


def test_a_telegram_that_agrees_with_the_last_but_one_shows_that_the_last_one_was_wrong() -> None:
    assert outcomes(Confirmation(needs_two=False), 11562, 11563, 11562) == [None, None, None]


def test_the_refusal_of_the_first_one_says_what_it_waits_for() -> None:
    telegram = only(OLD)
    refused = Confirmation(needs_two=True).refuse(telegram, read(telegram), None, 0.0)
    assert refused is not None
    assert refused.detail == "the first telegram without checksum waits for a second one that agrees"
