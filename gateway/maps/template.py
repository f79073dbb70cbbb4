"""Compile the value of a string register: a text with the names of text readings in braces.

`{equipment_identifier}` stands for the whole reading, `{equipment_identifier:-14}` for its last 14 characters.
`{equipment_identifier|identification}` stands for the first of these readings that the meter sends. The text is absent
while nothing can replace one of its braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.problems.quoting import quoted
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.expression import Evaluate

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\|[a-z][a-z0-9_]*)*)(?::-([1-9][0-9]{0,2}))?\}")
"""Pattern of text readings in braces, separated by `|`, with the number of the last characters."""


class TemplateError(ValueError):
    """A text with braces that are not for the name of a reading."""


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text."""

    names: frozenset[str]
    """Names of the readings in it."""
    evaluate: Evaluate


def compile_template(text: str) -> Template:
    """Compile a text.

    Raises:
        TemplateError: it has other braces than those of readings.

    """
    if re.search("[{}]", _PLACEHOLDER.sub("", text)):
        raise TemplateError(f"braces are for the name of a reading, and {quoted(text)} has others")
    placeholders = [match[1].split("|") for match in _PLACEHOLDER.finditer(text)]

    def fill(values: Mapping[str, Value]) -> Value | None:
        if not all(any(name in values for name in names) for names in placeholders):
            return None
        return _PLACEHOLDER.sub(lambda match: _first(match[1], values)[-int(match[2] or 0) :], text)

    return Template(frozenset(name for names in placeholders for name in names), fill)


def _first(names: str, values: Mapping[str, Value]) -> str:
    return next(str(values[name]) for name in names.split("|") if name in values)
