"""Converts a ser2net configuration to the gateway's, with a comment for each setting that is dropped or changed."""

from __future__ import annotations

import re

from gateway.files.document import FileError
from gateway.problems.problem import Place, in_order, problem_of
from gateway.ser2net.connection import Ser2netConnection
from gateway.ser2net.old_format import read_old_format
from gateway.ser2net.render import render
from gateway.ser2net.yaml_format import read_yaml_format

_IS_YAML = re.compile(r"^(?:%YAML|---|connection\s*:)", re.MULTILINE)


def convert(text: str, file: str) -> str:
    """Convert `text`, a ser2net.conf or ser2net.yaml, to a configuration of the gateway.

    Raises:
        FileError: the text is not valid, or serves no serial port over TCP.

    """
    connections, problems = read_yaml_format(text, file) if _IS_YAML.search(text) else read_old_format(text, file)
    if problems:
        raise FileError(in_order(problems))
    if not connections:
        what, hint = "the file serves no serial port over TCP", "Is it a ser2net.conf or ser2net.yaml?"
        raise FileError([problem_of("no-serial-port", what, hint, place=Place(file, 1, 1))])
    return render(connections, file)


__all__ = ["Ser2netConnection", "convert"]
