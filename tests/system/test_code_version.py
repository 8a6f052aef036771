"""The code's version follows what decides a result, and nothing else."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from seds.config import load_params
from seds.data import samples
from seds.pose import estimators
from seds.rgb import extractor
from seds.system.code_version import code_version, file_version
from seds.training import fitting

ROOT = Path(__file__).parents[2]
CODE = '''
"""A module."""
import math
from seds.video.boxes import parse_box


def build():
    """Docstring."""
    return math.pi  # comment
'''


def module(folder: Path, code: str) -> ModuleType:
    """The code as an imported module."""
    path = folder / "extractor_of_a_user.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = made
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# comment", "# another comment", True),
        ('"""Docstring."""', '"""Docstring, mended."""', True),
        ("return math.pi", "return (\n        math.pi\n    )", True),
        ("math.pi", "math.e", False),
        ("from seds.video.boxes import parse_box", "from seds.rgb.windows import rgb_windows", False),
    ],
)
def test_code_version_counts_edits_that_can_change_a_result(tmp_path: Path, old: str, new: str, same: bool) -> None:
    before = code_version(module(tmp_path, CODE).build)
    assert (code_version(module(tmp_path, CODE.replace(old, new)).build) == before) == same


ROOTS = {
    "rgb": "seds/rgb/extractor.py",
    "mediapipe": "seds/pose/mediapipe_holistic.py",
    "samples": "seds/data/samples.py",
    "train": "seds/training/fitting.py",
}
PRINT_VERSIONS = f"""
import json
from seds.system.code_version import ROOT, file_version
print(json.dumps({{name: file_version(ROOT / file) for name, file in {ROOTS}.items()}}))
"""


def test_code_version_of_a_function_is_that_of_its_file() -> None:
    params = load_params(ROOT / "params.yaml")
    makers = {
        "rgb": extractor.extractor_spec(params.rgb.small, 16, "cpu").make_extractor,
        "mediapipe": estimators.extractor_spec(params.pose.small, "cpu").make_extractor,
        "samples": samples.make_sample,
        "train": fitting.fit,
    }
    assert {name: code_version(maker) for name, maker in makers.items()} == {
        name: file_version(ROOT / file) for name, file in ROOTS.items()
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "seds", folder / "seds", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def versions(folder: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", PRINT_VERSIONS]
    return json.loads(subprocess.check_output(command, cwd=folder, env=environment, text=True))


@pytest.fixture(scope="module")
def before(copy: Path) -> dict[str, str]:
    return versions(copy)


# What an edit must reach and nothing else; an edit of the first two lost days of features and keypoints, one of the
# third an interrupted training.
@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("seds/data/windows.py", {"samples", "train"}),
        ("seds/data/joints.py", {"samples", "train"}),
        ("seds/resume/checkpointer.py", set()),
        ("seds/system/prefetch.py", set()),
        ("seds/engine/run.py", set()),
        ("seds/config.py", set()),
        ("seds/video/video_file.py", {"rgb", "mediapipe"}),
        ("seds/skeleton.py", {"mediapipe", "samples", "train"}),
        ("seds/rgb/windows.py", {"rgb"}),
        ("seds/model/fusion.py", {"train"}),
    ],
)
def test_edit_changes_the_versions_of_what_it_decides(
    copy: Path, before: dict[str, str], file: str, changed: set[str]
) -> None:
    source = (copy / file).read_text(encoding="utf-8")
    (copy / file).write_text(f"{source}\nEDITED = True\n", encoding="utf-8")
    try:
        after = versions(copy)
    finally:
        (copy / file).write_text(source, encoding="utf-8")
    assert {name for name in before if before[name] != after[name]} == changed
