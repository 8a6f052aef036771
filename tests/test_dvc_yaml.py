"""dvc.yaml against the code: a stage lists the folders that decide its outputs, and every parameter is somebody's."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from seds.system.code_version import NEVER_DECIDES, ROOT, decides, deciding_files

STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
MOST_LINES = 220


def definition(stage: str) -> dict:
    entry = STAGES[stage]
    return entry.get("do", entry)


def listed_code(stage: str) -> set[str]:
    return {dep for dep in map(str, definition(stage)["deps"]) if dep.startswith(("seds/", "stages/"))}


def deciding(stage: str) -> set[str]:
    """Files whose edit may change what the stage writes, by the walker that keys an extraction's parts."""
    return {path.relative_to(ROOT).as_posix() for path in deciding_files(ROOT / "stages" / f"{stage}.py")}


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_the_code_that_decides_its_outputs(stage: str) -> None:
    listed, needed = listed_code(stage), deciding(stage)
    missing = {file for file in needed if not any(covers(dep, file) for dep in listed)}
    assert not missing, f"dvc.yaml: stage {stage} lacks deps"
    idle = {dep for dep in listed if not any(covers(dep, file) for file in needed)}
    assert not idle, f"dvc.yaml: stage {stage} lists what it does not import"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_what_is_there_and_decides(stage: str) -> None:
    for dep in listed_code(stage):
        assert (ROOT / dep).exists(), f"dvc.yaml: stage {stage} lists {dep}, which is not there"
        assert decides(ROOT / dep), f"dvc.yaml: stage {stage} lists {dep}, which decides nothing"
    for room in NEVER_DECIDES:
        assert (ROOT / room).exists(), f"NEVER_DECIDES names {room}, which is not there"


@pytest.mark.parametrize("stage", ["render", "pose", "adapt", "rgb", "train"])
def test_dear_stage_lists_folders_it_uses_whole(stage: str) -> None:
    """Where a repetition takes hours or days, no file of a listed folder is beside the point."""
    needed = deciding(stage) | {"seds/extraction/assemble.py"}  # which the engine calls
    folders = [ROOT / dep for dep in listed_code(stage) if (ROOT / dep).is_dir()]
    others = {path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*.py")} - needed
    assert {file for file in others if (ROOT / file).stat().st_size} == set()


def test_dvc_yaml_can_be_read_at_a_sitting() -> None:
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) < MOST_LINES


@pytest.mark.parametrize("stage", STAGES)
def test_stage_runs_the_module_of_its_name_with_its_section(stage: str) -> None:
    assert definition(stage)["cmd"].startswith(f"python -m stages.{stage}")
    if stage in PARAMS:
        assert stage in definition(stage)["params"]


def test_every_parameter_is_tracked_by_a_stage() -> None:
    tracked = {str(param).split(".")[0] for stage in STAGES for param in definition(stage).get("params", [])}
    assert set(PARAMS) - tracked == {"machine", "extract", "serve"}, "these change no result"


def outputs(stage: str, kind: str) -> dict[str, dict]:
    """{path: options} of a stage's `outs`, `metrics` or `plots`."""
    listed: dict[str, dict] = {}
    for entry in definition(stage).get(kind, []):
        listed |= entry if isinstance(entry, dict) else {entry: {}}
    return listed


def test_outputs_do_not_persist_and_only_git_files_are_uncached() -> None:
    for stage in STAGES:
        for kind in ("outs", "metrics", "plots"):
            for path, options in outputs(stage, kind).items():
                assert not options.get("persist"), f"{stage}: a stale file would survive a changed parameter"
                if options.get("cache") is False:
                    assert path.startswith("metrics/")
                    assert path.endswith(".json")
                    assert stage in ("manifest", "evaluate"), f"{stage}: an uncached output breaks its run cache"


def test_metrics_of_dvc_are_one_headline_a_corpus() -> None:
    metrics = {stage: list(outputs(stage, "metrics")) for stage in STAGES if outputs(stage, "metrics")}
    assert metrics == {"evaluate": ["metrics/${key}/headline.json"]}, "`dvc metrics diff` has to fit a screen"


def test_plots_of_dvc_are_a_handful_a_corpus() -> None:
    figures = [Path(path).stem for stage in STAGES for path in outputs(stage, "plots")]
    assert figures == ["loss", "recall", "recall", "rank_histogram"]
