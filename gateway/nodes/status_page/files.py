"""The files of the page: read when the page starts, and sent again only if the browser has another version of them.

So an upgrade that replaces or removes files under a running gateway changes nothing until the gateway is restarted: all
files of the page, and the API that they use, are of one version.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"


class _File(NamedTuple):
    content: bytes
    tag: str
    media_type: str | None

    @classmethod
    def read(cls, path: Path) -> _File:
        """Return a file with the tag of its content."""
        content = path.read_bytes()
        return cls(content, f'"{sha256(content).hexdigest()}"', guess_type(path)[0])


@cache
def page_files() -> Files:
    """Return the files of the page, which are read once."""
    return Files(STATIC)


class Files:
    """The endpoint of all files of a folder, which are read when it is made."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _File.read(path) for path in folder.rglob("*") if path.is_file()
        }

    async def respond(self, request: Request) -> Response:
        """Return the file that the path names, or 304 if the client has it already; without a name, the index."""
        file = self._files.get(request.path_params.get("name", INDEX))
        if file is None:
            raise HTTPException(404)
        headers = {"ETag": file.tag}
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)
