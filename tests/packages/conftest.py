"""What takes long to make, made once for all tests of packages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.packages.image import Image, need_layers
from tests.peers.harness import open_folder


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image of `docker/Dockerfile`."""
    need_layers()
    with open_folder() as folder:
        image = Image(ROOT / "docker" / "Dockerfile", ROOT, folder)
        image.build()
        yield image
