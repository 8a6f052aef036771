"""What an index is: its bytes, and what is said of files that are missing, damaged, foreign or of another build."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.corpus import SIZES
from helpers.toy_search import write_index, write_model, write_project, write_searchable
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch

from seds import tables
from seds.config import load_params
from seds.data.split import DataError
from seds.index import store
from seds.index.build import build
from seds.index.row_writer import RowWriter
from seds.index.store import Header, SearchError, model_digest, open_index
from seds.model import checkpoint
from seds.search.first_pass import Ranker
from seds.search.ranking import Query
from seds.shards import write_shard
from seds.system.jobs import JobShare

FILES = ("index.json", "sentences.parquet", "sentences.safetensors", "videos.parquet", "videos.safetensors")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_searchable(tmp_path_factory.mktemp("made"), {"train": 1, "dev": 2})


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The index of a project of its own, in which the test works."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "index" / "toy"


def test_an_index_holds_each_usable_video_and_each_sentence_once(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    index = open_index("toy", folder.parents[1])
    manifest = pd.read_parquet(folder.parents[1] / "data/manifest/toy.parquet")
    usable = manifest[manifest["usable"]]
    assert index.videos["video_id"].tolist() == usable["video_id"].tolist()
    assert index.sentences["sentence_id"].tolist() == usable["sentence_id"].drop_duplicates().tolist()
    tensors = load_torch(folder / "videos.safetensors")
    lengths = tensors["offsets"].diff()
    assert lengths.tolist() == (index.videos["windows"] + 1).tolist() == tensors["valid"].tolist()
    for stream in index.header.streams:
        tokens = tensors[f"tokens/{stream}"]
        assert tokens.dtype == torch.float16
        parts = tokens.float().split(lengths.tolist())
        torch.testing.assert_close(
            tensors[f"pooled/{stream}"], torch.stack([part.mean(0) for part in parts]), rtol=0, atol=5e-4
        )
    ends = tensors["times"].split(lengths.tolist())
    for video, times in zip(index.videos.itertuples(), ends, strict=True):
        assert times[0].tolist() == pytest.approx([0, video.duration_s])
        assert (times[1:, 1] - times[1:, 0]).tolist() == pytest.approx([16 / 25] * video.windows, abs=1e-5)
        assert float(times.max()) <= video.duration_s + 1e-6


def test_windows_of_a_varying_rate_have_the_times_of_frames(folder: Path) -> None:
    pose = Path("data/pose/toy/0.safetensors")
    tensors = load_file(pose)
    index = open_index("toy", Path())
    even, video_id = load_file(folder / "videos.safetensors"), index.videos["video_id"].iloc[1]
    edges = np.arange(len(tensors[f"keypoints/{video_id}"]) + 1) / 25
    edges[5:] += 0.4  # the camera paused; the first window has begun
    fields: dict[str, dict[str, np.ndarray]] = {name.split("/", 1)[1]: {} for name in tensors}
    for name, values in tensors.items():
        field, owner = name.split("/", 1)
        fields[owner][field] = values
    fields[video_id]["frame_times"] = edges
    write_shard(pose, "pose", fields, {})
    write_index(Path())
    own = load_file(folder / "videos.safetensors")
    first, end = even["offsets"][1] + 1, even["offsets"][2]
    shown = even["times"][first:end]
    np.testing.assert_allclose(own["times"][first:end], shown + 0.4 * (shown >= 5 / 25), atol=1e-6)
    assert shown[0, 0] < 5 / 25 < shown[0, 1]
    np.testing.assert_array_equal(own["times"][:first], even["times"][:first])
    np.testing.assert_array_equal(own["times"][end:], even["times"][end:])


def test_the_same_inputs_make_the_same_bytes(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in FILES}
    write_index(folder.parents[1])
    assert {name: (folder / name).read_bytes() for name in FILES} == before


def test_files_of_several_jobs_are_one_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of eight, so that files of eight videos have those of one file; the second job's are made at the end."""
    monkeypatch.setattr("seds.model.encoding.VIDEO_BATCH", 8)
    write_index(Path())
    whole, table = open_index("toy", Path()), (folder / "videos.parquet").read_bytes()
    params, model = load_params(), checkpoint.load(Path("models/toy")).eval()
    settings = params.index.model_copy(update={"shard_videos": 8})

    def make(job: JobShare | None = None) -> Header | None:
        sha256 = model_digest(Path("models/toy"))
        return build("toy", model, sha256, params.rules("toy"), settings, folder, workers=1, job=job)

    assert make(JobShare(1, 2)) is None
    made = sorted(path.name for path in Path("work/index/toy").rglob("*.safetensors"))
    assert made == ["videos-00000-of-00003.safetensors", "videos-00002-of-00003.safetensors"]
    assert (folder / "videos.safetensors").exists(), "the index that is there stays until the new one is whole"
    first = next(Path("work/index/toy").rglob("videos-00000*")).stat().st_mtime_ns
    make()
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    assert files == ["sentences.safetensors", *(f"videos-{i:05d}-of-00003.safetensors" for i in range(3))]
    assert (folder / files[1]).stat().st_mtime_ns == first
    assert not list(Path("work/index").rglob("*.safetensors"))
    assert (folder / "videos.parquet").read_bytes() == table

    sharded, count = open_index("toy", Path()), len(whole.times)
    for low, high in ((0, count), (0, 1), (count - 3, count), (5, 5)):
        assert torch.equal(sharded.times[low:high], whole.times[low:high])
    for stream, expected in whole.video_tokens.items():
        found = sharded.video_tokens[stream]
        assert torch.equal(found.tokens[:], expected.tokens[:])
        assert torch.equal(torch.cat(list(found.pooled.split(3))), expected.pooled[:])
        assert torch.equal(found.offsets, expected.offsets)
        assert torch.equal(found.valid, expected.valid)
        query = Query(whole.sentence_tokens.tokens[:4].float(), 4)
        for exact in (100, 5):
            rankers = (Ranker(stored, 0.5, exact, 15) for stored in (found, expected))
            (rows, values), (expected_rows, expected_values) = (ranker.best(query, 10) for ranker in rankers)
            assert rows.tolist() == expected_rows.tolist()
            assert values.tobytes() == expected_values.tobytes()
    (folder / files[2]).unlink()
    with pytest.raises(SearchError, match=r"videos-00001-of-00003.safetensors not found; make .*dvc repro index@toy"):
        open_index("toy", Path())


