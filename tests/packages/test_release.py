"""What a release is made of: its tag, its notes, the same bytes from each build, and the workflow that publishes it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
IN_THE_WHEEL = ("gateway", "register_maps")
RELEASE = WORKFLOWS / "release.yaml"
PINNED_ACTION = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
OWN_WORKFLOW = re.compile(r"\./\.github/workflows/\w+\.yaml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that name a version, ready for the release of 1.2.3."""
    (tmp_path / "docker/home-assistant").mkdir(parents=True)
    shutil.copy(ROOT / "docker/release.py", tmp_path / "docker")
    (tmp_path / "docker/home-assistant/config.yaml").write_text('name: App\nversion: "1.2.3"\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 1.2.3 (2026-11-30)\n\n- New.\n\n## 1.2.2 (2026-01-01)\n\n- Old.\n"
    )
    return tmp_path


def check(project: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """Run the check of a tag."""
    command = [sys.executable, "docker/release.py", tag]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_a_tag_that_fits_gives_the_notes_of_its_version_alone(project: Path) -> None:
    result = check(project, "v1.2.3")
    assert (result.returncode, result.stdout) == (0, "- New.\n")


def test_all_files_that_do_not_name_the_version_are_reported_at_once(project: Path) -> None:
    result = check(project, "v1.3.0")
    assert result.returncode == 1
    assert [line.partition(":")[0] for line in result.stderr.splitlines()[1:]] == [
        "pyproject.toml",
        "docker/home-assistant/config.yaml",
        "CHANGELOG.md",
    ]


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-4", "latest"])
def test_another_name_is_not_a_tag_of_a_release(project: Path, tag: str) -> None:
    result = check(project, tag)
    assert result.returncode == 1
    assert "has to look like v0.2.0" in result.stderr


def test_the_real_files_have_what_the_check_reads() -> None:
    result = check(ROOT, "v999.0.0")
    assert "missing" not in result.stderr
    assert len(result.stderr.splitlines()) == 4


def test_two_builds_of_one_state_give_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for folder, mask in (("one", 0o022), ("another/place", 0o077)):
        copy = tmp_path / folder
        copy.mkdir(parents=True)
        before = os.umask(mask)
        try:
            for name in IN_THE_WHEEL:
                shutil.copytree(
                    ROOT / name,
                    copy / name,
                    copy_function=shutil.copyfile,
                    ignore=shutil.ignore_patterns("__pycache__"),
                )
            for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
                shutil.copyfile(ROOT / name, copy / name)
        finally:
            os.umask(before)
        subprocess.run([sys.executable, "-m", "hatchling", "build"], cwd=copy, capture_output=True, check=True)
        digests.append({each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in (copy / "dist").iterdir()})
    assert len(digests[0]) == 2
    assert digests[0] == digests[1]


def test_the_workflows_have_no_fault_that_zizmor_knows() -> None:
    program = shutil.which("zizmor", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("zizmor has no wheel for this machine")
    command = [program, "--offline", "--no-progress", "--min-severity", "medium", str(WORKFLOWS)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_workflow_uses_actions_by_commit_and_needs_jobs_that_exist(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    used = [step["uses"] for job in jobs.values() for step in job.get("steps", ()) if "uses" in step]
    assert [each for each in used if not PINNED_ACTION.fullmatch(each)] == []
    called = [job["uses"] for job in jobs.values() if "uses" in job]
    assert [each for each in called if not OWN_WORKFLOW.fullmatch(each) or not (ROOT / each).exists()] == []
    for job in jobs.values():
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(jobs)


def test_every_make_target_of_a_workflow_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in WORKFLOWS.glob("*.yaml"):
        for line in re.findall(r"\bmake ([a-z -]+?)(?= [A-Z]+=|$)", path.read_text(), re.MULTILINE):
            assert set(line.split()) <= targets, line


def run_steps(folder: Path, job: str, names: tuple[str, ...], gh: str, **environment: str) -> tuple[int, str]:
    """Run steps of release.yaml with programs that only print their arguments; return the status and the output."""
    steps = {step.get("name"): step.get("run") for step in yaml.safe_load(RELEASE.read_text())["jobs"][job]["steps"]}
    for program, script in {"gh": gh, "docker": "", "pipx": ""}.items():
        (folder / program).write_text(f'#!/bin/sh\necho "{program} $*" >> "$CALLS"\n{script}\n')
        (folder / program).chmod(0o755)
    output, calls = folder / "output", folder / "calls"
    environment |= {"GITHUB_REPOSITORY": "a/b", "GH_REPO": "a/b", "GITHUB_SHA": "c1", "GITHUB_OUTPUT": str(output)}
    environment |= {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls)}
    script = "\n".join(f"(\nset -e\n{steps[name]}\n) || exit" for name in names)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, check=False)
    return done.returncode, "".join(each.read_text() for each in (output, calls) if each.exists())


LATEST = "Check that it is not published, and whether it is the latest version"
DRAFT = "Create the release as a draft"
PUBLISH = "Publish the release, and name the latest image"


@pytest.mark.parametrize(
    ("tag", "status", "is_latest"),
    [
        ("v0.10.0", 0, "true"),
        ("v0.3.0", 0, "true"),
        ("v0.1.1", 0, "false"),
        ("v0.3.0rc2", 0, "false"),
        ("v0.2.0", 1, ""),
    ],
)
def test_a_published_version_is_refused_and_an_older_one_is_not_the_latest(
    tmp_path: Path, tag: str, status: int, is_latest: str
) -> None:
    published = r"printf 'v0.9.0rc1\ttrue\nv0.2.0\tfalse\nv0.1.0\tfalse\n'"
    result = run_steps(tmp_path, "tag", (LATEST,), published, GITHUB_REF_NAME=tag)
    assert result[0] == status
    assert f"is-latest={is_latest}\n" in result[1] or status


@pytest.mark.parametrize(
    ("draft", "calls"),
    [("", ["create", "upload"]), ("true", ["upload"]), ("false", [])],
    ids=["new", "a draft of an earlier try", "published already"],
)
def test_files_of_a_published_release_stay_when_the_job_runs_again(
    tmp_path: Path, draft: str, calls: list[str]
) -> None:
    gh = """case "$*" in
      "release create"*) echo true > draft ;;
      *isDraft) cat draft ;;
      "release view"*) test -s draft ;;
    esac"""
    (tmp_path / "draft").write_text(draft)
    environment = {"GITHUB_REF_NAME": "v0.2.0", "IS_LATEST": "true", "IMAGE": "ghcr.io/a/b@sha256:0"}
    status, output = run_steps(tmp_path, "publish", (DRAFT, PUBLISH), gh, **environment)
    assert status == 0
    assert re.findall(r"gh release (create|upload)", output) == calls
    assert output.endswith("docker buildx imagetools create --tag ghcr.io/a/b:latest ghcr.io/a/b@sha256:0\n")


@pytest.mark.parametrize(("commit", "status"), [("c1", 0), ("c2", 1)])
def test_a_tag_that_was_moved_meanwhile_is_not_published(tmp_path: Path, commit: str, status: int) -> None:
    name = "Check that nobody has moved the tag since"
    assert run_steps(tmp_path, "publish", (name,), f"echo {commit}", GITHUB_REF_NAME="v0.2.0")[0] == status


def test_a_release_is_published_once_all_its_parts_are_built_and_tested() -> None:
    release = yaml.safe_load(RELEASE.read_text())
    jobs = release["jobs"]
    assert set(jobs["publish"]["needs"]) == jobs.keys() - {"publish"}
    assert set(jobs["image"]["needs"]) == jobs.keys() - {"publish", "image"}
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    images = jobs["image"]["steps"][-1]["env"]
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", images[name]) for name in ("EMULATORS", "BUILDER"))
    # The group of a workflow that is called has to be another one, or it waits for its caller.
    called = yaml.safe_load((WORKFLOWS / "tests.yaml").read_text())["concurrency"]["group"]
    assert "github.workflow" not in called
    assert not release["concurrency"]["cancel-in-progress"]


def test_the_wheel_is_built_by_the_pinned_backend_alone() -> None:
    for text in (RELEASE.read_text(), (ROOT / "Makefile").read_text()):
        assert all("--no-isolation" in line for line in re.findall(r"-m build .*", text))
