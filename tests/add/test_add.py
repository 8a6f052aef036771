"""`seds add`: what is recognised, what is written, and that nothing else changes."""

import os
from pathlib import Path

import pytest
from helpers.commands import seds
from helpers.elan import write as write_elan
from helpers.films import film
from helpers.keypoint_files import people, pose_bytes, write_openpose

from seds.add import add as adding
from seds.add.entry import with_entry
from seds.add.recognise import AddError, recognise
from seds.config import Dataset, load_params
from seds.corpora import prepare
from seds.corpora.readers import phoenix14t

ROOT = Path(__file__).parents[2]
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nRain falls.\n\n00:01.000 --> 00:02.000\nSnow.\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with this one's own params.yaml; corpora are made in tmp_path/disk."""
    home = tmp_path / "project"
    home.mkdir()
    (home / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "disk").mkdir()
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_videos_with_subtitles_are_a_corpus_in_one_command(project: Path, disk: Path) -> None:
    before = (project / "params.yaml").read_text()
    write(disk, **{"a.mp4": "", "a.en.vtt": VTT, "b.mp4": "", "b.srt": VTT})
    output = seds("add", "talks", str(disk)).stdout
    assert f"{disk}: subtitled" in output
    assert "2 subtitle files, 2 videos" in output
    assert "4 videos or cuts of 2 files, 2 different sentences" in output
    assert "next: seds check talks\nthen: dvc repro evaluate@talks index@talks" in output
    assert Path("data/raw/talks").resolve() == disk
    after = (project / "params.yaml").read_text()
    added = "  talks:\n    corpus: subtitled\n    profile: auto\n"
    assert after.replace(added, "", 1) == before, "every line and comment stays"
    assert load_params().datasets["talks"].corpus == "subtitled"
    assert list(load_params().datasets) == ["demo", "talks"]
    assert len(prepare.prepare("talks", load_params().datasets["talks"], Path("data/raw/talks"))) == 4


def test_table_is_recognised_by_its_columns(project: Path, disk: Path) -> None:
    write(disk, **{"videos.csv": "path,text\na.mp4,Rain.\ngone.mp4,Snow.\n", "a.mp4": ""})
    assert (
        "2 videos or cuts of 2 files, 2 different sentences; 1 of the files are missing"
        in seds("add", "one", str(disk)).stdout
    )
    write(disk / "other", **{"my list.tsv": "text\tpath\tsign\nRain.\ta.mp4\tRAIN\n", "notes.csv": "a,b\n1,2\n"})
    assert "my list.tsv: 1 rows, 1 of single signs" in seds("add", "two", str(disk / "other")).stdout
    seds("add", "three", str(disk / "other/my list.tsv"))
    datasets = load_params().datasets
    assert [datasets[name].annotations for name in ("one", "two", "three")] == [None, "my list.tsv", "my list.tsv"]
    write(disk / "other", **{"second.csv": "path,text\na.mp4,Rain.\n"})
    assert (
        "several tables of videos: my list.tsv, second.csv" in seds("add", "four", str(disk / "other"), code=1).stderr
    )


def test_elan_files_come_with_their_likeliest_tiers(project: Path, disk: Path) -> None:
    write(disk, **{"a.mp4": ""})
    tiers = {
        "Translation": [(0, 1000, "Rain falls today.")],
        "Glosses": [(0, 500, "RAIN")],
        'odd "name': [(0, 9, "x y z")],
    }
    write_elan(disk / "a.eaf", tiers, {"./a.mp4": "file:///a.mp4"})  # type: ignore[arg-type]
    output = seds("add", "signed", str(disk)).stdout
    assert "1 ELAN files, 1 videos" in output
    assert "Translation: 1 annotations in 1 files, such as Rain falls today." in output
    assert "1 videos or cuts of 1 files" in output
    assert load_params().datasets["signed"].sentence_tiers == ("Translation",)
    assert len(prepare.prepare("signed", load_params().datasets["signed"], Path("data/raw/signed"))) == 1


def test_elan_files_without_likely_sentences_say_what_to_name(project: Path, disk: Path) -> None:
    write_elan(disk / "a.eaf", {"x": [(0, 500, "RAIN")]}, {})
    output = seds("add", "signed", str(disk)).stdout
    assert "no tier looks like sentences: name them as sentence_tiers in its entry" in output
    assert load_params().datasets["signed"].sentence_tiers is None


