"""Recognizers of mmaction2 as eyes: small ones on random weights, and what the configs in its wheel say."""

import numpy as np
import pytest
import torch
from helpers.films import film

from seds.config import ConfigError, RgbProfile
from seds.extraction.extractor import Video
from seds.recognizers.backbone import Clip, build, read_config
from seds.recognizers.extractor import extractor_spec
from seds.rgb.windows import rgb_windows
from seds.weightfiles import WeightFileError

PREPROCESSOR = "dict(type='ActionDataPreprocessor', mean=[100.0, 110, 120], std=[50.0, 60, 70], format_shape='{form}')"
CONFIG = """
model = dict(type='{kind}', backbone={backbone}, cls_head=dict(type='I3DHead', num_classes=4, in_channels=8),
             data_preprocessor={preprocessor})
test_pipeline = [dict(type='DecordInit'), dict(type='SampleFrames', {sample}), dict(type='DecordDecode'),
                 dict(type='Resize', scale=(-1, 40)), dict(type='CenterCrop', crop_size=32),
                 dict(type='FormatShape', input_format='{form}'), dict(type='PackActionInputs')]
"""
X3D = {
    "kind": "Recognizer3D", "form": "NCTHW", "sample": "clip_len=4, frame_interval=2, num_clips=1",
    "backbone": "dict(type='X3D', gamma_w=1, gamma_b=1, gamma_d=1, pretrained='https://nowhere.example/a.pth')",
}  # fmt: skip
TSM = {
    "kind": "Recognizer2D", "form": "NCHW", "sample": "clip_len=1, frame_interval=1, num_clips=8",
    "backbone": "dict(type='MobileNetV2TSM', num_segments=8, widen_factor=0.25, pretrained2d=True, pretrained='mmcls://x')",
}  # fmt: skip


def written(path, **values):
    path.write_text(CONFIG.format(preprocessor=PREPROCESSOR.format(form=values["form"]), **values))
    return path


def profile(network: str, **values) -> RgbProfile:
    shared = {"weights_sha256": None, "seed": 0, "size": 32, "crop": 32, "stride": 4, "width": 1.0}
    return RgbProfile.model_validate(
        shared | {"network": network, "weights": None, "precision": "float32", "compile": False} | values
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    film(path, 21, 10)
    return Video("a", str(path), None, None, 21, 10.0, 64, 48, "")


@pytest.mark.slow
@pytest.mark.parametrize("network", [X3D, TSM], ids=["3d", "2d"])
def test_recognizer_gives_features_of_each_window(tmp_path, video, network):
    spec = extractor_spec(profile(str(written(tmp_path / "net.py", **network))), "cpu")
    assert (spec.settings["network"], spec.settings["window"], spec.settings["weights"]) == (
        "net",
        "8",
        "random, seed 0",
    )
    extractor = spec.make()
    extraction = extractor(video)
    table, starts = extraction.tensors["features"], extraction.tensors["starts"]
    np.testing.assert_array_equal(starts, rgb_windows(21, 8, 4))
    assert (extraction.frames, extraction.rows, len(table)) == (21, len(starts), len(starts))
    assert table.dtype == np.float16
    assert not np.array_equal(table[0], table[-1])

    again = spec.make()(video).tensors["features"]
    np.testing.assert_array_equal(again, table)  # the seed's weights
    # A window by itself, as mmaction2's own pipeline would have it.
    config = read_config(str(tmp_path / "net.py"))
    recognizer = build(config, 0, None).eval()
    images = list(extractor._prepared(video))[: 8 : config.clip.interval]
    clip = torch.from_numpy(np.stack(images)).float()
    shown = (clip - torch.tensor([100.0, 110, 120])) / torch.tensor([50.0, 60, 70])  # [T,H,W,3]
    with torch.inference_mode():
        maps = recognizer.backbone(shown.permute(3, 0, 1, 2)[None] if network is X3D else shown.permute(0, 3, 1, 2))
    alone = maps.mean(dim=(0, 2, 3, 4)) if network is X3D else maps.mean(dim=(0, 2, 3))
    np.testing.assert_allclose(table[0].astype(np.float32), alone, rtol=2e-3, atol=2e-3)


@pytest.mark.slow
def test_checkpoint_must_fit_its_config(tmp_path, video):
    path = written(tmp_path / "net.py", **X3D)
    state = build(read_config(str(path)), 7, None).state_dict()
    torch.save({"state_dict": {**state, "cls_head.fc_cls.weight": torch.zeros(4, 8)}, "meta": {}}, tmp_path / "a.pth")
    given = extractor_spec(profile(str(path), weights=str(tmp_path / "a.pth")), "cpu").make()(video)
    drawn = extractor_spec(profile(str(path), seed=7), "cpu").make()(video)
    np.testing.assert_array_equal(given.tensors["features"], drawn.tensors["features"])
    torch.save(
        {"state_dict": {name: value for name, value in state.items() if "conv1" not in name}}, tmp_path / "b.pth"
    )
    with pytest.raises(WeightFileError, match=r"no checkpoint of net:\n  missing backbone\.conv1"):
        extractor_spec(profile(str(path), weights=str(tmp_path / "b.pth")), "cpu").make()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb",
         Clip(32, 2, 256, None, (224, 224), "NCTHW")),
        ("vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400", Clip(16, 4, 224, None, (224, 224), "NCTHW")),
        ("x3d_s_13x6x1_facebook-kinetics400-rgb", Clip(13, 6, 182, None, (182, 182), "NCTHW")),
        ("tsm_imagenet-pretrained-mobilenetv2_8xb16-1x1x8-100e_kinetics400-rgb",
         Clip(8, 1, 256, None, (224, 224), "NCHW")),
    ],
)  # fmt: skip
def test_configs_of_the_wheel_say_frames_and_sizes(name, clip):
    assert read_config(name).clip == clip


def test_what_is_no_recognizer_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown network 'i3'; mmaction2 has:\n"):
        read_config("i3")
    with pytest.raises(ConfigError, match=r"gone\.py not found"):
        read_config("gone.py")
    (tmp_path / "other.py").write_text("model = dict(type='RecognizerGCN')")
    with pytest.raises(ConfigError, match="type 'RecognizerGCN', expected Recognizer2D or Recognizer3D"):
        read_config(str(tmp_path / "other.py"))
    (tmp_path / "broken.py").write_text("model = ")
    with pytest.raises(ConfigError, match="is no config of a recognizer"):
        read_config(str(tmp_path / "broken.py"))


def test_frames_are_scaled_by_the_shorter_side_and_cropped_in_the_middle():
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, 40:56] = 200
    prepared = Clip(4, 1, 24, None, (16, 20), "NCTHW").prepared(image)
    assert prepared.shape == (20, 16, 3)
    assert prepared[:, 5:11].min() > 190
    assert prepared[:, :3].max() < 10
