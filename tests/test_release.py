"""Names, shapes and the number of parameters against the released checkpoint's listing."""

import json
import re

import pytest
import torch
from recorded import GOLDEN, SMALL, weights

from seds.config import ModelSizes
from seds.model import SEDS
from seds.release import OURS_ALONE, TABLES, UNUSED, load_published, published_name

PUBLISHED_PARAMETERS = 303_811_315


@pytest.fixture(scope="module")
def listing():
    return json.loads((GOLDEN / "reference_state_dict.json").read_text())


@pytest.fixture(scope="module")
def published():
    with torch.device("meta"):
        return SEDS(ModelSizes())


def test_names_are_a_bijection_and_shapes_agree(listing, published):
    state = published.state_dict()
    names = {published_name(name): tensor for name, tensor in state.items() if name not in OURS_ALONE}
    assert len(names) == len(state) - len(OURS_ALONE)
    assert set(names) == set(listing["keys"]) - set(UNUSED) - set(TABLES)
    for name, tensor in names.items():
        recorded = [size for size in listing["keys"][name]["shape"] if size != 1]
        assert [size for size in tensor.shape if size != 1] == recorded, name


def test_parameters_are_the_published_less_the_unused(listing, published):
    unused = sum(torch.Size(listing["keys"][name]["shape"]).numel() for name in UNUSED)
    assert unused == 2 + 2 * 64 * 128
    assert sum(p.numel() for p in published.parameters()) == PUBLISHED_PARAMETERS - unused


def test_what_the_release_lacks_has_no_name():
    with pytest.raises(KeyError, match="rgb_mean"):
        published_name("rgb_mean")


def test_load_fills_every_tensor():
    model = SEDS(SMALL)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(-7)
    recorded = weights("small")
    load_published(model, {name: tensor.half() if tensor.dim() > 2 else tensor for name, tensor in recorded.items()})
    for name, tensor in model.state_dict().items():
        if name not in OURS_ALONE:
            assert torch.equal(tensor.flatten(), recorded[published_name(name)].flatten().to(tensor.dtype)), name


def test_load_refuses_other_weights():
    recorded = weights("small")
    del recorded["clip.ln_final.bias"]
    recorded["clip.extra"] = torch.zeros(1)
    recorded["clip.visual.proj"] = torch.zeros(3, 4)
    with pytest.raises(ValueError, match="not weights of a SEDS of these sizes") as caught:
        load_published(SEDS(SMALL), recorded)
    message = str(caught.value)
    assert "missing: clip.ln_final.bias" in message
    assert "unknown: clip.extra" in message
    assert re.search(r"clip\.visual\.proj \(3, 4\), the model has \(128, 64\)", message)
