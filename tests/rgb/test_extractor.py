"""Preparation by its formula, windows, equality of one pass and windows alone, and the stage's path over real files."""

import math
from dataclasses import replace
from functools import partialmethod

import av
import numpy as np
import pandas as pd
import pytest
import torch

from seds import tables
from seds.config import RgbProfile
from seds.engine.executors import LocalExecutor
from seds.engine.run import extract
from seds.extraction.extractor import Video
from seds.rgb.extractor import (
    RgbExtractor,
    contrasted,
    crop_middle,
    extractor_spec,
    make_extractor,
    resize_to_square,
    settings,
    sliding_windows,
)
from seds.rgb.i3d import InceptionI3D, average_pool, build_recognizer
from seds.rgb.weights import initialise
from seds.rgb.windows import rgb_windows
from seds.shards import ShardReader
from seds.system.files import file_sha256
from seds.video import frames
from seds.weightfiles import WeightFileError

PROFILE = RgbProfile(
    weights=None,
    weights_sha256=None,
    seed=0,
    size=64,
    crop=56,
    stride=4,
    alpha=1.0,
    width=0.125,
    precision="float32",
    compile=False,
)
WINDOW = 16


def write_video(path, count, width=96, height=80, seed=0):
    """An H.264 file of `count` frames: a bright square that moves over noise."""
    noise = np.random.default_rng(seed).integers(0, 120, (height, width, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(count):
            image = noise.copy()
            image[10 + t % 40 : 30 + t % 40, 5 + 2 * (t % 30) : 25 + 2 * (t % 30)] = (220, 180, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def prepare(frame, size, crop):
    return crop_middle(torch.from_numpy(resize_to_square(frame, size)), crop)


def a_video(path, count=0, start_s=None, end_s=None):
    return Video(path.stem, str(path), start_s, end_s, count, 25.0, 96, 80, "")


@pytest.fixture(scope="module")
def extractor():
    return make_extractor(PROFILE, WINDOW, None, "cpu")


@pytest.mark.parametrize(("size", "crop"), [(64, 56), (128, 112), (256, 224)])
def test_crop_follows_the_formula(size, crop):
    """Pixel by pixel, float64: places S/16 - 0.5 + i 7/8 S/(C-1), the four neighbours weighed, minus 0.5."""
    frame = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)  # already square: nothing to resize
    got = prepare(frame, size, crop).numpy()
    assert got.shape == (3, crop, crop)
    assert got.dtype == np.float32
    picks = [0, 1, crop // 3, crop // 2, crop - 2, crop - 1]
    for row in picks:
        for column in picks:
            y, x = (size / 16 - 0.5 + i * 7 / 8 * size / (crop - 1) for i in (row, column))
            (t, v), (s, u) = divmod(y, 1), divmod(x, 1)
            t, s = int(t), int(s)
            expected = (
                (1 - v) * (1 - u) * frame[t, s].astype(float)
                + (1 - v) * u * frame[t, s + 1]
                + v * (1 - u) * frame[t + 1, s]
                + v * u * frame[t + 1, s + 1]
            ) / 255 - 0.5
            np.testing.assert_allclose(got[:, row, column], expected, atol=1e-5)


def test_crop_samples_the_published_positions():
    """A ramp shows where each pixel was taken: 15.5 to 239.5 of 256, step 224/223."""
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    places = (prepare(np.ascontiguousarray(ramp), 256, 224)[0, 0].numpy() + 0.5) * 255
    np.testing.assert_allclose(places, 15.5 + np.arange(224) * 224 / 223, atol=1e-3)


def test_local_contrast_hardly_depends_on_the_light():
    """A line at 0.4 of its surroundings looks alike on fair and on dark skin; a plain frame looks like nothing."""

    def line(level):
        frame = torch.full((3, 56, 56), level)
        frame[:, 20:22] *= 0.4
        return contrasted(frame - 0.5, "local")

    fair, dark = line(0.9), line(0.35)
    assert contrasted(torch.full((3, 56, 56), 0.3), "local").abs().max() < 1e-6
    assert fair[:, 20:22].max() < -0.25
    torch.testing.assert_close(dark, fair, rtol=0, atol=0.1)
    assert (dark.min() / fair.min()) > 0.75, "raw, it is 0.39"


def test_local_contrast_of_a_window_is_that_of_its_frames():
    window = torch.rand(2, 16, 3, 60, 60) - 0.5
    expected = torch.stack([torch.stack([contrasted(frame, "local") for frame in clip]) for clip in window])
    torch.testing.assert_close(contrasted(window, "local"), expected)
    assert contrasted(window, "raw") is window


def test_settings_name_the_contrast_unless_it_is_raw():
    assert "contrast" not in settings(PROFILE, WINDOW, None), "keys of features from before stay"
    assert settings(PROFILE.model_copy(update={"contrast": "local"}), WINDOW, None)["contrast"] == "local"


def test_resize_averages_what_it_shrinks():
    """A half-dark fine grid stays grey; looking at every 8th pixel it would turn black or white."""
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = stripes[:, 3::8] = 255
    torch.testing.assert_close(prepare(stripes, 64, 56), torch.full((3, 56, 56), 128 / 255 - 0.5))


@pytest.mark.parametrize(("height", "width"), [(40, 300), (300, 40), (33, 47)])
def test_crop_takes_frames_of_any_size(height, width):
    grey = prepare(np.full((height, width, 3), 51, np.uint8), 64, 56)
    torch.testing.assert_close(grey, torch.full((3, 56, 56), -0.3))


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("count", [*range(1, 12), 25])
def test_sliding_windows_are_those_of_rgb_windows(count, stride, window):
    stream = (torch.full((1,), float(i)) for i in range(count))
    got = list(sliding_windows(stream, window, stride))
    assert [numbers.start for numbers, _ in got] == rgb_windows(count, window, stride).tolist()
    assert got[-1][0].stop == count
    for numbers, clip in got:
        expected = [min(i, count - 1) for i in range(numbers.start, numbers.start + window)]
        assert [frame.item() for frame in clip] == expected
        assert numbers.stop == min(numbers.start + window, count)


def test_sliding_windows_of_no_frame_are_none():
    assert list(sliding_windows(iter(()), 16, 4)) == []


@pytest.mark.parametrize("count", [37, 16, 5])
def test_extractor_in_one_pass_equals_each_window_alone(tmp_path, extractor, count):
    path = write_video(tmp_path / "v.mp4", count)
    got = extractor(a_video(path, count))
    starts = rgb_windows(count, WINDOW, PROFILE.stride)
    assert got.tensors["starts"].tolist() == starts.tolist()
    assert (got.frames, got.rows) == (count, len(starts))
    network = InceptionI3D(PROFILE.width).eval()
    initialise(network, PROFILE.seed)
    for start, feature in zip(starts, got.tensors["features"], strict=True):
        every = list(frames(path))  # decoded anew
        window = [prepare(every[min(i, count - 1)], PROFILE.size, PROFILE.crop) for i in range(start, start + WINDOW)]
        with torch.inference_mode():
            alone = average_pool(network(torch.stack(window, dim=1)[None]))[0].numpy()
        assert feature.dtype == np.float16
        np.testing.assert_allclose(feature, alone, rtol=2**-10, atol=1e-4 * alone.std())  # float16 has 11 bits


@pytest.mark.parametrize("count", [21, 5])
def test_windows_that_share_layers_have_the_same_features(tmp_path, count):
    """In float32, before rounding, of which the layers behind make more. Two networks share frames, but no maps."""
    profile = PROFILE.model_copy(update={"stride": 1})
    recognizers = [(share, build_recognizer(PROFILE.width)) for share in (0.25, 0.75)]
    for seed, (_, recognizer) in enumerate(recognizers):
        initialise(recognizer.backbone, seed)
    extractor = RgbExtractor(recognizers, profile, WINDOW, "cpu")
    extractor.rows = lambda pooled: pooled
    video = a_video(write_video(tmp_path / "v.mp4", count))
    assert extractor.shares
    shared = extractor(video).tensors["features"]
    extractor.shares = False
    alone = extractor(video).tensors["features"]
    assert not np.array_equal(shared, alone) or count < WINDOW
    np.testing.assert_allclose(shared, alone, rtol=1e-3, atol=1e-3 * np.abs(alone).max())


def test_batches_change_no_feature(extractor):
    """In float32, before rounding: 1e-4 of the features' size."""
    batch = torch.rand(5, 3, WINDOW, 56, 56, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.inference_mode():
        together = average_pool(extractor.recognizers[0][1](batch[:, None], mode="tensor"))
        alone = torch.cat(
            [average_pool(extractor.recognizers[0][1](clip[None, None], mode="tensor")) for clip in batch]
        )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4 * alone.abs().mean().item())


def test_extractor_reads_a_cut_of_a_longer_file(tmp_path, extractor):
    path = write_video(tmp_path / "long.mp4", 50)
    cut = extractor(a_video(path, start_s=0.4, end_s=1.4))  # frames 10 to 34 at 25 fps
    assert cut.frames == 25
    assert cut.tensors["starts"].tolist() == [0, 4, 8, 9]
    direct = sliding_windows((prepare(f, 64, 56) for f in list(frames(path))[10:35]), WINDOW, PROFILE.stride)
    expected = extractor.features([clip for _, clip in direct]).numpy()
    np.testing.assert_array_equal(cut.tensors["features"], expected)


def test_features_of_a_box_are_those_of_its_crop(tmp_path, extractor):
    """Against the network on frames cropped by hand; the box reaches out of the 96x80 frame."""
    video = a_video(write_video(tmp_path / "v.mp4", 20))
    got = extractor(replace(video, bbox=(20.4, -10.0, 70.0, 200.0))).tensors["features"]
    crops = (prepare(frame[:, 20:70], PROFILE.size, PROFILE.crop) for frame in frames(video.path))
    expected = extractor.features([clip for _, clip in sliding_windows(crops, WINDOW, PROFILE.stride)]).numpy()
    np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(got, extractor(video).tensors["features"])
    with pytest.raises(ValueError, match=r"bbox 96,0,120,80 lies outside the frame, which is 96x80 px"):
        extractor(replace(video, bbox=(96.0, 0.0, 120.0, 80.0)))


def test_features_do_not_depend_on_the_video_before(tmp_path, extractor):
    short, long = (a_video(write_video(tmp_path / f"{n}.mp4", n, seed=n)) for n in (9, 40))
    first = extractor(short).tensors["features"]
    extractor(long)
    np.testing.assert_array_equal(extractor(short).tensors["features"], first)


def test_batches_shrink_with_memory_and_features_stay(tmp_path):
    extractor = make_extractor(PROFILE, WINDOW, None, "cpu")
    video = a_video(write_video(tmp_path / "v.mp4", 45))
    expected = extractor(video).tensors
    backbone, sizes = extractor.recognizers[0][1].backbone, []

    def tight(module, inputs):
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("out of memory")

    backbone.register_forward_pre_hook(tight)
    got = extractor(video).tensors
    assert sizes == [4, 2, 2, 2, 2, 1]
    np.testing.assert_array_equal(got["starts"], expected["starts"])
    np.testing.assert_allclose(got["features"], expected["features"], rtol=2**-10, atol=1e-4)


def rounded(extractor, dtype):
    """The float32 extractor with what half precision rounds rounded: weights, inputs and results of each layer."""

    def grain(x):
        return x.to(dtype).float()

    for module in extractor.recognizers[0][1].backbone.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.weight.data = grain(module.weight.data)
            module.register_forward_pre_hook(lambda _module, inputs: (grain(inputs[0]),))
        if isinstance(module, torch.nn.Conv3d | torch.nn.BatchNorm3d):
            module.register_forward_hook(lambda _module, _inputs, output: grain(output))
    return extractor


@pytest.mark.parametrize(("precision", "limit"), [("float16", 0.02), ("bfloat16", 8 * 0.02)])  # three bits fewer
def test_half_precision_errs_as_its_rounding_does(tmp_path, extractor, precision, limit):
    """Four networks and videos erred by 0.010 to 0.016 and by 0.078 to 0.115, 1.0 to 1.4 times as much as rounding."""

    def features(of):
        return of(video).tensors["features"].astype(np.float32)

    video = a_video(write_video(tmp_path / "v.mp4", 24))
    exact = features(extractor)
    half = features(make_extractor(PROFILE.model_copy(update={"precision": precision}), WINDOW, None, "cpu"))
    other = features(rounded(make_extractor(PROFILE, WINDOW, None, "cpu"), getattr(torch, precision)))
    error, of_rounding = (np.linalg.norm(found - exact) / np.linalg.norm(exact) for found in (half, other))
    assert 0 < error < min(2 * of_rounding, limit)


@pytest.mark.slow
def test_compiled_network_gives_the_same_features(tmp_path, extractor, monkeypatch):
    """Traced by Dynamo, its graphs run as they are: the C++ compiler would take a minute."""
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend="eager"))
    video = a_video(write_video(tmp_path / "v.mp4", 36))  # batches of 4 and of 2 windows
    compiled = make_extractor(PROFILE.model_copy(update={"compile": True}), WINDOW, None, "cpu")
    np.testing.assert_allclose(
        compiled(video).tensors["features"], extractor(video).tensors["features"], rtol=2**-10, atol=1e-4
    )
    assert compiled.recognizers[0][1].backbone._compiled_call_impl is not None


def test_features_that_are_nan_are_an_error(tmp_path):
    recognizer = build_recognizer(PROFILE.width)
    with torch.no_grad():
        recognizer.backbone.Mixed_5c.b0.bn.bias.fill_(math.nan)
    broken = RgbExtractor([(1.0, recognizer)], PROFILE, WINDOW, "cpu")
    with pytest.raises(ValueError, match=r"v\.mp4: some features are NaN or too large for float16"):
        broken(a_video(write_video(tmp_path / "v.mp4", 16)))


def test_settings_name_the_weights(tmp_path):
    assert extractor_spec(PROFILE, WINDOW, "cpu").settings == {
        "network": "InceptionI3D",
        "width": "0.125",
        "weights": "random, seed 0",
        "size": "64",
        "crop": "56",
        "stride": "4",
        "window": "16",
        "precision": "float32",
        "compiled": "false",
    }
    path = tmp_path / "bsl5k.pth.tar"
    path.write_bytes(b"weights")
    digest = file_sha256(path)
    given = PROFILE.model_copy(update={"weights": str(path)})
    assert extractor_spec(given, WINDOW, "cpu").settings["weights"] == f"bsl5k.pth.tar sha256 {digest}"
    with pytest.raises(WeightFileError, match="expected sha256 abc"):
        extractor_spec(given.model_copy(update={"weights_sha256": "abc"}), WINDOW, "cpu")


def test_extractor_runs_the_checkpoint(tmp_path, extractor):
    network = InceptionI3D(PROFILE.width)
    initialise(network, 5)
    path = tmp_path / "i3d.pth.tar"
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, path)
    video = a_video(write_video(tmp_path / "v.mp4", 16))
    loaded = extractor_spec(PROFILE.model_copy(update={"weights": str(path)}), WINDOW, "cpu").make()(video)
    seeded = make_extractor(PROFILE.model_copy(update={"seed": 5}), WINDOW, None, "cpu")(video)
    np.testing.assert_array_equal(loaded.tensors["features"], seeded.tensors["features"])
    assert not np.array_equal(loaded.tensors["features"], extractor(video).tensors["features"])


