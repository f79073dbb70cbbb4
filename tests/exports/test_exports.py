"""An export gives a client the values that the gateway serves: each is read by the rules of its program."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.exports import FORMATS, ExportedUnit, ExportError, Target, export
from gateway.maps.load import map_names
from tests.exports.bench import ALL_SORTS
from tests.exports.readers import READERS
from tests.maps.serving import loaded_map


@pytest.mark.parametrize("name", map_names())
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "evcc"])
def test_every_map_can_be_exported(name: str, form: str) -> None:
    register_map = loaded_map(map_names()[name])
    text = export(form, [ExportedUnit(register_map, Target("192.0.2.1", 502, 1))])
    assert "192.0.2.1" in text
    if form in READERS:
        assert list(READERS[form](text))


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_takes_the_unit_id_of_the_map_unless_given(form: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(ALL_SORTS.replace("title", "unit_id: 247\ntitle").replace("kilowatts", "kw"))
    own = str(tmp_path / "own.yaml")

    def run(*arguments: str) -> str:
        command = ["export", form, "--map", own, "--host", "plc.example", *arguments]
        return CliRunner().invoke(main, command, catch_exceptions=False).stdout

    assert "247" in run()
    assert "247" not in run("--unit", "5")
    assert "plc.example" in run()


@pytest.mark.parametrize(
    ("form", "transport"),
    [
        (form, transport)
        for form in FORMATS
        for transport in ("tls", "serial")
        if transport not in FORMATS[form].transports
    ],
)
def test_a_server_that_the_program_cannot_reach_is_refused(form: str, transport: str) -> None:
    unit = ExportedUnit(loaded_map(map_names()["dsmr"]), Target("h", 502, 1, transport))
    with pytest.raises(ExportError, match=f"cannot read dsmr, unit 1, h.* over {transport}"):
        export(form, [unit])