@pytest.mark.parametrize("split", ["", "train/", "val/"])
def test_folders_of_signs_become_a_table(project: Path, disk: Path, split: str) -> None:
    for i, name in enumerate(("HOUSE", "TO_GO")):
        film(disk / f"{split}{name}/1.mp4", shade=i)
    assert "2 videos of 2 signs" in seds("add", "dictionary", str(disk)).stdout
    entry = load_params().datasets["dictionary"]
    videos, signs, skipped = prepare.prepare_with_signs("dictionary", entry, Path("data/raw/dictionary"))
    assert (videos["status"] == "ok").all()
    assert videos["text"].tolist() == ["HOUSE", "TO GO"]
    assert signs["label"].tolist() == ["HOUSE", "TO_GO"]
    assert skipped == []
    if split:
        assert set(videos["split"]) == {"train" if split == "train/" else "dev"}


@pytest.mark.real
def test_how2sign_is_recognised_by_its_layout(project: Path, shared: Path) -> None:
    output = seds("add", "asl", str(shared / "data/how2sign")).stdout
    assert "how2sign: how2sign" in output
    assert "202 videos or cuts of 202 files" in output
    assert load_params().datasets["asl"].wrist_margin == 50 / 256


@pytest.mark.parametrize(
    ("name", "folder", "file", "options"),
    [
        ("phoenix14t", phoenix14t.TOPS[-1], "annotations/manual/PHOENIX-2014-T.train.corpus.csv", {}),
        ("csl_daily", "sentence_label", "csl2020ct_v2.pkl", {"wrist_margin": 50 / 512}),
        ("how2sign", "sentence_level/train/text/en/raw_text", "how2sign_train.csv", {"wrist_margin": 50 / 256}),
    ],
)
def test_research_corpora_are_recognised_by_their_layouts(
    disk: Path, name: str, folder: str, file: str, options: dict
) -> None:
    found = recognise(write(disk, **{f"{folder}/{file}": "", "videos/a.mp4": "", "videos/a.vtt": VTT}))
    assert (found.kind, found.options) == (name, options)


def test_kind_may_be_said(project: Path, disk: Path) -> None:
    write(disk, **{"a.mp4": "", "a.vtt": VTT})
    write_elan(disk / "a.eaf", {"Translation": [(0, 1000, "Rain falls today.")]}, {})
    assert "elan (or, with --as: subtitled)" in seds("add", "x", str(disk), "--dry-run").stdout
    assert f"{disk}: subtitled\n" in seds("add", "x", str(disk), "--as", "subtitled").stdout
    assert load_params().datasets["x"].corpus == "subtitled"
    assert "unknown kind 'srt'; known: how2sign" in seds("add", "y", str(disk), "--as", "srt", code=1).stderr
    message = seds("add", "y", str(disk), "--as", "phoenix14t", code=1).stderr
    assert "does not look like phoenix14t: expected annotations/manual/" in message