@pytest.mark.slow
def test_engine_extracts_two_files_and_lists_a_broken_one(tmp_path, extractor):
    """Two videos and one that is not: shards, index, header; the features are those of a direct call."""
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    paths = [write_video(tmp_path / "a.mp4", 21, seed=1), tmp_path / "broken.mp4", write_video(tmp_path / "b.mp4", 7)]
    rows = [
        {
            "video_id": path.stem,
            "sentence_id": path.stem,
            "split": "train",
            "text": "a sign",
            "text_original": "a sign",
            "language": "en",
            "signer": "",
            "path": str(path),
            "start_s": None,
            "end_s": None,
            "dataset": "test",
            "frames": 21,
            "fps": 25.0,
            "width": 96,
            "height": 80,
            "sha256": file_sha256(path),
            "status": "ok",
            "detail": "",
        }
        for path in paths
    ]
    output, spec = tmp_path / "rgb" / "test", extractor_spec(PROFILE, WINDOW, "cpu")
    index = extract(
        spec,
        tables.check(pd.DataFrame(rows), tables.VIDEOS, "videos"),
        output=output,
        scratch=tmp_path / "work",
        shard_videos=2,
        executor=LocalExecutor(["cpu"]),
    )
    assert index["status"].tolist() == ["ok", "failed", "ok"]
    assert index["frames"].tolist() == [21, 0, 7]
    assert index["rows"].tolist() == [3, 0, 1]
    assert "broken.mp4" in index["detail"][1]
    reader = ShardReader(output, "rgb")
    assert reader.metadata.items() >= spec.settings.items()
    for path in (paths[0], paths[2]):
        features, starts = reader.read(path.stem, ("features", "starts"))
        direct = extractor(a_video(path))
        assert (features.dtype, starts.dtype) == (np.float16, np.int32)
        np.testing.assert_array_equal(features, direct.tensors["features"])
        np.testing.assert_array_equal(starts, direct.tensors["starts"])
