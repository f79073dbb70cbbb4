"""The part of the data model that holds readings: registers, telegrams and their history.

Times are unix seconds, durations seconds, powers watts. None means not known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegisterView:
    """A register as a client reads it now."""

    address: int
    number: int
    """Number of the register in manuals that count from 40001."""
    name: str
    type: str
    length: int
    step: str
    """Resolution, with its unit."""
    text: str | None
    """Value with its unit; None when absent, or when a client gets no value."""
    words: str
    """Content of the register in hexadecimal; empty when a client gets none."""
    exception: int | None
    """Code of the exception that a client gets instead of a value."""
    is_answered: bool
    """False when a client gets no response at all."""
    is_stale: bool
    """True when the value comes from a telegram that is too old; a constant is never stale."""
    is_withheld: bool
    """True when the register is absent because its unit does not have `identifiers: true`."""
    age_s: float | None
    codes: list[str]
    """OBIS codes of the telegram's lines that the value comes from."""
    lines: list[int]
    """Positions of those lines in the telegram, from 0."""
    description: str
    bits: list[str] | None = None
    """Names of the bits that are set; None for a register that is not made of bits."""
    unix_time: int | None = None
    """The value of a register that holds a time."""


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers of one unit."""

    server: str
    unit_id: int
    meter: str
    map: str
    is_fresh: bool
    on_stale: str
    age_s: float | None
    registers: list[RegisterView]


@dataclass(frozen=True, slots=True)
class LineView:
    """A line of a telegram."""

    text: str
    code: str
    name: str
    value: str | None
    unit: str | None
    fault: str | None
    unix_time: int | None
    """Time in the line, of its reading or as its value."""


@dataclass(frozen=True, slots=True)
class TelegramVerdictView:
    """A telegram that was accepted or refused."""

    at: float
    interval_s: float | None
    fault: str | None
    """Reason of the refusal; None for an accepted telegram."""


@dataclass(frozen=True, slots=True)
class TelegramView:
    """The newest telegram of a meter, and the results of the last telegrams."""

    meter: str
    is_masked: bool
    """True when identifiers are masked. The checksum then does not match the text."""
    identification: str | None
    age_s: float | None
    is_fresh: bool
    text: str | None
    lines: list[LineView]
    recent: list[TelegramVerdictView]
    """Newest first."""


@dataclass(frozen=True, slots=True)
class BucketView:
    """Ten seconds of a meter."""

    at: float
    power_mean_w: float | None
    power_lowest_w: float | None
    power_highest_w: float | None
    longest_interval_s: float | None
    telegrams: int
    refused: int


@dataclass(frozen=True, slots=True)
class HistoryView:
    """The last hour of a meter."""

    meter: str
    bucket_s: float
    buckets: list[BucketView]
    """Oldest first. There is no bucket for a time without telegrams."""
