"""The versions that the environment consists of."""

import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


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
