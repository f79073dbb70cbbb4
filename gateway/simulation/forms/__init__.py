"""The meters that can be simulated: one file for each version and country, named as in `variants.VARIANTS`.

A file reads like a telegram of such a meter. `{name}` stands for a value, `{name:000.000*kWh}` for one with
so many digits in that unit, `{name:hex}` for a text in hexadecimal; `{mbus}` is the line where the lines of
the M-Bus meters stand, each on the next `{channel}`. `day_tariff` says which tariff is the day's, and
`keeps_normal_time` that the meter knows no summer time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.files.validation import suggest, validate
from gateway.files.yaml_file import FileError, load
from gateway.protocol.p1.variants import VARIANTS
from gateway.simulation.household import Scenario
from gateway.simulation.meter import GAS, Medium, SimulatedMeter, TelegramForm

_FOLDER = Path(__file__).parent
_PERIODS = {"10s": 10, "5m": 300, "1h": 3600}
DEFAULT_VERSION = "5"


def _period(value: Any) -> Any:
    if value not in _PERIODS:
        raise ValueError(f"is no period | There are: {', '.join(_PERIODS)}")
    return _PERIODS[value]


def _zone(value: Any) -> Any:
    if value not in available_timezones():
        raise ValueError("is no time zone | Write it like Europe/Amsterdam")
    return value


class _FormFile(BaseModel):
    """A file of this folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    zone: Annotated[str, BeforeValidator(_zone)]
    telegram: str
    mbus: dict[Medium, str] = {}
    mbus_period: Annotated[int, BeforeValidator(_period)] = 300
    day_tariff: int = Field(default=2, ge=1, le=2)
    keeps_normal_time: bool = False


def simulated_versions() -> tuple[str, ...]:
    """The versions of which there is a file, in the order of `VARIANTS`."""
    return tuple(key for key in VARIANTS if (_FOLDER / f"{key}.yaml").is_file())


def simulated_meter(
    version: str = DEFAULT_VERSION, seed: int = 1, scenario: Scenario | None = None, started_at: int = 0
) -> SimulatedMeter:
    """A simulated meter of a version.

    Raises:
        LookupError: there is none of that version.
        ValueError: the scenario does not go with it.
        FileError: its file is broken.

    """
    known = simulated_versions()
    if version not in known:
        hint = suggest(version, known) or f"There are: {', '.join(known)}"
        raise LookupError(f"there is no simulated meter of version {version!r}. {hint}")
    document = load(_FOLDER / f"{version}.yaml")
    file = validate(document, _FormFile)
    if ("{mbus}" in file.telegram) is not bool(file.mbus):
        raise FileError([document.fault(("telegram",), "{mbus} and mbus: go together")])
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
        raise ValueError("such a meter has no gas meter that could be exchanged")
    try:
        return SimulatedMeter(form, seed, scenario, started_at)
    except ValueError as error:
        what, _, hint = str(error).partition(" | ")
        raise FileError([document.fault(("telegram",), what, hint)]) from None
