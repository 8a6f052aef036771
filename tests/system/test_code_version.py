"""The code's version follows what decides a result, and nothing else."""

import importlib.util
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from seds.config import load_params
from seds.pose.estimators import estimator
from seds.rgb.extractor import build_extractor
from seds.system.code_version import code_version, source_files

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
        ("from seds.video.boxes import parse_box", "from seds.data.windows import rgb_windows", False),
    ],
)
def test_an_edit_counts_if_it_can_change_a_result(tmp_path: Path, old: str, new: str, same: bool) -> None:
    before = code_version(module(tmp_path, CODE).build)
    assert (code_version(module(tmp_path, CODE.replace(old, new)).build) == before) == same


def names(build) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in source_files(build)}


def test_an_extractor_depends_on_its_own_imports_and_not_on_who_runs_it() -> None:
    params = load_params(ROOT / "params.yaml")
    rgb = names(partial(build_extractor, params.rgb.small, 16, "cpu"))
    pose = names(estimator("mediapipe", complexity=1, device="cpu").build)
    assert rgb >= {
        "seds/rgb/extractor.py",
        "seds/rgb/i3d.py",
        "seds/data/windows.py",
        "seds/video/__init__.py",
        "seds/extraction/extractor.py",
    }
    assert pose >= {
        "seds/pose/mediapipe_holistic.py",
        "seds/skeleton.py",
        "seds/video/__init__.py",
        "seds/video/boxes.py",
    }
    for files in (rgb, pose):
        others = {f for f in files if f.startswith(("seds/engine", "stages"))}
        assert not others | files & {"seds/system/workers.py", "seds/config.py", "seds/tables.py", "seds/shards.py"}
    assert not {file for file in pose if file.startswith("seds/rgb")}
    assert not {file for file in rgb if file.startswith("seds/pose")}
