"""The Makefile: what its targets remove, and when the environment is installed again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=project, capture_output=True, text=True)


def write(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")


def test_clean_keeps_interrupted_runs_and_data(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = [
        tmp_path / name
        for name in (
            "work/extract/pose/demo/part",
            "work/train/demo/last.pt",
            "data/raw/demo/videos.csv",
            "data/pose/demo/index.parquet",
            "models/demo/model.safetensors",
            ".dvc/cache/files/md5/00/00",
            "seds/shards.py",
        )
    ]
    removed = [
        tmp_path / name
        for name in (
            ".venv/bin/python",
            ".mypy_cache/file",
            "build/lib/file",
            "seds.egg-info/PKG-INFO",
            "seds/pose/__pycache__/file.pyc",
        )
    ]
    write(*kept, *removed)
    result = make(tmp_path, "clean")
    assert result.returncode == 0, result.stderr
    assert [file for file in kept if not file.exists()] == []
    assert [folder for file in removed if (folder := file.parent).exists()] == []


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements.txt", "constraints.txt", "stages/bin_on_path.pth"])
def test_setup_installs_again_after_a_change(tmp_path: Path, changed: str) -> None:
    sources = ("Makefile", "pyproject.toml", "requirements.txt", "constraints.txt", "stages", "third_party")
    for name in sources:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    write(tmp_path / ".venv/bin/uv", tmp_path / ".venv/.installed")
    assert make(tmp_path, "--question", "setup").returncode == 0, "there is nothing to do"
    later = (tmp_path / ".venv/.installed").stat().st_mtime + 1
    os.utime(tmp_path / changed, (later, later))
    assert make(tmp_path, "--question", "setup").returncode == 1
    commands = make(tmp_path, "--dry-run", "setup").stdout
    assert "uv pip install" in commands
    assert "cp stages/bin_on_path.pth .venv/lib/python3.11/site-packages/" in commands
