"""dvc.yaml against the code: every stage lists the source files it imports, and every parameter is somebody's."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")

# Reading and checking parameters and tables decides no value that a stage writes: the values are parameters, which DVC
# tracks, and the tables are outputs. Were these files dependencies, a new knob of training would repeat the extraction.
# `train` and `evaluate` do list config.py, since it holds the published sizes.
READS_ONLY = {"seds/config.py", "seds/sections.py", "seds/tables.py", "seds/listing.py", "seds/messages.py"}

# Who extracts which video, when and on which machine changes no byte of the shards (tests/engine): an edit of it must
# not repeat days of extraction where the scratch folder is gone. What makes the shards, assemble.py, is listed.
SCHEDULING = {"seds/system/workers.py"} | {
    f"seds/engine/{name}.py"
    for name in (
        "attempt", "code_version", "command", "crews", "locks", "outcomes", "parts", "progress", "ray_crew", "run",
        "shares", "suspects",
    )
}  # fmt: skip
MAY_OMIT = dict.fromkeys(("render", "prepare", "manifest"), READS_ONLY)
# These two know of cuts.py what the progress line shows; whoever else imports it computes with it.
MAY_OMIT |= dict.fromkeys(("pose", "rgb"), READS_ONLY | SCHEDULING | {"seds/cuts.py"})
# Of these, whoever reads a corpus uses what keeps its prepared files whole and apart (seds.data.sample_cache).
MAY_OMIT |= dict.fromkeys(("train", "evaluate", "index"), SCHEDULING)
# Where and when an interrupted training is kept changes no weight (tests/resume/test_restart.py).
MAY_OMIT["train"] = MAY_OMIT["train"] | {
    "seds/resume/checkpointer.py",
    "seds/resume/run_folder.py",
    "seds/resume/snapshots.py",
}


def definition(stage: str) -> dict:
    entry = STAGES[stage]
    return entry.get("do", entry)


def imported_files(path: Path) -> set[str]:
    """Files of the repository that `path` imports, itself included, directly and through others."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: imports are absolute here"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                waiting += module_files(name)
    return {str(file.relative_to(ROOT)) for file in seen if file.stat().st_size}


def module_files(name: str) -> list[Path]:
    """Files that importing `name` runs: the packages on the way, and the module; a last part may be a name in it."""
    parts = name.split(".")
    if parts[0] not in ("seds", "stages"):
        return []
    files = []
    for depth in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:depth])
        files += [p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file()]
    return files


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_files_it_imports_and_no_others(stage: str) -> None:
    listed = {str(dep) for dep in definition(stage)["deps"] if str(dep).endswith(".py")}
    needed = imported_files(ROOT / "stages" / f"{stage}.py")
    assert not needed - listed - MAY_OMIT.get(stage, set()), f"dvc.yaml: stage {stage} lacks deps"
    assert not listed - needed, f"dvc.yaml: stage {stage} lists files that it does not import"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_the_module_of_its_name_with_its_section(stage: str) -> None:
    assert definition(stage)["cmd"].startswith(f"python -m stages.{stage}")
    if stage in PARAMS:
        assert stage in definition(stage)["params"]


def test_every_parameter_is_tracked_by_a_stage() -> None:
    tracked = {str(param).split(".")[0] for stage in STAGES for param in definition(stage).get("params", [])}
    # `active` chooses the stages themselves; `machine`, `extract` and `serve` change no result.
    assert set(PARAMS) - tracked == {"active", "machine", "extract", "serve"}


def test_no_output_persists_and_only_git_metrics_leave_the_cache() -> None:
    for stage in STAGES:
        for kind in ("outs", "metrics", "plots"):
            for out in definition(stage).get(kind, []):
                options = next(iter(out.values())) if isinstance(out, dict) else {}
                assert not options.get("persist"), f"{stage}: a stale file would survive a changed parameter"
                if options.get("cache") is False:
                    assert kind == "metrics"
                    assert stage in ("manifest", "evaluate"), f"{stage}: an uncached output breaks its run cache"
