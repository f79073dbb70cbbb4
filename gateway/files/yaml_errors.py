"""Texts for the errors of the YAML parser: what is wrong, and what to do. Nothing of the file is quoted."""

from __future__ import annotations

import yaml

from gateway.files.indentation import indentation_mistake
from gateway.problems.problem import Place, Problem, problem_of
from gateway.problems.quoting import quoted

_INDENT = "Indent it like the lines that it belongs to, and put a text with a colon in quotes"
_MAY_BE_INDENTATION = ("mapping values are not allowed", "did not find expected key", "did not find expected '-'")
"""Phrases of the parser for a line that is indented wrongly, among other errors."""
_SYNTAX = {
    "mapping values are not allowed": ("a colon is not allowed here", "Put a text with a colon in quotes"),
    "did not find expected key": ("a key is expected here", _INDENT),
    "did not find expected '-'": ("an item of a list is expected here", _INDENT),
    "could not find expected ':'": ("a key without a colon", "Write a colon and a space after the key"),
    "did not find expected ','": ("a comma or a bracket is missing", "Close the bracket of line {opened}"),
    "unexpected end of stream": ("a quote is not closed", "Close the quote of line {opened}"),
    "node content": ("a value is expected here", "Add the missing value, or the closing bracket"),
    "cannot start any token": ("no text can begin with this character", "Put the text in quotes"),
    "another document": ("a second document begins here", "Remove the line ---"),
}
"""Phrase of the parser → what is wrong, and what to do. PyYAML gives no other sign of the kind of error."""
_INVALID = "this is not valid YAML"
"""For an error without a text of ours: the parser's own may quote the file."""
TOO_DEEP, TOO_DEEP_TEXT = "nested-too-deeply", "nested too deeply"


def syntax_problem(name: str, text: str, error: yaml.YAMLError) -> Problem:
    """Return the problem of an error of the parser."""
    mark = getattr(error, "problem_mark", None)
    found = getattr(error, "problem", None) or str(error)
    if isinstance(error, yaml.reader.ReaderError):
        # The parser in C counts bytes, so the character is looked for here.
        at = text.find(chr(error.character))
        place = Place(name, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        what = f"the character {quoted(chr(error.character))} is not allowed"
        return problem_of("character-not-allowed", what, place=place)
    if mark is None:
        return problem_of("yaml-syntax", _INVALID, place=Place(name, 1, 1), short="not valid YAML")
    place = Place(name, mark.line + 1, mark.column + 1)
    if "nesting depth" in found:  # newer parsers in C have a limit of their own
        return problem_of(TOO_DEEP, TOO_DEEP_TEXT, place=place)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    has_tab = "\t" in line[: len(line) - len(line.lstrip())]
    may_be_indentation = has_tab or any(phrase in found for phrase in _MAY_BE_INDENTATION)
    if mistake := indentation_mistake(lines, mark.line) if line and may_be_indentation else None:
        what, hint = mistake
        place = Place(name, mark.line + 1, len(line) - len(line.lstrip(" ")) + 1)
    elif line[mark.column : mark.column + 1] in ("]", "}"):
        what, hint = "no bracket of this kind is open here", "Remove it, or add the one that opens it"
    else:
        opened = getattr(error, "context_mark", None) or mark
        what, hint = next((texts for phrase, texts in _SYNTAX.items() if phrase in found), (_INVALID, ""))
        hint = hint.format(opened=opened.line + 1)
    return problem_of("yaml-syntax", what, hint, place=place, short="not valid YAML")
