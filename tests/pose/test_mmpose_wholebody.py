"""mmpose's smallest whole-body network with random weights: our batches against its own frame-by-frame inference."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from seds.compat import fill_import_gaps
from seds.extract import Video
from seds.pose.estimators import estimator
from seds.pose.mmpose_wholebody import WeightsError, Wholebody, config_path, resolve_weights
from seds.pose.skeleton import JOINTS
from seds.video import frames

CONFIG = "rtmpose-m_8xb64-270e_coco-wholebody-256x192"


@pytest.fixture(scope="module")
def reference() -> torch.nn.Module:
    """mmpose's own model, its weights random and large enough for every joint to move with the picture."""
    fill_import_gaps()
    from mmengine import Config
    from mmpose.apis import init_model

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    config = Config.fromfile(config_path(CONFIG))
    config.model.backbone.init_cfg = None
    config.model.backbone._scope_ = "mmpose"
    model = init_model(config, device="cpu")
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            fan = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan) ** 0.5, generator=generator)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
    return model


@pytest.fixture(scope="module")
def weights(reference: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as mmpose saves one, the data set's description in numpy arrays with it."""
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save({"state_dict": reference.state_dict(), "meta": {"dataset_meta": reference.dataset_meta}}, path)
    return path


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Nine smooth pictures, wider than high: one more than a batch on a CPU holds."""
    rng = np.random.default_rng(0)
    return [cv2.resize(rng.integers(0, 255, (5, 8, 3)).astype(np.uint8), (160, 120)) for _ in range(9)]


def test_batches_equal_mmpose_frame_by_frame(
    reference: torch.nn.Module, weights: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    from mmpose.apis import inference_topdown

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    build = estimator("mmpose", config=CONFIG, weights=str(weights)).build
    result = build()(Video("a", str(path), None, None, 9, 25.0, 160, 120, ""))
    found = result.tensors["keypoints"]

    expected = []
    for image in frames(path):
        person = inference_topdown(reference, image[..., ::-1])[0].pred_instances
        expected.append(np.concatenate([person.keypoints[0], person.keypoint_scores[0][:, None]], axis=1))
    assert (found.dtype, found.shape, result.frames, result.rows) == (np.float32, (9, JOINTS, 3), 9, 9)
    assert found[..., :2].std(axis=0).mean() > 5, "joints move with the picture, or the comparison says little"
    assert np.abs(found[..., :2] - np.stack(expected)[..., :2]).max() < 0.01
    np.testing.assert_allclose(found[..., 2], np.stack(expected)[..., 2], rtol=1e-4)


def test_settings_say_which_network_and_weights(weights: Path) -> None:
    sha256 = resolve_weights(CONFIG, str(weights), None)[1]
    settings = estimator("mmpose", config=CONFIG, weights=str(weights), weights_sha256=sha256.upper()).settings
    assert settings["weights_sha256"] == sha256
    assert settings["config"] == CONFIG


def test_unknown_names_list_the_known(weights: Path) -> None:
    with pytest.raises(ValueError, match="'openpose'; known: mediapipe, mmpose"):
        estimator("openpose")
    with pytest.raises(ValueError, match="needs a config"):
        estimator("mmpose", weights=str(weights))
    with pytest.raises(WeightsError, match=r"'rtmpose-z'; mmpose has:\n(.*\n)*  rtmw-l_8xb320-270e_cocktail14-384x288"):
        estimator("mmpose", config="rtmpose-z", weights=str(weights))


def test_wrong_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth not found"):
        resolve_weights(CONFIG, "nowhere.pth", None)
    with pytest.raises(WeightsError, match="expected 00"):
        resolve_weights(CONFIG, str(weights), "00" * 32)

    class Attack:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "attacked",))

    cases = {
        "attack.pth": "damaged or holds more than tensors",
        "other.pth": "lacks .* tensors",
        "text.pth": "damaged or holds more than tensors",
        "shape.pth": "size mismatch",
    }
    torch.save({"state_dict": {}, "meta": Attack()}, tmp_path / "attack.pth")
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("hello")
    torch.save({"state_dict": {"backbone.stem.0.conv.weight": torch.zeros(1)}}, tmp_path / "shape.pth")
    for name, reason in cases.items():
        with pytest.raises(WeightsError, match=reason):
            Wholebody(CONFIG, str(tmp_path / name), "cpu")
    assert not (tmp_path / "attacked").exists()


def test_every_config_of_the_family_is_known() -> None:
    for name in ("rtmpose-l_8xb32-270e_coco-wholebody-384x288", "rtmw-x_8xb320-270e_cocktail14-384x288"):
        assert config_path(name).stem == name