def test_dry_run_changes_nothing(project: Path, disk: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    write(disk, **{"a.mp4": "", "a.vtt": VTT})
    output = seds("add", "talks", str(disk), "--dry-run").stdout
    assert "would link data/raw/talks and add to params.yaml:\n  talks:\n    corpus: subtitled" in output
    assert (project / "params.yaml").read_bytes() == before
    assert sorted(os.listdir(project)) == ["params.yaml"]
    assert sorted(os.listdir(disk)) == ["a.mp4", "a.vtt"]


def test_nothing_is_overwritten(project: Path, disk: Path) -> None:
    write(disk, **{"a.mp4": "", "a.vtt": VTT})
    write(project / "data/raw/mine", **{"notes.txt": "kept"})
    before = (project / "params.yaml").read_bytes()
    assert "data/raw/mine exists, and nothing is overwritten" in seds("add", "mine", str(disk), code=1).stderr
    assert "already has a corpus demo" in seds("add", "demo", str(disk), code=1).stderr
    assert "cannot be the name of a corpus" in seds("add", "my corpus", str(disk), code=1).stderr
    assert "not found" in seds("add", "x", str(disk / "gone"), code=1).stderr
    assert (
        "holds this project's own data/raw" in seds("add", "x", str(project.parent), "--as", "subtitled", code=1).stderr
    )
    assert (project / "params.yaml").read_bytes() == before
    assert os.listdir(project / "data/raw") == ["mine"]
    assert os.listdir(project / "data/raw/mine") == ["notes.txt"]


def test_corpus_that_is_in_its_place_gets_its_entry(project: Path) -> None:
    write(project / "data/raw/mine", **{"a.mp4": "", "a.vtt": VTT})
    seds("add", "mine", "data/raw/mine")
    assert not Path("data/raw/mine").is_symlink()
    assert load_params().datasets["mine"].corpus == "subtitled"


def test_what_is_not_recognised_says_what_was_expected(project: Path, disk: Path) -> None:
    write(disk, **{"a.mp4": "", "x.txt": ""})
    message = seds("add", "mine", str(disk), code=1).stderr
    assert "nothing that can be added was recognised" in message
    assert "1 videos" in message
    for kind in ("how2sign", "folder: a table with the columns path and text", "elan: *.eaf", "subtitled: videos, and"):
        assert kind in message


ENTRY = {"corpus": "elan", "profile": "auto", "sentence_tiers": ["a: b", "#c", "yes"], "wrist_margin": 0.5}
LINES = (
    '  new:\n    corpus: elan\n    profile: auto\n    sentence_tiers: ["a: b", "#c", "yes"]\n    wrist_margin: 0.5\n'
)


def own(datasets: str) -> str:
    """This project's parameters with other lines for datasets."""
    text = (ROOT / "params.yaml").read_text()
    start = text.index("datasets:\n")
    return text[:start] + datasets + text[text.index("\n# ---- the stages") :]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("datasets:\n  demo:\n    corpus: demo\n", "datasets:\n  demo:\n    corpus: demo\n" + LINES),
        (
            "datasets: # mine\n    demo:\n        corpus: demo # x\n\n# about\n",
            "datasets: # mine\n    demo:\n        corpus: demo # x\n" + LINES.replace("  ", "    ") + "\n# about\n",
        ),
        (
            "datasets:\n  demo:\n    corpus: demo\n    # of the demo\n  # a template\n",
            "datasets:\n  demo:\n    corpus: demo\n    # of the demo\n" + LINES + "  # a template\n",
        ),
        ("datasets:\n  demo: {corpus: demo}\n", "datasets:\n  demo: {corpus: demo}\n" + LINES),
        ("datasets:\n", "datasets:\n" + LINES),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_entry_goes_below_the_last_one_and_every_line_stays(before: str, after: str, newline: str) -> None:
    old, new = (own(text).replace("\n", newline) for text in (before, after))
    assert with_entry(old, "new", ENTRY) == new


@pytest.mark.parametrize(
    "datasets",
    ["datasets: {demo: {corpus: demo}}\n", "datasets: {}\n", "'datasets':\n  demo: {corpus: demo}\n"],
)
def test_entry_that_no_line_can_add_is_shown_instead(datasets: str) -> None:
    with pytest.raises(AddError, match=r"nothing was changed. Add this .* yourself:\n  new:\n    corpus: elan"):
        with_entry(own(datasets), "new", ENTRY)


def test_failure_leaves_nothing_behind(project: Path, disk: Path) -> None:
    write(disk, **{"a.mp4": "", "a.vtt": VTT})
    text = (project / "params.yaml").read_text().replace("datasets:\n", "datasets: &all\n", 1)
    (project / "params.yaml").write_text(text)
    assert "Add this below" in seds("add", "mine", str(disk), code=1).stderr
    assert (project / "params.yaml").read_text() == text
    assert not Path("data").exists()


def test_keypoints_without_videos_are_imported(project: Path, disk: Path) -> None:
    (disk / "a.pose").write_bytes(pose_bytes(0.2, people(20, 1, 67)))
    (disk / "videos.csv").write_text("path,text\na,Rain falls.\nb,Snow.\n")
    assert "would import to data/raw/points" in seds("add", "points", str(disk), "--dry-run").stdout
    assert not Path("data").exists()
    output = seds("add", "points", str(disk)).stdout
    assert "1 keypoint files; a.pose: .pose 0.2, 67 points" in output
    assert "missing: 1" in output
    assert load_params().datasets["points"] == Dataset(corpus="keypoints", streams="pose")
    assert len(prepare.prepare("points", load_params().datasets["points"], Path("data/raw/points"))) == 2


def test_keypoints_that_lack_a_frame_size_say_how_to_import_them(project: Path, disk: Path) -> None:
    before = Path("params.yaml").read_text()
    write_openpose(disk / "clip", "clip", {0: []})
    found = recognise(disk)
    assert found.kind == "keypoints"
    with pytest.raises(AddError, match=r"give --fps.*Try: seds import keypoints points --from"):
        adding.add("points", found)
    assert Path("params.yaml").read_text() == before
    assert not Path("data/raw/points").exists()
