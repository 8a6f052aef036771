"""The stand-ins, in fresh interpreters: what is loaded here already would hide what is missing."""

import subprocess
import sys

import pytest


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.slow
def test_mmpose_and_mmaction_import() -> None:
    code = (
        "from seds.extraction.openmmlab import fill_import_gaps as fill; fill(); fill(); "
        "import mmpose.apis, mmaction.apis, mmcv.ops; print(1)"
    )
    assert run(code) == "1"


def test_stand_ins_raise_on_use_and_filling_imports_nothing() -> None:
    code = """
import sys
from seds.extraction.openmmlab import fill_import_gaps
fill_import_gaps()
assert "torch" not in sys.modules and "mmcv" not in sys.modules
from mmdet.utils import reduce_mean
try:
    reduce_mean(1)
except ImportError as error:
    print(error)
"""
    assert run(code) == "reduce_mean cannot be used: mmdet is not installed"


def test_what_is_installed_is_left_alone() -> None:
    code = """
import sys, types
sys.modules["mmdet"] = real = types.ModuleType("mmdet")
from seds.extraction import openmmlab
openmmlab.fill_import_gaps()
assert sys.modules["mmdet"] is real and "mmdet.utils" not in sys.modules
assert not any(map(openmmlab._is_missing, ("json.decoder", "torch._C", "mmpose.models", "mmcv.ops")))
print(openmmlab._is_missing("json.nothing"))
"""
    assert run(code) == "True"
