"""Stages in a shell where the environment is not active, and the list of versions that the environment consists of."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
STAGE = "import sys, dvclive\nprint('prefix', sys.prefix)\nopen('out', 'w').close()\n"
PIPELINE = "stages:\n  tiny:\n    cmd: python -m stages.tiny\n    outs: [out]\n"


def site_packages(prefix: Path) -> Path:
    return prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one small stage, and beside it a Python without packages: bare/bin/python."""
    venv.create(tmp_path / "bare", symlinks=True)
    project = tmp_path / "project"
    for name in ("stages/__init__.py", "seds/__init__.py", "seds/system/__init__.py", "seds/system/threads.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    (project / "stages" / "tiny.py").write_text(STAGE)
    (project / "dvc.yaml").write_text(PIPELINE)
    (project / ".gitignore").write_text("/.venv/\n/out\n")
    return project


def run(project: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run in the project by a shell whose `python` has no packages."""
    environment = {
        "PATH": f"{project.parent / 'bare' / 'bin'}:/usr/bin:/bin",
        "HOME": os.environ["HOME"],
        "DVC_SITE_CACHE_DIR": str(project.parent / "site"),
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "t", f"GIT_{role}_EMAIL": "t@example.org"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def test_stage_without_packages_says_what_to_do(project: Path) -> None:
    done = run(project, "python", "-m", "stages.tiny")
    assert done.returncode == 1
    assert "bare/bin/python does not have this project's packages" in done.stderr
    assert ". .venv/bin/activate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [("repro",), ("exp", "run", "--temp")], ids=" ".join)
def test_dvc_runs_stages_in_its_own_environment(project: Path, command: tuple[str, ...]) -> None:
    venv.create(project / ".venv", symlinks=True)
    packages = site_packages(project / ".venv")
    shutil.copy(ROOT / "stages" / "bin_on_path.pth", packages)
    (packages / "packages_of_this_test.pth").write_text(sysconfig.get_path("purelib"))
    dvc = (project / ".venv" / "bin" / "python", "-m", "dvc")
    for prepared in (("git", "init", "-q"), (*dvc, "init", "-q"), ("git", "add", "."), ("git", "commit", "-qm", "all")):
        done = run(project, *prepared)
        assert done.returncode == 0, done.stderr
    done = run(project, *dvc, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"prefix {project / '.venv'}" in done.stdout.splitlines()


def test_constraints_pin_every_required_package() -> None:
    """Whatever the project requires, directly or through others, has a version there that all who require it allow."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split()[0].split("==") for line in lines if "==" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = project["dependencies"] + project["optional-dependencies"]["dev"]
    waiting = [("pyproject.toml", Requirement(text)) for text in required]
    seen = set()
    while waiting:
        by, requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name == "chumpy" or (name, str(requirement)) in seen:  # the stub in third_party/
            continue
        seen.add((name, str(requirement)))
        assert name in pins, f"constraints.txt lacks {name}, which {by} requires; run: make lock"
        assert requirement.specifier.contains(pins[name], prereleases=True), (
            f"constraints.txt has {name} {pins[name]}, {by} requires {requirement}; run: make lock"
        )
        for text in requires(name) or ():
            needed = Requirement(text)
            extras = ("", *requirement.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((name, needed))
    assert {"torch", "nvidia-cublas", "uv"} <= {name for name, _ in seen}
