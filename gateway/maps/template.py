"""Compile the value of a string register: a text with the names of text readings in braces.

`{equipment_identifier}` stands for the whole reading, `{equipment_identifier:-14}` for its last 14 characters. The text
is absent while one of its readings is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.problems.quoting import quoted
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.expression import Evaluate

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(?::-([1-9][0-9]{0,2}))?\}")
"""Pattern of a text reading in braces, with the number of its last characters."""


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
    names = frozenset(match[1] for match in _PLACEHOLDER.finditer(text))

    def fill(values: Mapping[str, Value]) -> Value | None:
        if not names <= values.keys():
            return None
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]])[-int(match[2] or 0) :], text)

    return Template(names, fill)
