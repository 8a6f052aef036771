"""mmpose's smallest whole-body network with random weights: our batches against its own frame-by-frame inference."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from seds.config import MmposeProfile
from seds.extraction.extractor import Video
from seds.extraction.openmmlab import fill_import_gaps
from seds.pose.estimators import extractor_spec
from seds.pose.mmpose_weights import config_path, find_weights
from seds.pose.mmpose_wholebody import Wholebody
from seds.skeleton import JOINTS
from seds.video import frames
from seds.video.boxes import Box
from seds.weightfiles import WeightFileError

CONFIG = "rtmpose-m_8xb64-270e_coco-wholebody-256x192"
PROFILE = MmposeProfile(
    estimator="mmpose", config=CONFIG, weights=None, weights_sha256=None, precision="float32", compile=False
)
VIEW = (0.0, 0.0, 160.0, 120.0)  # the whole of the pictures below


def changed(**changes: Any) -> MmposeProfile:
    return PROFILE.model_copy(update=changes)


@pytest.fixture(scope="module")
def reference() -> torch.nn.Module:
    """mmpose's own model, its weights random and large enough for every joint to move with the picture."""
    fill_import_gaps()
    from mmengine import Config
    from mmpose.apis import init_model

    torch.manual_seed(0)  # of the parameters that are not drawn below
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


@pytest.fixture(scope="module")
def clip(images: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return Video("a", str(path), None, None, 9, 25.0, 160, 120, "")


@contextmanager
def clear_peaks(model: torch.nn.Module) -> Iterator[list[np.ndarray]]:
    """Fills a list with bool [N,133], one a batch: joints whose place rounding does not decide.

    A joint stands where its scores along either axis are highest. Random weights give a few joints two maxima that are
    equal but for rounding, which is 1e-6 of them: which is the higher one depends on the batch and on the processor.
    """
    decode, clear = model.head.decode, []

    def watch(scores: tuple[torch.Tensor, torch.Tensor]) -> Any:
        highest = [torch.as_tensor(axis).topk(2).values for axis in scores]
        clear.append(np.all([(top[..., 0] - top[..., 1] > 2e-5 * top[..., 0]).numpy() for top in highest], axis=0))
        return decode(scores)

    model.head.decode = watch
    try:
        yield clear
    finally:
        model.head.decode = decode


def assert_same_keypoints(found: np.ndarray, expected: np.ndarray, clear: np.ndarray) -> None:
    """In float32: places of all joints but those that rounding decides, of which there may be few; all scores."""
    assert clear.mean() > 0.98
    assert np.abs(found - expected)[clear, :2].max() < 0.01
    np.testing.assert_allclose(found[..., 2], expected[..., 2], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("box", [None, (30.0, 10.5, 100.0, 119.0)])
def test_batches_equal_mmpose_frame_by_frame(
    reference: torch.nn.Module, weights: Path, clip: Video, box: Box | None
) -> None:
    from mmpose.apis import inference_topdown

    result = extractor_spec(changed(weights=str(weights)), "cpu").make()(replace(clip, bbox=box))
    found = result.tensors["keypoints"]

    expected = []
    with clear_peaks(reference) as clear:
        for image in frames(clip.path):
            person = inference_topdown(reference, image[..., ::-1], box and [list(box)])[0].pred_instances
            expected.append(np.concatenate([person.keypoints[0], person.keypoint_scores[0][:, None]], axis=1))
    assert (found.dtype, found.shape, result.frames, result.rows) == (np.float32, (9, JOINTS, 3), 9, 9)
    assert found[..., :2].std(axis=0).mean() > 3, "joints move with the picture, or the comparison says little"
    assert_same_keypoints(found, np.stack(expected), np.concatenate(clear))


@pytest.mark.slow
@pytest.mark.parametrize("config", ["cspnext-m_udp_8xb64-210e_coco-wholebody-256x192", CONFIG])
def test_warp_equals_that_of_mmposes_transforms(config: str, images: list[np.ndarray], tmp_path: Path) -> None:
    """Pixel by pixel, with its biased and its unbiased (UDP) corners."""
    fill_import_gaps()
    from mmengine import Config
    from mmengine.dataset import Compose
    from mmpose.apis import init_model

    settings = Config.fromfile(config_path(config))
    settings.model.backbone.init_cfg = None
    settings.model.backbone._scope_ = "mmpose"
    torch.save(init_model(settings, device="cpu").state_dict(), tmp_path / "w.pth")
    estimate = Wholebody(changed(config=config), tmp_path / "w.pth", "cpu")
    view = (12.0, 7.5, 90.0, 120.0)
    warp, _ = estimate._plan(images[0].shape[:2], view)
    mmposes = Compose(settings.test_dataloader.dataset.pipeline)
    for image in images[:3]:
        sample = {"img": image[..., ::-1], "bbox": np.array([view], np.float32), "bbox_score": np.ones(1, np.float32)}
        expected = mmposes(sample)["inputs"].numpy()
        np.testing.assert_array_equal(warp(image).transpose(2, 0, 1)[::-1], expected)


def test_half_precision_stays_near_float32(weights: Path, images: list[np.ndarray]) -> None:
    """In the median over the joints; random weights leave some joints with two peaks of one height."""
    full, half = (
        Wholebody(changed(precision=precision), weights, "cpu")(images[:2], VIEW)
        for precision in ("float32", "bfloat16")
    )
    assert half.dtype == np.float32
    assert not np.array_equal(full, half)
    assert np.median(np.abs(full - half)[..., :2]) < 0.5  # px; the frames are 160 wide
    np.testing.assert_allclose(half[..., 2], full[..., 2], rtol=0.1, atol=0.05)


@pytest.mark.slow
def test_batches_shrink_with_memory_and_the_result_stays(weights: Path, images: list[np.ndarray]) -> None:
    estimate = Wholebody(PROFILE, weights, "cpu")
    with clear_peaks(estimate._model) as clear:
        expected = estimate(images, VIEW)
    forward, sizes = estimate._model.backbone.forward, []

    def tight(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return forward(batch)

    estimate._model.backbone.forward = tight
    assert_same_keypoints(estimate(images, VIEW), expected, np.concatenate(clear))
    assert sizes == [4, *[2] * 8, 1, 1], "each batch runs twice, mirrored the second time"


def test_weights_that_do_not_fit_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightFileError, match=r"nowhere\.pth not found; with weights: null, mmpose's own"):
        find_weights(changed(weights="nowhere.pth"))
    with pytest.raises(WeightFileError, match="expected sha256 00"):
        find_weights(changed(weights=str(weights), weights_sha256="00" * 32))

    class Attack:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "attacked",))

    cases = {
        "attack.pth": r"its pickle asks for \S+, which is refused",
        "other.pth": r"not a checkpoint of .*: \d+ tensors are missing, such as backbone",
        "text.pth": "damaged, or holds more than tensors",
        "shape.pth": "size mismatch",
    }
    torch.save({"state_dict": {}, "meta": Attack()}, tmp_path / "attack.pth")
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("hello")
    torch.save({"state_dict": {"backbone.stem.0.conv.weight": torch.zeros(1)}}, tmp_path / "shape.pth")
    for name, reason in cases.items():
        with pytest.raises(WeightFileError, match=reason):
            Wholebody(PROFILE, tmp_path / name, "cpu")
    assert not (tmp_path / "attacked").exists()


def test_config_path_knows_every_config_of_the_family() -> None:
    for name in ("rtmpose-l_8xb32-270e_coco-wholebody-384x288", "rtmw-x_8xb320-270e_cocktail14-384x288"):
        assert config_path(name).stem == name
