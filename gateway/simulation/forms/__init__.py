"""The forms of simulated meters: one file for each version and country, named by its key in `variants.VARIANTS`.

A file looks like a telegram of such a meter. `{name}` is replaced by a value, `{name:000.000*kWh}` by a number with
these digits and this unit, and `{name:hex}` by a text in hexadecimal. The line `{mbus}` is replaced by the lines of the
M-Bus meters, each on the next `{channel}`. `day_tariff` is the number of the tariff by day, and `keeps_normal_time` is
true for a meter without summer time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.files.document import FileError
from gateway.files.validation import invalid, suggest, validate
from gateway.files.yaml_file import load
from gateway.protocol.p1.variants import VARIANTS
from gateway.simulation.household import Scenario
from gateway.simulation.meter import GAS, Medium, SimulatedMeter, TelegramForm

_FOLDER = Path(__file__).parent
_PERIODS = {"10s": 10, "5m": 300, "1h": 3600}
DEFAULT_VERSION = "5"


def _period(value: Any) -> Any:
    if value not in _PERIODS:
        raise invalid("not-a-period", "this is not a period", f"There are: {', '.join(_PERIODS)}")
    return _PERIODS[value]


def _zone(value: Any) -> Any:
    if value not in available_timezones():
        raise invalid("not-a-time-zone", "this is not a time zone", "Write it like Europe/Amsterdam")
    return value


class _FormFile(BaseModel):
    """Content of a file of this folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    zone: Annotated[str, BeforeValidator(_zone)]
    telegram: str
    mbus: dict[Medium, str] = {}
    mbus_period: Annotated[int, BeforeValidator(_period)] = 300
    day_tariff: int = Field(default=2, ge=1, le=2)
    keeps_normal_time: bool = False


def simulated_versions() -> tuple[str, ...]:
    """Return the versions that have a file, in the order of `VARIANTS`."""
    return tuple(key for key in VARIANTS if (_FOLDER / f"{key}.yaml").is_file())


def simulated_meter(
    version: str = DEFAULT_VERSION, seed: int = 1, scenario: Scenario | None = None, started_at: int = 0
) -> SimulatedMeter:
    """Return a simulated meter of a version.

    Args:
        version: the key of a variant.
        seed: selects the household.
        scenario: makes the household special.
        started_at: start of the simulation in unix seconds.

    Raises:
        LookupError: no meter of that version can be simulated.
        ValueError: the meter does not have what the scenario needs.
        FileError: the file of the version is invalid.

    """
    known = simulated_versions()
    if version not in known:
        hint = suggest(version, known) or f"Use one of: {', '.join(known)}"
        raise LookupError(f"there is no simulated meter of version {version!r}. {hint}")
    document = load(_FOLDER / f"{version}.yaml")
    file = validate(document, _FormFile)
    if ("{mbus}" in file.telegram) is not bool(file.mbus):
        raise FileError([document.problem(("telegram",), "mbus-incomplete", "{mbus} and mbus: need each other")])
    form = TelegramForm(
        telegram=file.telegram.rstrip("\n"),
        mbus=file.mbus,
        zone=file.zone,
        has_checksum=VARIANTS[version].has_checksum,
        keeps_normal_time=file.keeps_normal_time,
        mbus_period_s=file.mbus_period,
        day_tariff=file.day_tariff,
    )
    if scenario is Scenario.GAS_SWAP and GAS not in file.mbus:
        raise ValueError("this version has no gas meter that could be replaced")
    try:
        return SimulatedMeter(form, seed, scenario, started_at)
    except ValueError as error:
        raise FileError([document.problem(("telegram",), "invalid-form", str(error))]) from None
