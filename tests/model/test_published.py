"""Released names and tensors <-> the model's; test_verify compares names, shapes and groups with the listing."""

import re

import pytest
import torch
from helpers.recorded import GOLDEN, SMALL, SMALL32

from seds.config import ModelSizes
from seds.model.initialisation import initialise
from seds.model.published import PublishedTensorsError, load_published, load_signbert, published_state, sizes_of, tables
from seds.model.published_names import OURS_ALONE, TABLES, UNUSED, published_name
from seds.model.seds import SEDS
from seds.verify.recordings import weights


@pytest.fixture
def recorded():
    return weights(GOLDEN, "small")


def _started(seed=0):
    model = SEDS(SMALL, "published")
    initialise(model, torch.Generator().manual_seed(seed))
    return model


def test_what_the_release_lacks_has_no_name():
    with pytest.raises(KeyError, match="rgb_mean"):
        published_name("rgb_mean")


def test_load_fills_every_tensor(recorded):
    model = SEDS(SMALL)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(-7)
    load_published(model, {name: tensor.half() if tensor.dim() > 2 else tensor for name, tensor in recorded.items()})
    for name, tensor in model.state_dict().items():
        if name not in OURS_ALONE:
            assert torch.equal(tensor.flatten(), recorded[published_name(name)].flatten().to(tensor.dtype)), name


def _spoilt(recorded):
    del recorded["clip.ln_final.bias"]
    recorded["clip.extra"] = torch.zeros(1)
    recorded["clip.visual.proj"] = torch.zeros(3, 4)
    return recorded


def test_load_of_other_weights_leaves_the_model_as_it_is(recorded):
    model, before = _started(), _started().state_dict()
    with pytest.raises(PublishedTensorsError, match="not weights of a SEDS of these sizes") as caught:
        load_published(model, _spoilt(recorded), allow=["clip.extra"])
    message = str(caught.value)
    assert "missing: clip.ln_final.bias" in message
    assert "clip.extra" not in message
    assert re.search(r"clip\.visual\.proj \(3, 4\), the model has \(128, 64\)", message)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_what_is_allowed_by_name_stays_as_it_was(recorded):
    model, before = _started(), _started().state_dict()
    names = ["clip.ln_final.bias", "clip.extra", "clip.visual.proj"]
    assert sorted(load_published(model, _spoilt(recorded), allow=[*names, "clip.never"])) == sorted(names)
    for ours in ("text_tower.ln_final.bias", "pose_tower.projection"):
        assert torch.equal(model.state_dict()[ours], before[ours])
    assert torch.equal(model.state_dict()["rgb_tower.projection"], recorded["clip_rgb.visual.proj"])


def test_another_graph_is_refused(recorded):
    recorded |= tables(_started())
    load_published(_started(), recorded)
    recorded["signbert.embed.st_gcn_body.A_pool"][1, 0, 2] = 0.5
    with pytest.raises(PublishedTensorsError, match=r"st_gcn_body\.A_pool differs from this model"):
        load_published(_started(), recorded)
    with pytest.raises(PublishedTensorsError, match=r"fusion\.pe\.pe differs from this model"):
        load_published(_started(), recorded | {"fusion.pe.pe": torch.zeros(1, 65, 8)}, allow=[TABLES[4]])


def test_sizes_are_read_off_the_shapes(recorded):
    assert sizes_of({name: tensor.shape for name, tensor in recorded.items()}) == SMALL
    with torch.device("meta"):
        published = SEDS(ModelSizes())
    shapes = {published_name(n): t.shape for n, t in published.state_dict().items() if n not in OURS_ALONE}
    assert sizes_of(shapes) == ModelSizes()
    del recorded["clip.text_projection"]
    with pytest.raises(PublishedTensorsError, match=r"no tensor 'clip\.text_projection'"):
        sizes_of({name: tensor.shape for name, tensor in recorded.items()})
    with pytest.raises(PublishedTensorsError, match=r"clip\.text_projection has shape \(3,\)"):
        sizes_of({name: tensor.shape for name, tensor in recorded.items()} | {"clip.text_projection": [3]})


