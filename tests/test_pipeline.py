"""The whole pipeline by DVC on a tiny demo corpus in a temporary clone: real renderer, detector, network, trainer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from seds.evaluation import late
from seds.model.seds import STREAMS
from seds.retrieval.metrics import DIRECTIONS

ROOT = Path(__file__).parents[1]
STAGES_OF_DEMO = tuple(
    f"{stage}@demo"
    for stage in ("prepare", "pose", "adapt", "rgb", "manifest", "pretrain", "train", "evaluate", "report", "index")
)
# Of training, beside those of `dvc plots`: file, template, and the column that spreads it over panels.
OTHER_FIGURES = (
    ("ranks", "stream_curves", "stream"),
    ("optimiser", "curves", "panel"),
    ("machine", "curves", "panel"),
)
MOST_LINES = 40

pytestmark = [pytest.mark.pipeline, pytest.mark.longest]


def run(clone: Path, *command: str) -> str:
    """Run in the clone with this environment's programs first on the path; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org"}
    environment |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org"}
    done = subprocess.run(command, cwd=clone, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def facet_field(plot: dict) -> str:
    """The column that a figure is spread over."""
    facet = plot["content"]["facet"]
    return facet.get("column", facet)["field"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files as they are now, as a repository of its own, with a corpus of a few videos, once through."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "dvc.lock", "metrics/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["render"] |= {"train_sentences": 12, "dev_sentences": 3, "test_sentences": 4, "takes": 1}
    params["train"]["small"] |= {"epochs": 2, "batch": 6}
    params["adapt"]["small"]["epochs"] = 2
    yaml.dump(params, folder / "params.yaml")
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "tiny")
    run(folder, "dvc", "repro")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "run")
    return folder


def test_every_stage_leaves_what_it_promises(clone: Path) -> None:
    manifest = pd.read_parquet(clone / "data/manifest/demo.parquet")
    assert manifest["split"].value_counts().to_dict() == {"train": 12, "test": 4, "dev": 3}
    assert manifest["usable"].all(), manifest[["video_id", "reason"]]
    metrics = json.loads((clone / "metrics/demo/test.json").read_text())
    streams = (*STREAMS["both"], late.NAME)
    for stream in streams:
        for direction in DIRECTIONS:
            values = metrics[stream][direction]
            assert 0 <= values["R@1"] <= values["R@5"] <= values["R@10"] <= 100
            assert values["R@1_low"] <= values["R@1"] <= values["R@1_high"]
    assert (metrics["sentences"], metrics["videos"]) == (4, 4)
    for name in ("recall", "rank_histogram"):
        rows = json.loads((clone / f"results/demo/{name}.json").read_text())
        assert {row["stream"] for row in rows} == set(streams)
    assert len(pd.read_parquet(clone / "results/demo/ranks.parquet")) == len(streams) * len(DIRECTIONS) * 4
    page = (clone / "results/demo/report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") >= 4 * 2, "pictures of the queries"
    assert "No pictures" not in page
    accuracy = json.loads((clone / "metrics/demo/pose.json").read_text())
    assert min(accuracy["test"]["pck"][group] for group in ("elbows", "wrists", "fingers")) > 0.7
    encoder = json.loads((clone / "data/adapt/demo/config.json").read_text())
    assert encoder["labels"].keys() == encoder["dev"].keys() == {"manual", "nonmanual"}
    assert "The RGB features come from the corpus's own sign encoder" in (clone / "models/demo/README.md").read_text()


def test_run_leaves_nothing_untracked(clone: Path) -> None:
    assert run(clone, "git", "status", "--porcelain") == ""
    tracked = run(clone, "git", "ls-files").splitlines()
    files = {"headline.json", "pose.json", "test.json", "test_groups.json", "test_intervals.json"}
    assert {name for name in tracked if name.startswith("metrics/")} == {f"metrics/demo/{name}" for name in files}
    assert not [name for name in tracked if name.endswith((".mp4", ".safetensors", ".parquet"))]


def test_second_run_does_nothing(clone: Path) -> None:
    printed = run(clone, "dvc", "repro")
    assert "Running stage" not in printed
    assert all(f"Stage '{stage}' didn't change, skipping" in printed for stage in STAGES_OF_DEMO)


