"""Follows a Dockerfile without a Docker engine.

Each stage writes into a layer of its own above this machine's files.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.conftest import program

EXTRAS = {"mdns"}
"""Of the project, in the image and in the Debian package."""
RUN_TIMEOUT_S = 240
CANNOT_MOUNT = 200
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = {**os.environ, "PATH": SYSTEM_PATH}
"""Programs of the system alone, as an image has them."""
HAS_PYTHON = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"


@dataclass
class Stage:
    """A stage, and where what it wrote lies."""

    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)
    layer: Path = Path()

    def all(self, instruction: str) -> list[str]:
        """The arguments of each such instruction."""
        return [arguments for name, arguments in self.instructions if name == instruction]

    def one(self, instruction: str) -> str:
        """The arguments of the only such instruction."""
        (arguments,) = self.all(instruction)
        return arguments


def read_dockerfile(path: Path) -> list[Stage]:
    """Its stages; the last one is the image."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        instruction, _, arguments = line.partition(" ")
        if instruction == "FROM":
            stages.append(Stage(arguments.partition(" AS ")[2] or str(len(stages))))
        elif line and stages:
            stages[-1].instructions.append((instruction, arguments))
    return stages


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether a .dockerignore of that form keeps it out: the last pattern that fits it or a folder above it decides."""
    verdict = False
    for pattern in patterns:
        keeps, glob = pattern.startswith("!"), pattern.removeprefix("!")
        parts = path.split("/")
        heads = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        if glob.startswith("**/"):
            fits = glob.removeprefix("**/") in parts
        else:
            fits = any(fnmatch.fnmatch(head, glob) and head.count("/") == glob.count("/") for head in heads)
        verdict = not keeps if fits else verdict
    return verdict


def layered(layer: Path, command: Sequence[str], *, is_read_only: bool = False) -> list[str]:
    """What runs a command with this machine's files as its root, where all that it writes goes into `layer` instead.

    The root may be read-only but for /tmp.
    """
    root, work = layer.with_name(f"{layer.name}.root"), layer.with_name(f"{layer.name}.work")
    for folder in (layer, root, work):
        folder.mkdir(parents=True, exist_ok=True)
    steps = [
        f"mount -t overlay overlay -o lowerdir=/,upperdir={layer},workdir={work} {root} || exit {CANNOT_MOUNT}",
        f"mount -t proc proc {root}/proc",
        f"mount --rbind /dev {root}/dev",
    ]
    if is_read_only:
        steps += [f"mount -t tmpfs tmpfs {root}/tmp", f"mount -o remount,ro,bind {root}"]
    return ["unshare", "--mount", "sh", "-c", "; ".join([*steps, f"exec chroot {root} {shlex.join(command)}"])]


WITHOUT_CABLE = ("env", "DSMR_GATEWAY_METER__SIMULATE=true")
"""Before a command to which the configuration of a cable must be right where there is none."""


def run_layered(layer: Path, command: Sequence[str]) -> str:
    """Run such a command, which must succeed; what it prints."""
    result = subprocess.run(
        layered(layer, command), env=SYSTEM, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )
    if result.returncode == CANNOT_MOUNT:
        pytest.skip(f"no layer can be mounted here: {result.stderr}")
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def need_layers() -> None:
    """Skip the test where nothing can be layered, or the system's own Python cannot make environments."""
    if os.geteuid():
        pytest.skip("only root can mount a layer")
    program("unshare")
    need_system_python()


def need_system_python() -> None:
    """Skip the test where the system's own Python cannot make environments."""
    result = subprocess.run(["python3", "-c", HAS_PYTHON], env=SYSTEM, capture_output=True, check=False)
    if result.returncode:
        pytest.skip("the system's Python is older than 3.11 or has no ensurepip; try: apt install python3-venv")


class SnapshotEncoder:
    """An image that is being made."""

    def __init__(self, dockerfile: Path, context: Path, folder: Path) -> None:
        """Prepare.

        Args:
            dockerfile: what to follow.
            context: what `COPY` copies from.
            folder: where the layers lie.

        """
        self.stages = read_dockerfile(dockerfile)
        self.context = folder / "context"
        """What an engine would be sent."""
        self._folder = folder
        ignored = dockerfile.with_name("Dockerfile.dockerignore")
        patterns = ignored.read_text().split() if ignored.exists() else []
        for path in context.rglob("*"):
            name = path.relative_to(context).as_posix()
            if not is_ignored(name, patterns) and path.is_file():
                target = self.context / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)

    @property
    def final(self) -> Stage:
        """The image."""
        return self.stages[-1]

    def layer_of(self, name: str) -> Path:
        """What the stage of that name wrote."""
        (layer,) = [stage.layer for stage in self.stages if stage.name == name]
        return layer

    def build(self, made: Mapping[str, Path] = MappingProxyType({})) -> None:
        """Follow every instruction that makes files; `made` are layers of stages that stand already."""
        for stage in self.stages:
            if stage.name in made:
                stage.layer = made[stage.name]
                continue
            stage.layer = self._folder / stage.name
            stage.layer.mkdir()
            for instruction, arguments in stage.instructions:
                if instruction == "COPY":
                    self._copy(stage, arguments)
                elif instruction == "RUN":
                    run_layered(stage.layer, ["/bin/sh", "-c", arguments])

    def _copy(self, stage: Stage, arguments: str) -> None:
        *sources, target = shlex.split(arguments)
        origin = self.context
        if sources[0].startswith("--from="):
            origin, sources = self.layer_of(sources[0].removeprefix("--from=")), sources[1:]
        for name in sources:
            source = origin / name.strip("/")
            if source.is_dir():
                shutil.copytree(source, stage.layer / target.strip("/"), symlinks=True, dirs_exist_ok=True)
            else:
                (stage.layer / target.strip("/")).mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, stage.layer / target.strip("/"))

    def as_user(self, command: Sequence[str]) -> list[str]:
        """What runs a command in the image as an engine would: its user and variables, no rights, a read-only root.

        An image that names no user runs as root, who may become another one.
        """
        user, _, group = next(iter(self.final.all("USER")), "0:0").partition(":")
        rights = "-all,+setuid,+setgid" if user == "0" else "-all"
        return layered(
            self.final.layer,
            [
                *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"),
                *("--inh-caps=-all", f"--bounding-set={rights}", "--", *self._variables()),
                *("sh", "-c", 'cd "$0" && exec "$@"', self.final.one("WORKDIR"), *command),
            ],
            is_read_only=True,
        )

    def inside(self, pid: int, command: Sequence[str]) -> list[str]:
        """What runs a command beside the process `pid` of the running image, as an engine's `exec` would."""
        user, _, group = next(iter(self.final.all("USER")), "0:0").partition(":")
        return [
            *("nsenter", f"--target={pid}", "--mount", "--root", "--wd"),
            *(f"--setuid={user}", f"--setgid={group}", *self._variables(), *command),
        ]

    def _variables(self) -> list[str]:
        variables = shlex.split(self.final.one("ENV"))
        return ["env", "-i", *(each.replace("$PATH", SYSTEM_PATH) for each in variables)]

    def entry_point(self) -> list[str]:
        """The program of the image."""
        return list(json.loads(self.final.one("ENTRYPOINT")))