def test_the_way_back_gives_the_same_tensors(recorded):
    state = published_state(SMALL32.model(), half=False)
    assert set(state) == set(recorded) - set(UNUSED) | set(TABLES)
    for name in set(state) - set(TABLES):
        assert state[name].shape == recorded[name].shape, name
        assert torch.equal(state[name].double(), recorded[name].double()), name


def test_standardised_features_cannot_be_exported():
    model = _started()
    model.rgb_mean.fill_(0.5)
    with pytest.raises(PublishedTensorsError, match="standardise_rgb: false"):
        published_state(model, half=True)


def test_weighted_streams_cannot_be_exported():
    model = _started()
    model.pose_weight.fill_(0.7)
    with pytest.raises(PublishedTensorsError, match=r"weighs pose 0\.7.*stream_weights: equal"):
        published_state(model, half=True)


# ---- a pretrained pose encoder ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "signbert.", "module.signbert."])
def test_signbert_fills_the_pose_encoder_alone(recorded, tmp_path, prefix):
    state = {n.removeprefix("signbert."): t for n, t in recorded.items() if n.startswith("signbert.")}
    torch.save({"model": {prefix + name: tensor for name, tensor in state.items()}}, tmp_path / "p.pth")
    model, before = _started(), _started().state_dict()
    summary = load_signbert(model, tmp_path / "p.pth")
    assert re.search(r"(\d+) of \1 tensors of the pose encoder filled$", summary)
    for name, tensor in model.state_dict().items():
        if name.startswith("pose_encoder."):
            assert torch.equal(tensor.flatten(), recorded[published_name(name)].flatten().to(tensor.dtype)), name
        else:
            assert torch.equal(tensor, before[name]), name


def test_a_part_of_the_pose_encoder_will_do_and_is_said(recorded, tmp_path):
    torch.save({n: t for n, t in recorded.items() if n.startswith("signbert.embed.")}, tmp_path / "p.pth")
    model, before = _started(), _started().state_dict()
    assert load_signbert(model, tmp_path / "p.pth").endswith("not in the file: 13 tensors of GCN_Conv")
    name = "pose_encoder.window_block.conv5.weight"
    assert torch.equal(model.state_dict()[name], before[name])


def test_what_the_pose_encoder_lacks_is_refused_unless_named(recorded, tmp_path):
    state = {n: t for n, t in recorded.items() if n.startswith("signbert.")} | {"signbert.head.bias": torch.ones(3)}
    torch.save(state, tmp_path / "p.pth")
    with pytest.raises(PublishedTensorsError, match=r"signbert_allow:\n  unknown: signbert\.head\.bias \(3,\)$"):
        load_signbert(_started(), tmp_path / "p.pth")
    assert "filled" in load_signbert(_started(), tmp_path / "p.pth", allow=["head.bias"])
    torch.save({"other": torch.ones(1)}, tmp_path / "q.pth")
    with pytest.raises(PublishedTensorsError, match="missing: "):
        load_signbert(_started(), tmp_path / "q.pth", allow=["other"])


@pytest.mark.parametrize("changes", [{"streams": "pose"}, {"streams": "rgb"}, {"fusion": "mlp"}, {"text": "use"}])
def test_tensors_without_published_names_are_refused(changes):
    model = SEDS(SMALL.model_copy(update=changes), "default" if "text" in changes else "published")
    with pytest.raises(PublishedTensorsError, match="with cgaf and clip only"):
        published_state(model, half=False)
    with pytest.raises(PublishedTensorsError, match="with cgaf and clip only"):
        load_published(model, {})


def test_a_checkpoint_of_another_fusion_is_refused():
    shapes = {name: t.shape for name, t in published_state(SEDS(SMALL), half=False).items() if "P2R_layers" not in name}
    with pytest.raises(PublishedTensorsError, match="has no gloss attention"):
        sizes_of(shapes)


def test_a_model_without_a_pose_encoder_takes_no_pretrained_one(tmp_path):
    with pytest.raises(PublishedTensorsError, match=r"stream rgb alone .* set train.<profile>.signbert to null"):
        load_signbert(SEDS(SMALL.model_copy(update={"streams": "rgb"})), tmp_path / "none.pth")