def test_experiment_on_lr_repeats_training_and_what_follows(clone: Path) -> None:
    printed = run(clone, "dvc", "exp", "run", "-S", "lr=1e-4")
    ran = [stage for stage in ("render", *STAGES_OF_DEMO) if f"Running stage '{stage}'" in printed]
    assert ran == ["train@demo", "evaluate@demo", "report@demo", "index@demo"]
    changes = json.loads(run(clone, "dvc", "metrics", "diff", "--json", "--all"))
    assert changes.keys() == {"metrics/demo/headline.json"}
    for stream in STREAMS["both"]:
        for direction in DIRECTIONS:
            assert f"{stream}.{direction}.R@1" in changes["metrics/demo/headline.json"]
    facets = {f"results/demo/{name}.json": "stream" for name in ("recall", "rank_histogram")}
    shown = {"loss": "panel", "recall": "stream"}
    facets |= {f"metrics/demo/train/plots/custom/{name}.json": field for name, field in shown.items()}
    drawn = json.loads(run(clone, "dvc", "plots", "diff", "HEAD", "--json"))["data"]
    assert drawn.keys() == facets.keys()
    for name, field in facets.items():
        (plot,) = drawn[name]
        assert set(plot["revisions"]) == {"HEAD", "workspace"}
        assert facet_field(plot) == field, "drawn by a template of ours"
    assert json.loads(run(clone, "dvc", "params", "diff", "--json"))["params.yaml"]["lr"]["new"] == 1e-4


def test_experiment_printed_by_dvc_fits_a_screen(clone: Path) -> None:
    """Even where every figure changes: at most 40 lines, and as many columns without those of file hashes."""
    assert len(run(clone, "dvc", "metrics", "diff", "--all").splitlines()) <= MOST_LINES
    revisions = json.loads(run(clone, "dvc", "exp", "show", "--json"))
    figures = next(revision["data"]["metrics"] for revision in revisions if revision["rev"] == "workspace")
    assert figures.keys() == {"metrics/demo/headline.json"}
    only_changed = ("dvc", "exp", "show", "--only-changed", "--csv")
    columns = run(clone, *only_changed).splitlines()[0].split(",")
    without_hashes = run(clone, *only_changed, "--drop", ".*/[^:]*$").splitlines()[0].split(",")  # docs/results.md
    assert {"lr", "models/demo"} <= set(columns)
    assert [column for column in columns if "/" not in column] == without_hashes
    assert len(without_hashes) <= MOST_LINES


@pytest.mark.parametrize(("figure", "template", "field"), OTHER_FIGURES)
def test_figure_that_dvc_leaves_out_can_be_drawn(clone: Path, figure: str, template: str, field: str) -> None:
    path = f"metrics/demo/train/plots/custom/{figure}.json"
    command = ["dvc", "plots", "diff", "HEAD", "--targets", path, "--template", template, "-x", "epoch", "-y", "value"]
    (plot,) = json.loads(run(clone, *command, "--json"))["data"][path]
    assert set(plot["revisions"]) == {"HEAD", "workspace"}
    assert facet_field(plot) == field


def outputs_of_demo(clone: Path) -> dict[str, int]:
    """Every output of the demo corpus, with its time of modification."""
    outputs = json.loads(run(clone, "dvc", "ls", ".", "--recursive", "--dvc-only", "--json"))
    paths = [Path(entry["path"]) for entry in outputs if "demo" in entry["path"]]
    assert {path.parts[0] for path in paths} >= {"data", "models", "index", "results"}
    return {str(path): (clone / path).stat().st_mtime_ns for path in paths if (clone / path).exists()}


def test_another_corpus_leaves_the_outputs_of_the_first(clone: Path) -> None:
    """Naming it took them out of the workspace once, and after `dvc gc -w` out of the cache."""
    before = outputs_of_demo(clone)
    folder = clone / "data/raw/two"
    folder.mkdir()
    clips = sorted((clone / "data/raw/demo/videos").glob("*.mp4"))[:6]
    for clip in clips:
        shutil.copy(clip, folder / clip.name)
    rows = [f"{clip.name},sentence {i}" for i, clip in enumerate(clips)]
    (folder / "videos.csv").write_text("\n".join(["path,text", *rows]))
    params = (clone / "params.yaml").read_text(encoding="utf-8")
    entry = "datasets:\n  two:\n    corpus: folder\n    profile: small\n"
    assert "datasets:\n" in params
    (clone / "params.yaml").write_text(params.replace("datasets:\n", entry, 1), encoding="utf-8")

    run(clone, "dvc", "exp", "run", "prepare@two")
    assert (clone / "data/videos/two.parquet").exists()
    assert outputs_of_demo(clone) == before

    project = [(clone / name).read_text(encoding="utf-8") for name in ("params.yaml", "dvc.yaml", "dvc.lock")]
    for command in (
        ("dvc", "repro", "evaluate@tow"),
        ("dvc", "exp", "run", "evaluate@tow"),
        ("dvc", "exp", "run", "-S", "active=[two]"),  # the way to choose a corpus that this was
    ):
        with pytest.raises(AssertionError, match=r"tow|active"):
            run(clone, *command)
        assert outputs_of_demo(clone) == before
        assert project == [
            (clone / name).read_text(encoding="utf-8") for name in ("params.yaml", "dvc.yaml", "dvc.lock")
        ]
