"""`seds import features` as a researcher uses it, up to training on what it leaves."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.corpus import computed_video
from helpers.made_release import MadeRelease, complete, pickled
from ruamel.yaml import YAML
from test_pipeline import run
from typer.testing import CliRunner

from seds import tables
from seds.cli import app
from seds.config import load_params
from seds.corpora.captions import RELEASES, read_captions
from seds.data.split import DataError, load_split
from seds.extraction import imported
from seds.release.features import import_release
from seds.shards import ShardReader
from seds.training import fitting
from seds.training.loop import Recipe

ROOT = Path(__file__).parents[2]


def described(printed: str) -> dict:
    """The lines for params.yaml that the command prints."""
    return YAML(typ="safe").load(printed[printed.index("datasets:") : printed.index("and run:")])


@pytest.mark.slow
@pytest.mark.parametrize("corpus", RELEASES)
def test_from_the_release_to_a_trained_epoch(tmp_path, monkeypatch, corpus):
    """The command, then the stages as `dvc repro` runs them, then training on what they leave."""
    from stages import manifest as manifest_stage
    from stages import pose, prepare, rgb

    made = complete(tmp_path / "release", corpus)
    made.write_captions()
    monkeypatch.chdir(tmp_path)
    places = [f"--{option}=release/{folder}" for option, folder in
              (("captions", "captions"), ("keypoints", "keypoints"), ("features", "rgb"))]  # fmt: skip
    result = CliRunner().invoke(app, ["import", "features", "tiny", f"--corpus={corpus}", *places])
    assert result.exit_code == 0, result.output
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params |= described(result.output)
    params["datasets"]["tiny"]["profile"] = "small"
    params["train"]["small"] |= {"epochs": 1, "batch": 3}
    yaml.dump(params, Path("params.yaml"))
    for stage in (prepare, pose, rgb, manifest_stage):
        stage.main("tiny")
    for kind in ("pose", "rgb"):
        (shard,) = Path("data", kind, "tiny").glob("shard-*.safetensors")
        assert shard.samefile(Path("data/raw/tiny", kind, shard.name))  # linked, not computed and not copied

    settings = load_params()
    rules, profile = settings.rules("tiny"), settings.train.small
    table = tables.read("data/manifest/tiny.parquet", tables.MANIFEST, "")
    assert table["usable"].all(), table[["video_id", "reason", "detail"]]
    readers = [ShardReader(f"data/{kind}/tiny", kind) for kind in ("pose", "rgb")]
    for row in table.itertuples():
        video = computed_video(row, *readers, rules)
        np.testing.assert_array_equal(video.rgb, made.rows[row.video_id].astype(np.float16))

    with pytest.raises(DataError, match=r"tiny: .* has 1024 RGB features a window, the model reads 256; set"):
        load_split("tiny", "train", rules, profile.model, "default")
    sizes = profile.model.model_copy(update={"rgb_features": 1024})
    profile = profile.model_copy(update={"model": sizes})
    train, dev = (load_split("tiny", s, rules, sizes, "default") for s in ("train", "dev"))
    model = fitting.build(train, settings.train, profile, 0, "cpu")
    logged: list = []
    fit = fitting.fit(model, train, dev, Recipe(settings.train, profile, 1e-3, 0), logged.append)
    assert (fit.epoch, len(logged)) == (1, 1)
    assert np.isfinite(logged[0]["loss"]["total"])


def test_the_command_says_what_is_wrong(tmp_path):
    options = [f"--{option}={tmp_path}" for option in ("captions", "keypoints", "features")]
    result = CliRunner().invoke(app, ["import", "features", "x", "--corpus=how2sign", *options])
    assert result.exit_code == 1
    assert f"error: {tmp_path} has no captions; expected train.pkl" in result.output
    assert CliRunner().invoke(app, ["import", "features", "x", "--corpus=phoenix", *options]).exit_code == 2


def test_the_command_prints_the_published_wrist_margin_exactly(tmp_path):
    made = MadeRelease(tmp_path / "release", "how2sign")
    made.add("test", "a_0", "a_0-1-rgb_front", 30)
    made.write_captions()
    options = [f"--captions={made.root}/captions", f"--keypoints={made.root}/keypoints", f"--features={made.root}/rgb"]
    arguments = ["import", "features", "x", "--corpus=how2sign", *options, f"--output={tmp_path}/x"]
    printed = CliRunner().invoke(app, arguments).output
    assert described(printed)["datasets"]["x"]["wrist_margin"] * 256 == 50


def test_a_corpus_that_was_not_imported_says_what_to_run(tmp_path):
    with pytest.raises(tables.TableError, match=r"videos\.parquet not found; make it with: seds import features"):
        imported.read_videos(tmp_path)
    with pytest.raises(tables.TableError, match=r"index\.parquet not found; make it with: seds import features"):
        imported.hand_over("pose", tmp_path, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.pipeline
def test_dvc_repro_trains_and_evaluates_on_an_import(tmp_path):
    """And a second import, of other features for the same videos, is noticed."""
    folder = tmp_path / "project"
    for file in subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).split():
        if file.startswith(("seds/", "stages/", ".dvc", "dvc.yaml")) and (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    made = complete(tmp_path / "release", "phoenix14t")
    made.write_captions()
    arguments = ["import", "features", "phoenix", "--corpus=phoenix14t", f"--captions={made.root}/captions"]
    arguments += [f"--keypoints={made.root}/keypoints", f"--features={made.root}/rgb"]
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params |= described(run(folder, sys.executable, "-c", "from seds.cli import app; app()", *arguments))
    params["datasets"]["phoenix"]["profile"] = "small"
    params["train"]["small"] |= {"epochs": 1, "batch": 3}
    params["train"]["small"]["model"]["rgb_features"] = 1024
    yaml.dump(params, folder / "params.yaml")
    run(folder, "git", "init", "-q")
    run(folder, "git", "commit", "-q", "--allow-empty", "-m", "start")  # which the curves of training refer to

    stages = [f"{stage}@phoenix" for stage in ("prepare", "pose", "rgb", "manifest", "train", "evaluate")]
    printed = run(folder, "dvc", "repro", "evaluate@phoenix")
    assert all(f"Running stage '{stage}'" in printed for stage in stages)
    metrics = json.loads((folder / "metrics/phoenix/test.json").read_text())
    assert (metrics["sentences"], metrics["videos"]) == (2, 2)
    assert "SEDS release, phoenix14t" in (folder / "models/phoenix/README.md").read_text()

    pickled(made.features("heute-6", "test"), {"feature": made.rows["heute-6"] + 1})
    shutil.rmtree(folder / "data/raw/phoenix")
    run(folder, sys.executable, "-c", "from seds.cli import app; app()", *arguments)
    printed = run(folder, "dvc", "repro", "rgb@phoenix")
    assert [stage for stage in stages if f"Running stage '{stage}'" in printed] == ["prepare@phoenix", "rgb@phoenix"]
    features, _ = ShardReader(folder / "data/rgb/phoenix", "rgb").read("heute-6", ("features", "starts"))
    np.testing.assert_array_equal(features, (made.rows["heute-6"] + 1).astype(np.float16))


@pytest.mark.real
def test_the_real_captions_of_phoenix_at_full_size(shared, tmp_path):
    """All 8,257 sentences; keypoints and features for 200 of them, in every split."""
    made = MadeRelease(tmp_path / "release", "phoenix14t")
    source = shared / "data/seds_release/data_ph"
    captions = read_captions(source, RELEASES["phoenix14t"])
    chosen = captions[::41]
    for caption in chosen:
        made.add(caption.subset, caption.sentence_id, caption.video_id)
    places = {"captions": source, "keypoints": made.root / "keypoints", "features": made.root / "rgb"}
    done = import_release("phoenix", "phoenix14t", **places, output=tmp_path / "phoenix")
    assert done.videos["split"].value_counts().to_dict() == {"train": 7096, "dev": 519, "test": 642}
    assert done.videos["status"].value_counts().to_dict() == {"missing": 8257 - len(chosen), "ok": len(chosen)}
    official = pd.read_csv(shared / "data/phoenix14t_annotations/PHOENIX-2014-T.dev.corpus.csv", sep="|")
    dev = done.videos[done.videos["split"] == "dev"]
    assert set(dev["video_id"]) == set(official["name"])
    assert done.videos.loc[done.videos["split"] == "test", "text"].nunique() == 630
    originals = dict(zip(official["name"], official["translation"], strict=True))
    assert (dev["text_original"] == dev["video_id"].map(originals)).mean() > 0.9
    assert (done.rgb["status"] == "ok").all()
