"""CLIP's weights fill the towers' tensors that correspond to them, or a clear error says why not."""

import copy
import urllib.error

import open_clip
import pytest
import torch
from helpers.recorded import SMALL
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import save_file
from torch.nn import functional as F

from seds.config import ModelSizes
from seds.model.clip import ClipError, clip_name, load_clip
from seds.model.initialisation import initialise
from seds.model.seds import SEDS


def _model():
    model = SEDS(SMALL)
    initialise(model, torch.Generator().manual_seed(0))
    return model


@pytest.fixture(scope="module")
def clip_state():
    """open_clip's own network with the towers' small sizes and random weights."""
    torch.manual_seed(0)
    vision = CLIPVisionCfg(
        layers=SMALL.tower_layers, width=SMALL.tower_width, head_width=64, image_size=64, patch_size=32
    )
    text = CLIPTextCfg(SMALL.context, SMALL.vocabulary, width=SMALL.text_width, heads=2, layers=SMALL.text_layers)
    clip = CLIP(SMALL.embed, vision, text, quick_gelu=True)
    for p in clip.parameters():
        p.data.normal_(std=0.1)
    return clip.eval()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", "checkpoint.pt"])
def test_clip_fills_all_three_towers(clip_state, tmp_path, suffix):
    state = {name: tensor.contiguous() for name, tensor in clip_state.state_dict().items()}
    path = tmp_path / f"clip{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    elif suffix == ".pt":
        torch.save(state, path)
    else:
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": t for name, t in state.items()}}, path)
    model, before = _model(), _model().state_dict()
    filled = set(load_clip(model, str(path)))
    untouched = {name for name, _ in model.named_parameters() if torch.equal(model.state_dict()[name], before[name])}
    random = {f"{t}_tower.{n}" for t in ("pose", "rgb") for n in ("input.weight", "positional_embedding")}
    towers = {name for name, _ in model.clip_parameters()}
    assert filled == towers - random
    assert untouched == {name for name, _ in model.other_parameters()} | random

    # The text tower then computes what CLIP computes: the end token's projection is CLIP's text feature.
    ids = torch.randint(1, 298, (3, 7), generator=torch.Generator().manual_seed(0))
    ids[:, -1] = SMALL.vocabulary - 1
    with torch.no_grad():
        expected = clip_state.encode_text(F.pad(ids, (0, SMALL.context - 7)))
        actual = model.text_tower(ids)[:, -1]
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_published_sizes_are_those_of_vit_b_32():
    """Without any weights: every tensor of open_clip's ViT-B-32 that the towers ask for has their shape."""
    with torch.device("meta"):
        config = open_clip.get_model_config("ViT-B-32")
        clip = CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"], quick_gelu=True)
        model = SEDS(ModelSizes())
    available = {name: tensor.shape for name, tensor in clip.named_parameters()}
    for name, p in model.clip_parameters():
        if clip_name(name) is not None:
            assert available[clip_name(name)] == p.shape, name
    unused = set(available) - {clip_name(name) for name, _ in model.clip_parameters()}
    assert unused == {"visual.conv1.weight", "visual.positional_embedding"}


def test_clip_of_other_sizes_is_refused_with_both_shapes(clip_state, tmp_path):
    path = tmp_path / "clip.pt"
    torch.save(clip_state.state_dict(), path)
    model = SEDS(SMALL.model_copy(update={"text_width": 64}))
    with pytest.raises(ClipError, match=r"do not fit the model's towers") as caught:
        load_clip(model, str(path))
    assert "token_embedding.weight is (300, 128), text_tower.token_embedding.weight is (300, 64)" in str(caught.value)


def test_missing_tensor_of_clip_is_named(clip_state, tmp_path):
    state = clip_state.state_dict()
    del state["visual.ln_post.bias"]
    torch.save(state, tmp_path / "clip.pt")
    with pytest.raises(ClipError, match=r"visual\.ln_post\.bias is missing"):
        load_clip(_model(), str(tmp_path / "clip.pt"))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_openai_archive_is_read_without_running_it(clip_state, tmp_path):
    """A TorchScript archive in half precision, as OpenAI's is."""
    image = torch.zeros(1, 3, 64, 64)
    words = torch.ones(1, SMALL.context, dtype=torch.int64)
    traced = torch.jit.trace(copy.deepcopy(clip_state), (image, words), strict=False, check_trace=False)
    traced.half().save(tmp_path / "ViT-B-32.pt")
    model, plain = _model(), _model()
    torch.save({name: t.half() for name, t in clip_state.state_dict().items()}, tmp_path / "plain.pt")
    assert set(load_clip(model, str(tmp_path / "ViT-B-32.pt"))) == set(load_clip(plain, str(tmp_path / "plain.pt")))
    torch.testing.assert_close(model.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_damaged_clip_file_is_named(tmp_path):
    for name in ("clip.pt", "clip.safetensors"):
        (tmp_path / name).write_bytes(b"not a checkpoint")
        with pytest.raises(ClipError, match=name):
            load_clip(_model(), str(tmp_path / name))


def test_unknown_clip_tag_lists_the_known_ones():
    with pytest.raises(ClipError, match=r"'opnai' is neither a file nor a tag .*openai, laion400m_e31"):
        load_clip(_model(), "opnai")


def test_clip_without_network_says_what_to_do(monkeypatch):
    def unreachable(*_args, **_kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("open_clip.pretrained.download_pretrained", unreachable)
    with pytest.raises(ClipError, match=r"no route to host.*give its path as train\.\*\.clip"):
        load_clip(_model(), "openai")


def test_clip_names_exist_for_towers_only():
    assert clip_name("pose_tower.input.weight") is None
    assert clip_name("fusion.mix_1.weight") is None
    assert clip_name("text_tower.positional_embedding") == "positional_embedding"
    assert clip_name("rgb_tower.blocks.3.attention.qkv.bias") == "visual.transformer.resblocks.3.attn.in_proj_bias"
