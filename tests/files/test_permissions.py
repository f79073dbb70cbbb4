"""A file that this program may not read: the problem names the file, the user, and the command that gives the right."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.files.regular_file import read_regular_file
from gateway.problems.problem import Problem, ProblemError

NOBODY = 65_534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextmanager
def file_of_root() -> Iterator[Path]:
    """Yield a file in a folder that all users may enter."""
    with tempfile.TemporaryDirectory(prefix="dsmr-gateway-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "a key")
        path.touch(0o600)
        yield path


def problem_for_nobody(path: Path) -> Problem:
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(ProblemError) as error:
            read_regular_file(path, 10)
    finally:
        os.seteuid(0)
        os.setegid(0)
    return error.value.problem


def test_a_file_of_another_user_is_given_to_the_group_of_this_program() -> None:
    with file_of_root() as path:
        path.chmod(0o620)
        problem = problem_for_nobody(path)
        assert problem.what == "the user of this program (nobody) may not read it"
        command = problem.hint.removeprefix("As root, run: ")
        assert command == f"chgrp nogroup '{path}' && chmod g+r,g-w '{path}'"
        assert os.system(command) == 0
        assert path.stat().st_mode & 0o777 == 0o640
        assert path.stat().st_gid == NOBODY


def test_a_file_of_this_user_or_group_only_needs_the_right() -> None:
    with file_of_root() as path:
        os.chown(path, NOBODY, 0)
        path.chmod(0)
        assert problem_for_nobody(path).hint == f"As root, run: chmod u+r '{path}'"
        os.chown(path, 0, NOBODY)
        assert problem_for_nobody(path).hint == f"As root, run: chmod g+r '{path}'"


def test_a_folder_that_must_not_be_entered_is_named() -> None:
    with file_of_root() as path:
        path.parent.chmod(0o700)
        problem = problem_for_nobody(path)
        assert problem.what.endswith(f"may not read it, because it may not enter the folder {path.parent}")
        assert problem.hint == f"As root, run: chgrp nogroup {path.parent} && chmod g+x {path.parent}"


def test_a_user_and_a_group_without_a_name_are_shown_by_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name(_id: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", no_name)
    monkeypatch.setattr("grp.getgrgid", no_name)
    with file_of_root() as path:
        problem = problem_for_nobody(path)
        assert "(user id 65534)" in problem.what
        assert f"chgrp 65534 '{path}'" in problem.hint
