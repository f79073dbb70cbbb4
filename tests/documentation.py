"""The examples and commands of the documentation, extracted from its pages.

Three things are marked in the pages so that tests find them:

- A command is a line that is indented by four spaces, or behind `$ ` in a fence of `console`. What is indented and no
  command stands in a fence of its own instead.
- A fence of `csv` is the table of meters that the configurations of the page name.
- A fence of `yaml` is the gateway's: a configuration or a register map. What another program reads names it behind
  the language: `yaml evcc`.

A table with the heading of `REQUESTS` says the requests of clients with their responses.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
REQUESTS = "| unit | function | address | quantity | response | meaning |"

_ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s")


def pages() -> list[Path]:
    """Return every page, the README first, without the generated pages, which have tests of their own."""
    return [README, *sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "registers")]


def page_id(page: Path) -> str:
    """Return the name of a page for the ids of tests."""
    return str(page.relative_to(ROOT).with_suffix(""))


class Block(NamedTuple):
    """A fence, or lines of commands."""

    page: Path
    line: int
    """Number of its first line in the page, from 1."""
    kind: str
    """Text after the back ticks of the fence, or `commands`."""
    text: str

    @property
    def commands(self) -> list[str]:
        """Return the commands of a block; one with a backslash at the end of a line continues on the next line."""
        return self.text.replace("\\\n", " ").splitlines()

    @property
    def is_map(self) -> bool:
        """Return whether a `yaml` block is a register map."""
        return re.search(r"^registers:", self.text, re.MULTILINE) is not None


class Request(NamedTuple):
    """A row of a table of requests."""

    line: int
    unit: int
    function: int
    address: int
    quantity: int
    response: str
    """Registers in hex, or `exception` and its code."""


def blocks(page: Path) -> list[Block]:
    """Return the fences and commands of a page in their order."""
    found: list[Block] = []
    lines = page.read_text().splitlines()
    number, is_in_list = 0, False
    while number < len(lines):
        line, begun = lines[number], number + 1
        number += 1
        fence = re.fullmatch(r"(\s*)```(.*)", line)
        if fence:
            end = next(at for at in range(number, len(lines)) if lines[at].strip() == "```")
            inside = [inner.removeprefix(fence[1]) for inner in lines[number:end]]
            kind = fence[2].strip()
            if kind == "console":
                kind, inside = "commands", [inner[2:] for inner in inside if inner.startswith("$ ")]
            found.append(Block(page, begun, kind, "\n".join(inside) + "\n"))
            number = end + 1
        elif line.startswith("    ") and not is_in_list and not lines[begun - 2].strip():
            end = next((at for at in range(number, len(lines)) if not lines[at].startswith("    ")), len(lines))
            text = "\n".join(inner[4:] for inner in lines[begun - 1 : end])
            found.append(Block(page, begun, "commands", text + "\n"))
            number = end
        elif line.strip():
            is_in_list = _ITEM.match(line) is not None or (is_in_list and line.startswith(" "))
    return found


def files(page: Path) -> dict[str, str]:
    """Return the register maps and the table of meters of a page, by path.

    A map has the last path that the page names before it.
    """
    lines = page.read_text().splitlines()
    found: dict[str, str] = {}
    for block in blocks(page):
        if block.kind == "csv":
            found.setdefault("meters.csv", block.text)
        if block.kind == "yaml" and block.is_map:
            named = re.findall(r"my_maps/[\w-]+\.yaml", "\n".join(lines[: block.line]))
            if named:
                found[named[-1]] = block.text
    return found


def requests(page: Path) -> list[Request]:
    """Return the rows of the tables of requests on a page."""
    found = []
    is_inside = False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line == REQUESTS:
            is_inside = True
        elif is_inside and line.startswith("|"):
            if not line.startswith("| ---"):
                unit, function, address, quantity, answer = (cell.strip(" `") for cell in line.split("|")[1:6])
                found.append(Request(number, int(unit), int(function), int(address, 0), int(quantity), answer))
        else:
            is_inside = False
    return found
