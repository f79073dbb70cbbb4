"""The number of a start is larger than that of each earlier one, as long as the file or the clock is right."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from gateway.config import load_config, load_maps
from gateway.service import boot, fleet
from gateway.service.boot import FILE, next_boot
from gateway.service.reload import prepare
from gateway.service.wiring import Wiring

NOW = 1_790_000_000
NUMBER = NOW * boot.STEPS_PER_S


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moments = [float(NOW)]
    monkeypatch.setattr(boot, "unix_now", lambda: moments[-1])
    return moments


def test_each_start_has_a_larger_number_also_if_the_clock_was_set_back(tmp_path: Path, clock: list[float]) -> None:
    first = next_boot(tmp_path)
    assert NUMBER <= first < NUMBER + boot.STEPS_PER_S
    second = next_boot(tmp_path)
    assert second > first
    clock.append(0.0)
    third = next_boot(tmp_path)
    assert third > second
    clock.append(NOW + 100.0)
    fourth = next_boot(tmp_path)
    assert fourth >= NUMBER + 100 * boot.STEPS_PER_S
    assert (tmp_path / FILE).read_text() == f"{fourth}\n"


@pytest.mark.parametrize("moment", [0.0, float(NOW)])
def test_gateways_with_a_copied_file_and_the_same_clock_have_other_numbers(
    tmp_path: Path, clock: list[float], moment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = iter([1, 2])
    monkeypatch.setattr(secrets, "randbelow", lambda limit: next(parts) % limit)
    clock.append(moment)
    numbers = []
    for _ in range(2):
        (tmp_path / FILE).write_text(f"{NUMBER - 1}\n")
        numbers.append(next_boot(tmp_path))
    assert numbers[0] != numbers[1]


@pytest.mark.parametrize("content", [b"", b"x", b"\xff", b"9" * 31])
def test_a_file_that_holds_no_number_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    first = next_boot(tmp_path)
    assert first >= NUMBER
    assert next_boot(tmp_path) > first


@pytest.mark.parametrize("has_folder", [True, False])
def test_without_a_file_the_clock_numbers_the_start_and_the_log_says_so(
    tmp_path: Path, has_folder: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert next_boot(tmp_path / "gone" if has_folder else None) // boot.STEPS_PER_S in (NOW, NOW + 1)
    assert ("cannot be used" if has_folder else "state_dir is not set") in caplog.text


def test_a_reload_numbers_the_start_before_it_changes_the_running_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, alone = tmp_path / "gateway.yaml", "meter: {simulate: true}\nstate_dir: .\n"
    path.write_text(alone)
    config = load_config(path, {})
    wiring = Wiring(config, load_maps(config, tmp_path), tmp_path)
    path.write_text(alone + 'mqtt: {brokers: ["mqtt://a"], edge: site, publish: [telegrams]}\n')
    config = load_config(path, {})
    maps = load_maps(config, tmp_path)
    assert not (tmp_path / FILE).exists()
    prepare(wiring, lambda: (config, maps))
    assert int((tmp_path / FILE).read_text()) >= NUMBER
    monkeypatch.setattr(fleet, "next_boot", None)  # the loop would wait for the disk
    wiring._build(config, maps)
    assert any(node.name == "mqtt telegrams" for node in wiring._nodes)
