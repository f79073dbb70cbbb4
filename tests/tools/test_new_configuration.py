"""The files of a new configuration are whole, and no file that is there is lost."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.config import check_config
from gateway.tools.new_configuration import (
    PageChoice,
    configuration_text,
    make_folder,
    set_aside,
    write_configuration,
)

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


def test_everybody_can_read_a_configuration_and_enter_its_new_folder_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "gateway.yaml"
    before = os.umask(0o077)
    try:
        make_folder(path.parent)
        write_configuration(path, METER)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o755, 0o644]
    path.parent.chmod(0o750)
    make_folder(path.parent)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750, "the rights of a folder that was there stay"


def test_a_former_file_stays_in_its_place_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    write_configuration(path, "first\n")
    (tmp_path / "gateway.yaml.new").mkdir()  # as on a full disk, where the new text cannot be written
    with pytest.raises(IsADirectoryError):
        write_configuration(path, "second\n", is_replacing=True)
    assert path.read_text() == "first\n"
    (tmp_path / "gateway.yaml.new").rmdir()
    assert write_configuration(path, "second\n", is_replacing=True) == tmp_path / "gateway.yaml.old"
    assert (path.read_text(), (tmp_path / "gateway.yaml.old").read_text()) == ("second\n", "first\n")


def test_each_former_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    names = []
    for number in range(3):
        path.write_text(f"{number}\n")
        names.append(set_aside(path).name)
    assert names == ["gateway.yaml.old", "gateway.yaml.old1", "gateway.yaml.old2"]
    assert (tmp_path / "gateway.yaml.old1").read_text() == "1\n"
