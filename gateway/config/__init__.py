"""The configuration: from a strict YAML file to validated settings, or to every problem with its place in the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.defaults import apply_defaults
from gateway.config.environment import is_overridden, override
from gateway.config.maps import Maps, load_maps, map_of, read_maps
from gateway.config.references import ABOUT_METERS, check_references
from gateway.config.root import Config
from gateway.config.salvage import is_lost, salvage_config
from gateway.config.status_page import StatusPageConfig
from gateway.files.document import Document, FileError
from gateway.files.validation import validate
from gateway.files.yaml_file import is_there, load
from gateway.problems.problem import Problem, in_order

__all__ = [
    "CheckedConfig",
    "Config",
    "Maps",
    "check_config",
    "load_config",
    "load_maps",
    "load_status_page",
    "map_of",
    "read_document",
]


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """A configuration with its register maps, and all problems of both."""

    document: Document
    config: Config
    """The settings, with defaults in place of what is not valid."""
    maps: Maps
    problems: list[Problem]
    """In the order of their places; empty when the configuration is valid."""

    def valid(self) -> tuple[Config, Maps]:
        """Return the configuration and its maps.

        Raises:
            FileError: there are problems; it carries all of them.

        """
        if self.problems:
            raise FileError(self.problems)
        return self.config, self.maps


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration. The environment's values override the file's, and can replace the whole file.

    Raises:
        FileError: the configuration or its maps have problems; it carries all of them.

    """
    return check_config(path, environment).valid()[0]


def check_config(path: Path, environment: Mapping[str, str] = os.environ) -> CheckedConfig:
    """Read a configuration and its register maps, and find all problems of all stages.

    Raises:
        FileError: the file cannot be read or is not YAML.

    """
    problems: list[Problem] = []
    document = Document(str(path))
    if is_there(path) or not is_overridden(environment):
        try:
            document = load(path)
        except FileError as error:
            if error.document is None:
                raise
            document, problems = error.document, error.problems
    problems += override(document, environment)
    broken = {problem.place for problem in problems}
    of_table = _expand(document, path)
    salvaged = salvage_config(document)
    maps, map_problems = read_maps(document, salvaged.config, path.parent)
    references = check_references(document, salvaged.config, salvaged.lost) + map_problems
    # A default that stands in for an invalid value has no problems of its own.
    lost = {document.place(loc) for loc in salvaged.lost}
    if of_table:  # a meter may be in a row that cannot be read
        references = [problem for problem in references if problem.code not in ABOUT_METERS]
    problems += of_table
    problems += [problem for problem in salvaged.problems if problem.place not in broken]
    problems += [problem for problem in references if not is_lost(problem.place, broken | lost)]
    return CheckedConfig(document, salvaged.config, maps, in_order(problems))


def _expand(document: Document, path: Path) -> list[Problem]:
    """Write the rows of `meters_file:` and the values of `defaults:` into a configuration; return what prevents it."""
    if not isinstance(document.data, dict):
        return []
    problems: list[Problem] = []
    if document.data.get("meters_file") is not None:
        from gateway.config.meters_file import add_meters_file  # noqa: PLC0415 - only where there is one

        problems = add_meters_file(document, path)
    if document.data.get("defaults") is not None:
        apply_defaults(document.data)
    return problems


def load_status_page(path: Path, environment: Mapping[str, str] = os.environ) -> StatusPageConfig | None:
    """Return the settings of the status page, whatever is wrong with the rest; None where they are not valid."""
    document = _with_environment(path, environment)
    section = document.data.get("status_page") if isinstance(document.data, dict) else None
    try:
        return None if section is None else validate(Document(str(path), section), StatusPageConfig)
    except FileError:
        return None


def read_document(path: Path, environment: Mapping[str, str] = os.environ) -> Document:
    """Return the file with the environment's values and the rows of its table, to find the place of a key."""
    document = _with_environment(path, environment)
    _expand(document, path)
    return document


def _with_environment(path: Path, environment: Mapping[str, str]) -> Document:
    """Return the file with the environment's values, whatever is wrong with it."""
    try:
        document = load(path)
    except FileError as error:
        document = error.document or Document(str(path))
    override(document, environment)
    return document
