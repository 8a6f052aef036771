"""What is imported before a command or a stage begins: large libraries only where they are used."""

import subprocess
import sys

import pytest

HELP = """
from typer.main import get_command
from seds.cli import app

def show(group, *names):
    for name, command in group.commands.items():
        get_command(app).main([*names, name, "--help"], standalone_mode=False)
        if hasattr(command, "commands"):
            show(command, *names, name)

get_command(app).main(["--help"], standalone_mode=False)
show(get_command(app))
"""


def imported(code: str) -> set[str]:
    """The packages that are there after the code has run."""
    printed = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + printed], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_of_every_command_loads_no_library() -> None:
    heavy = {
        "asyncio",
        "av",
        "cv2",
        "dvc",
        "fastapi",
        "numpy",
        "pandas",
        "pandera",
        "pyarrow",
        "scipy",
        "torch",
        "tqdm",
    }
    assert imported(HELP) & heavy == set()


@pytest.mark.slow
def test_stage_without_a_network_loads_no_library_of_networks() -> None:
    stages = ("render", "prepare", "pose", "adapt", "manifest", "pretrain", "report")
    found = imported("".join(f"import stages.{stage}\n" for stage in stages))
    assert "pandas" in found
    assert found & {"torch", "mediapipe", "mmaction", "mmpose", "sklearn", "dvc", "matplotlib", "faiss"} == set()
