"""The base image of the Dockerfiles is pinned by digest, and the digest moves with `make images`.

The registry is a server of this test; the pinned digest itself is checked by CI, which reaches the real one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import ROOT

DOCKER = ROOT / "docker"
DOCKERFILES = ["Dockerfile", "home-assistant/Dockerfile"]
ALL = ["amd64", "arm64/v8", "arm/v7", "s390x"]
TAG = "3.13-slim-trixie"


def index_of(platforms: Sequence[str]) -> bytes:
    """Return the index of an image for these architectures."""
    manifests = []
    for platform in platforms:
        architecture, _, variant = platform.partition("/")
        described = {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
        manifests.append({"digest": f"sha256:{'0' * 64}", "platform": described})
    return json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Registry:
    """A registry with one repository; `contents` are its indexes by tag and digest."""

    def __init__(self) -> None:
        contents = self.contents = dict[str, bytes]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/token"):
                    self._send(b'{"token": "secret"}')
                elif self.headers["Authorization"] != "Bearer secret":
                    self.send_error(401)
                elif content := contents.get(self.path.removeprefix("/v2/library/python/manifests/")):
                    self._send(content)
                else:
                    self.send_error(404)

            def _send(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def push(self, tag: str, content: bytes) -> str:
        """Let the tag have this content; return its digest."""
        self.contents[tag] = self.contents[digest_of(content)] = content
        return digest_of(content)


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()
    thread = Thread(target=registry.server.serve_forever)
    thread.start()
    yield registry
    registry.server.shutdown()
    thread.join()
    registry.server.server_close()


class Copy:
    """A copy of the Dockerfiles and the program."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        (folder / "home-assistant").mkdir()
        for name in ("images.py", *DOCKERFILES):
            shutil.copy(DOCKER / name, folder / name)
        url = f"http://127.0.0.1:{registry.server.server_port}"
        self._variables = {"IMAGE_REGISTRY": url, "IMAGE_TOKENS": f"{url}/token?service=test"}

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the program; return its exit code and what it prints."""
        command = [sys.executable, self.folder / "images.py", *arguments]
        result = subprocess.run(
            command, env={**os.environ, **self._variables}, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in result.stderr
        return result.returncode, result.stdout + result.stderr

    def pins(self) -> set[str]:
        """Return the images of the Dockerfiles."""
        texts = [(self.folder / name).read_text() for name in DOCKERFILES]
        return {match for text in texts for match in re.findall(r"^ARG PYTHON=(.*)$", text, re.MULTILINE)}


@pytest.fixture
def copy(tmp_path: Path, registry: Registry) -> Copy:
    return Copy(tmp_path, registry)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_image_that_a_dockerfile_uses_is_pinned_by_digest(name: str) -> None:
    text = (DOCKER / name).read_text()
    assert re.findall(r"^ARG PYTHON=(\S+)@sha256:[0-9a-f]{64}$", text, re.MULTILINE) == [TAG]
    used = {words.split()[-3 if " AS " in words else -1] for words in re.findall(r"^FROM (.*)$", text, re.MULTILINE)}
    assert used == {"python:${PYTHON}"}
    # A frontend of BuildKit would be an image too.
    assert "syntax=" not in text


def test_the_digest_moves_to_that_of_the_tag(copy: Copy, registry: Registry) -> None:
    digest = registry.push(TAG, index_of(ALL))
    code, printed = copy.run()
    assert code == 0, printed
    assert f"to {digest}" in printed
    assert copy.pins() == {f"{TAG}@{digest}"}
    assert copy.run() == (0, "The digest is the newest one.\n")
    code, printed = copy.run("--check")
    assert (code, "is available for every architecture" in printed) == (0, True)


def test_a_digest_that_the_registry_does_not_have_fails_the_check(copy: Copy) -> None:
    code, printed = copy.run("--check")
    assert code == 1
    assert "HTTP 404" in printed
    assert "make images" in printed


def test_an_image_without_one_of_the_architectures_is_not_pinned(copy: Copy, registry: Registry) -> None:
    before = copy.pins()
    registry.push(TAG, index_of(["amd64", "arm64/v8"]))
    code, printed = copy.run()
    assert code == 1
    assert "not available for linux/arm/v7" in printed
    assert copy.pins() == before


def test_content_of_another_digest_fails_the_check(copy: Copy, registry: Registry) -> None:
    (pin,) = copy.pins()
    registry.contents[pin.partition("@")[2]] = index_of(ALL)
    code, printed = copy.run("--check")
    assert code == 1
    assert "does not have this digest" in printed


def test_ci_checks_the_pinned_image() -> None:
    workflow = ROOT / ".github" / "workflows" / "tests.yaml"
    if not workflow.exists():
        pytest.skip("an sdist is without workflows")
    assert "run: python3 docker/images.py --check" in workflow.read_text()