def test_one_reader_takes_a_video_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_file(folder / "videos.safetensors")
    monkeypatch.setattr("seds.model.encoding.VIDEO_BATCH", 1)
    write_index(folder.parents[1])
    after = load_file(folder / "videos.safetensors")
    for name, tensor in before.items():
        np.testing.assert_allclose(after[name], tensor, atol=2e-3 if name.startswith("tokens") else 1e-5)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_the_command_that_makes_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(SearchError, match=f"{name} not found; make .*dvc repro index@toy"):
        open_index("toy", folder.parents[1])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(folder: Path, name: str, kept: float) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SearchError, match=rf"{name}.*dvc repro index@toy"):
        open_index("toy", folder.parents[1])


def test_foreign_and_mixed_files_are_told_apart(folder: Path) -> None:
    path = folder / "videos.safetensors"
    own = path.read_bytes()
    save_file({"tokens": np.zeros((2, 3), np.float32)}, path)
    with pytest.raises(SearchError, match=r"videos.safetensors: expected schema 'seds-index-1' of kind 'videos'"):
        open_index("toy", folder.parents[1])
    (folder / "videos.safetensors").write_bytes((folder / "sentences.safetensors").read_bytes())
    with pytest.raises(SearchError, match="of kind 'videos', found 'seds-index-1' of kind 'sentences'"):
        open_index("toy", folder.parents[1])
    write_model(folder.parents[1], seed=5)
    write_index(folder.parents[1])
    path.write_bytes(own)
    with pytest.raises(SearchError, match=r"videos.safetensors belongs to another index"):
        open_index("toy", folder.parents[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": "seds-index-9"}, "expected schema 'seds-index-1', found 'seds-index-9'"),
        ({"dataset": "other"}, "is the index of 'other', not of 'toy'"),
        ({"videos": 3}, "rows, .* says 3"),
        ({"video_tokens": 3}, "have shapes"),
        ({"embed": 31}, "have shapes"),
        ({"streams": ["fusion", "sound"]}, "lack 'tokens/sound'"),
        ({"candidates": 0}, "is not an index's header: candidates"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_a_header_that_does_not_fit_is_told(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SearchError, match=message):
        open_index("toy", folder.parents[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="text"), "has no column text"),
        (lambda table: table.assign(text=1), "column text: int64, 0 of"),
        (lambda table: table.assign(fps=np.nan), r"column fps: double, (\d+) of \1 values missing"),
    ],
    ids=["no column", "no text", "no value"],
)
def test_table_that_a_search_cannot_read_is_named(folder: Path, change: Callable, message: str) -> None:
    path = folder / "videos.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    with pytest.raises(SearchError, match=rf"videos\.parquet.*{message}.*dvc repro index@toy"):
        open_index("toy", folder.parents[1])


def test_whole_table_is_checked_by_its_contract(folder: Path) -> None:
    path = folder / "videos.parquet"
    pd.read_parquet(path).assign(split="holdout").to_parquet(path, index=False)
    index = open_index("toy", folder.parents[1])
    with pytest.raises(SearchError, match=r"(?s)videos\.parquet breaks its contract.*holdout.*dvc repro index@toy"):
        _ = index.videos


def test_columns_that_a_search_reads_are_of_the_contract() -> None:
    for kind, schema in ((store.VIDEOS, tables.INDEX_VIDEOS), (store.SENTENCES, tables.INDEX_SENTENCES)):
        columns = {name: str(column.dtype) for name, column in schema.columns.items()}
        assert {columns[name] for name in store._NUMBERS[kind]} <= {"float64"}
        assert {columns[name] for name in store._TEXTS[kind]} == {columns["text"]}
    nullable = {name for name, column in tables.INDEX_VIDEOS.columns.items() if column.nullable}
    assert set(store._OPTIONAL) == nullable


def test_a_model_for_other_data_makes_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_project(tmp_path, {"train": 1}, sizes=SIZES.model_copy(update={"rgb_features": 25}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="24 RGB features a window, the model reads 25"):
        write_index(tmp_path)
    assert not (tmp_path / "index/toy").exists()
    params = load_params()
    rules = params.rules("toy").model_copy(update={"max_windows": 8})
    with pytest.raises(DataError, match=r"manifest.max_windows is 8"):
        build("toy", model, "", rules, params.index, tmp_path / "index/toy")
    nothing = params.index.model_copy(update={"splits": ("test",)})
    with pytest.raises(DataError, match="no usable video in split 'test'"):
        build("toy", model, "", params.rules("toy"), nothing, tmp_path / "index/toy")


def test_rows_that_were_appended_are_what_safetensors_reads(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = {
        "b": [generator.normal(size=(n, 3)).astype(np.float16) for n in (1, 4, 2)],
        "a": [generator.normal(size=(n, 2, 2)).astype(np.float32) for n in (2, 1, 1)],
        "ids": [np.arange(n) for n in (1, 1, 1)],
    }
    for name in ("one", "two"):
        with RowWriter(tmp_path / name, {"seds": "é"}) as file:
            for part in range(3):
                for tensor, parts in rows.items():
                    file.append(tensor, parts[part])
            with pytest.raises(ValueError, match="b: rows float32"):
                file.append("b", np.zeros((1, 3), np.float32))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    loaded = load_file(tmp_path / "one")
    assert set(loaded) == set(rows)
    for tensor, parts in rows.items():
        np.testing.assert_array_equal(loaded[tensor], np.concatenate(parts))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_file_whose_making_fails_does_not_appear(tmp_path: Path) -> None:
    def fill() -> None:
        with RowWriter(tmp_path / "one", {}) as file:
            file.append("a", np.zeros((1, 3), np.float32))
            file.append("a", np.zeros((1, 3), np.float64))

    with pytest.raises(ValueError, match="a: rows float64"):
        fill()
    assert not list(tmp_path.iterdir())
