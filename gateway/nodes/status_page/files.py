"""The files of the page: read in a thread of the event loop, and sent again only if they have changed.

Starlette's own endpoint for files starts threads while the gateway runs, which can wait for ever with no memory left
(`gateway/runtime/threads.py`).
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"


class Files:
    """The endpoint of all files of a folder, as they are named when the page starts."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}

    async def respond(self, request: Request) -> Response:
        """Return the file that the path names, or 304 if the client has it already; without a name, the index."""
        path = self._paths.get(request.path_params.get("name", INDEX))
        if path is None:
            raise HTTPException(404)
        content = await asyncio.to_thread(path.read_bytes)
        tag = f'"{sha256(content).hexdigest()}"'
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag})
        return Response(content, headers={"ETag": tag}, media_type=guess_type(path)[0])
