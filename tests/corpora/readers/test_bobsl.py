"""BOBSL: which of several subtitles count, what is not signed, and spottings as signs."""

import json
from pathlib import Path

import pytest
from helpers.films import film

from seds.add.recognise import recognise
from seds.config import Dataset
from seds.corpora import prepare
from seds.corpora.readers import bobsl

BOBSL = Dataset(corpus="bobsl")
EPISODES = ("5085344787448740525", "5133159136586955142", "5200000000000000000")
HEURISTIC = "automatic_annotations/signing_aligned_subtitles/audio_aligned_heuristic_correction"
MANUAL = "manual_annotations/signing_aligned_subtitles"


def write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


def vtt(*cues: tuple[float, float, str]) -> str:
    return "WEBVTT\n\n" + "".join(f"00:{start:06.3f} --> 00:{end:06.3f}\n{text}\n\n" for start, end, text in cues)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write(tmp_path / "subset2episode.json", {"train": [EPISODES[0]], "val": [int(EPISODES[1])], "test": [EPISODES[2]]})
    for i, name in enumerate(EPISODES):
        film(tmp_path / f"videos/{name}.mp4", frames=50, shade=i)
        write(tmp_path / f"{HEURISTIC}/{name}.vtt", vtt((0, 1, "By rule."), (1, 2, "[Not signed] here.")))
    write(tmp_path / f"{MANUAL}/{EPISODES[0]}.vtt", vtt((0.5, 2.5, "By hand."), (3, 5, "Later.")))
    return tmp_path


def test_the_best_subtitles_of_an_episode_are_read(corpus: Path) -> None:
    found = recognise(corpus)
    assert found.kind == "bobsl"
    videos = prepare.prepare("x", Dataset.model_validate(found.entry), corpus)
    assert videos[["text", "split", "start_s", "end_s", "status"]].to_numpy().tolist() == [
        ["By hand.", "train", 0.5, 2.5, "ok"],
        ["Later.", "train", 3, 5, "ok"],
        ["By rule.", "dev", 0, 1, "ok"],
        ["By rule.", "test", 0, 1, "ok"],
    ]


def test_subtitles_of_the_speech_are_moved(tmp_path: Path) -> None:
    write(tmp_path / "subset2episode.json", {"train": [EPISODES[0]]})
    for name in EPISODES[:2]:
        film(tmp_path / f"videos/{name}.mp4")
        write(tmp_path / f"subtitles/{name}/signhd.vtt", vtt((0, 1, "Spoken.")))
    table = bobsl.read_annotations(tmp_path, BOBSL)
    assert table[["start_s", "end_s"]].to_numpy().tolist()[0] == [2.7, 3.7]
    assert table["problem"].str.contains(f"{EPISODES[1]} is not in train").tolist() == [False, True]
    still = bobsl.read_annotations(tmp_path, BOBSL.model_copy(update={"offset_s": 0.0}))
    assert still["end_s"].tolist()[0] == 1


def test_verified_spottings_are_signs(corpus: Path) -> None:
    names = [EPISODES[0], EPISODES[0], int(EPISODES[2])]
    spotted = {"names": names, "global_times": [1.0, 2.75, 0.5], "probs": [1, 1, 1]}
    odd = {"names": names[:1], "global_times": ["x"]}
    folder = corpus / "manual_annotations/isolated_signs"
    write(folder / "verified_dict_spottings.json", {"test": {"tree": spotted, "odd": odd, "short": {"names": ["a"]}}})
    mouthed = {"train": {"dog": {"names": names[:1], "global_times": [2.4]}}}
    write(folder / "verified_mouthing_spottings.json", mouthed)
    _, signs, skipped = prepare.prepare_with_signs("x", BOBSL, corpus)
    assert signs[["label", "start_s", "end_s", "source"]].to_numpy().tolist() == [
        ["tree", 0.38, 1.38, "annotation"],  # 3 frames before to 22 behind, from 0.5 s on
        ["dog", 1.3, 2.0, "annotation"],
        ["tree", 0.38, 1.0, "annotation"],
    ]
    assert sorted(reason for reason, _, _ in skipped) == ["cannot be read", "cannot be read", "in no sentence"]
