"""The files of a new configuration are whole, and no file that is there is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import check_config
from gateway.tools.new_configuration import PageChoice, configuration_text, set_aside, write_configuration

METER = "meter:\n  port: /dev/ttyUSB0\n"
PAGES = [None, PageChoice(8081, None), PageChoice(8080, Path("a file: with 'quotes'"))]


@pytest.mark.parametrize("page", PAGES, ids=["none", "here", "network"])
def test_each_text_is_a_valid_configuration(tmp_path: Path, page: PageChoice | None) -> None:
    path = tmp_path / "gateway.yaml"
    write_configuration(path, configuration_text("gateway.yaml", METER, 5020, page))
    config, _ = check_config(path, {}).valid()
    shown = config.status_page
    assert (shown is None) is (page is None)
    if page and shown:
        assert (shown.listen.port, shown.password_file) == (page.port, page.password_file)


def test_a_configuration_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("first\n")
    with pytest.raises(FileExistsError):
        write_configuration(path, METER)
    assert path.read_text() == "first\n"
    assert [each.name for each in tmp_path.iterdir()] == ["gateway.yaml"]


def test_each_former_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    names = []
    for number in range(3):
        path.write_text(f"{number}\n")
        names.append(set_aside(path).name)
    assert names == ["gateway.yaml.old", "gateway.yaml.old1", "gateway.yaml.old2"]
    assert (tmp_path / "gateway.yaml.old1").read_text() == "1\n"
