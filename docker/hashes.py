"""Adds the pinned hashes of the libraries to a bill of materials in CycloneDX JSON.

python3 docker/hashes.py docker/requirements.txt dist/dsmr-gateway.cdx.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PINNED = re.compile(r"^([\w.-]+)==([^\s;]+)((?:.*\\\n\s+--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def normalized(name: str) -> str:
    """Return the name of a library as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def add_hashes(requirements: Path, bill_of_materials: Path) -> None:
    """Write into the bill the hashes of all files of each library that pip accepts."""
    pins = {(normalized(name), version): hashes for name, version, hashes in PINNED.findall(requirements.read_text())}
    bill = json.loads(bill_of_materials.read_text())
    for component in bill["components"]:
        name, version = normalized(component["name"]), component["version"]
        if (name, version) not in pins:
            sys.exit(f"{name} {version} is not pinned in {requirements}: run make pins")
        found = re.findall("sha256:([0-9a-f]{64})", pins[name, version])
        hashes = [{"alg": "SHA-256", "content": each} for each in found]
        url = f"https://pypi.org/project/{name}/{version}/"
        component.setdefault("externalReferences", []).append({"type": "distribution", "url": url, "hashes": hashes})
    bill_of_materials.write_text(json.dumps(bill, indent=2) + "\n")


if __name__ == "__main__":
    add_hashes(Path(sys.argv[1]), Path(sys.argv[2]))
