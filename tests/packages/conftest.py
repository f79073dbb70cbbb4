"""What takes long to make, made once for all tests of packages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.packages.image import SnapshotEncoder, need_layers
from tests.peers.harness import open_folder


@pytest.fixture(scope="session")
def image() -> Iterator[SnapshotEncoder]:
    """The image of `docker/Dockerfile`."""
    need_layers()
    with open_folder() as folder:
        image = SnapshotEncoder(ROOT / "docker" / "Dockerfile", ROOT, folder)
        image.build()
        yield image
