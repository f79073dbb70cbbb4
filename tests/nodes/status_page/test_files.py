"""The files of the page are those that were there when it started, also after an upgrade replaces or removes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.nodes.status_page.files import Files


def request_for(name: str, tag: str = "") -> Request:
    return Request({"type": "http", "path_params": {"name": name}, "headers": [(b"if-none-match", tag.encode())]})


async def test_files_that_change_or_disappear_are_served_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    script, texts = tmp_path / "app.js", tmp_path / "texts" / "nl.json"
    script.write_text("old")
    texts.write_text("{}")
    files = Files(tmp_path)
    script.write_text("new")
    texts.unlink()
    found = await files.respond(request_for("app.js"))
    assert (found.body, found.media_type) == (b"old", "text/javascript")
    assert (await files.respond(request_for("texts/nl.json"))).body == b"{}"
    again = await files.respond(request_for("app.js", found.headers["etag"]))
    assert (again.status_code, again.body) == (304, b"")


async def test_what_is_not_a_file_of_the_page_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "secret").write_text("x")
    with pytest.raises(HTTPException):
        await Files(tmp_path / "page").respond(request_for("../secret"))
