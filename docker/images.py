"""Pins the base image of the Dockerfiles by digest.

    python3 docker/images.py           write the digest that the tag has now
    python3 docker/images.py --check   check that the pinned image exists, for every architecture of the packages

The digest is that of the index of all architectures. It is computed from the content that the registry sends.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

DOCKER = Path(__file__).resolve().parent
DOCKERFILES = (DOCKER / "Dockerfile", DOCKER / "home-assistant" / "Dockerfile")
REPOSITORY = "library/python"
REGISTRY = os.environ.get("IMAGE_REGISTRY", "https://registry-1.docker.io")
TOKENS = os.environ.get("IMAGE_TOKENS", "https://auth.docker.io/token?service=registry.docker.io")
PLATFORMS = {"linux/amd64", "linux/arm64", "linux/arm/v7"}
INDEX_TYPES = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
PINNED = re.compile(r"^(ARG PYTHON=)([\w.-]+)@(sha256:[0-9a-f]{64})$", re.MULTILINE)
TIMEOUT_S = 30


class Index(NamedTuple):
    """The index of an image."""

    digest: str
    platforms: set[str]


def pinned() -> tuple[str, str]:
    """Return the tag and the digest of the Dockerfiles, which must be the same in all of them."""
    found = {match for path in DOCKERFILES for match in PINNED.findall(path.read_text())}
    if len(found) != 1 or not all(PINNED.search(path.read_text()) for path in DOCKERFILES):
        sys.exit("The Dockerfiles do not pin the same image: write ARG PYTHON=TAG@sha256:DIGEST in each of them.")
    ((_, tag, digest),) = found
    return tag, digest


def fetch(reference: str) -> Index:
    """Return the index with this tag or digest from the registry."""
    with urlopen(f"{TOKENS}&scope=repository:{REPOSITORY}:pull", timeout=TIMEOUT_S) as response:
        token = json.load(response)["token"]
    headers = {"Authorization": f"Bearer {token}", "Accept": INDEX_TYPES}
    request = Request(f"{REGISTRY}/v2/{REPOSITORY}/manifests/{reference}", headers=headers)
    with urlopen(request, timeout=TIMEOUT_S) as response:
        content = response.read()
    platforms = set()
    for manifest in json.loads(content).get("manifests", ()):
        platform = manifest.get("platform", {})
        parts = (platform.get(key) for key in ("os", "architecture", "variant"))
        platforms.add("/".join(part for part in parts if part).replace("arm64/v8", "arm64"))
    return Index(f"sha256:{hashlib.sha256(content).hexdigest()}", platforms)


def main(arguments: list[str]) -> None:
    """Check the digest, or write the newest one."""
    tag, digest = pinned()
    wanted = digest if arguments == ["--check"] else tag
    try:
        index = fetch(wanted)
    except HTTPError as error:
        sys.exit(f"The registry has no python:{wanted} (HTTP {error.code}). To pin the newest one: make images")
    missing = PLATFORMS - index.platforms
    if missing:
        sys.exit(f"python:{wanted} is not available for {', '.join(sorted(missing))}.")
    if wanted == digest:
        if index.digest != digest:
            sys.exit(f"The content of python:{digest} does not have this digest, but {index.digest}.")
        print(f"python:{tag}@{digest} is available for every architecture.")
    elif index.digest == digest:
        print("The digest is the newest one.")
    else:
        for path in DOCKERFILES:
            path.write_text(PINNED.sub(rf"\1\2@{index.digest}", path.read_text()))
        print(f"python:{tag} moved from {digest} to {index.digest}.")


if __name__ == "__main__":
    main(sys.argv[1:])
