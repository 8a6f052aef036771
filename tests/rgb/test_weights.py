"""Checkpoints in the BSL-1K layout, written by torch.save as the release was, and what is refused."""

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from seds.config import load_params
from seds.rgb.i3d import InceptionI3D, average_pool
from seds.rgb.weights import find_weights, initialise, load_checkpoint
from seds.weightfiles import WeightFileError

WIDTH = 0.125


def profile(weights, sha256):
    small = load_params(Path(__file__).parents[2] / "params.yaml").rgb.small
    return small.model_copy(update={"weights": weights and str(weights), "weights_sha256": sha256})


def random_state(seed=3):
    """A state dict with every tensor random, by the names of the release."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value.clone()
        for name, value in InceptionI3D(WIDTH).state_dict().items()
    }


def save_bsl(path, state, **entries):
    features = InceptionI3D(WIDTH).features
    full = {
        **state,
        "logits.conv3d.weight": torch.zeros(7, features, 1, 1, 1),
        "logits.conv3d.bias": torch.zeros(7),
    }
    torch.save({"epoch": 5, "arch": "I3D", "state_dict": {f"module.{k}": v for k, v in full.items()}, **entries}, path)
    return path


def test_module_names_are_those_of_the_release():
    shapes = {name: tuple(value.shape) for name, value in InceptionI3D(1.0).state_dict().items()}
    expected = {
        "Conv3d_1a_7x7.conv3d.weight": (64, 3, 7, 7, 7),
        "Conv3d_1a_7x7.bn.running_mean": (64,),
        "Conv3d_2b_1x1.conv3d.weight": (64, 64, 1, 1, 1),
        "Conv3d_2c_3x3.conv3d.weight": (192, 64, 3, 3, 3),
        "Mixed_3b.b0.conv3d.weight": (64, 192, 1, 1, 1),
        "Mixed_3b.b1a.conv3d.weight": (96, 192, 1, 1, 1),
        "Mixed_3b.b1b.conv3d.weight": (128, 96, 3, 3, 3),
        "Mixed_3b.b2a.bn.weight": (16,),
        "Mixed_4f.b2b.conv3d.weight": (128, 32, 3, 3, 3),
        "Mixed_5c.b3b.bn.running_var": (128,),
        "Mixed_5c.b3b.bn.num_batches_tracked": (),
    }
    assert {name: shapes[name] for name in expected} == expected
    assert len(shapes) == 57 * 6  # 3 + 9 x 6 convolutions; each a weight and five tensors of its normalisation


def test_checkpoint_of_the_release_is_loaded(tmp_path):
    state = random_state()
    # best accuracy is a NumPy scalar there, the optimiser's state a dict of tensors
    entries = {"best_acc": np.float64(0.5), "best_epoch": np.int64(3), "optimizer": {"state": {0: torch.zeros(3)}}}
    network = InceptionI3D(WIDTH)
    left_out = load_checkpoint(network, save_bsl(tmp_path / "bsl.pth.tar", state, **entries))
    assert left_out == ["logits.conv3d.weight", "logits.conv3d.bias"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_checkpoint_of_older_torch_without_counters_is_loaded(tmp_path):
    state = {k: v for k, v in random_state().items() if not k.endswith("num_batches_tracked")}
    torch.save({"state_dict": state}, tmp_path / "old.pth.tar", _use_new_zipfile_serialization=False)
    network = InceptionI3D(WIDTH)
    assert load_checkpoint(network, tmp_path / "old.pth.tar") == []
    assert torch.equal(network.Mixed_5c.b0.conv3d.weight, state["Mixed_5c.b0.conv3d.weight"])


def test_checkpoint_that_does_not_fit_lists_its_tensors(tmp_path):
    state = random_state()
    del state["Mixed_4c.b1a.bn.bias"]
    state["Mixed_9z.b0.conv3d.weight"] = torch.zeros(2)
    state["Conv3d_2b_1x1.conv3d.weight"] = torch.zeros(8, 9, 1, 1, 1)
    network = InceptionI3D(WIDTH)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightFileError) as error:
        load_checkpoint(network, save_bsl(tmp_path / "odd.pth.tar", state))
    for part in (
        "odd.pth.tar",
        "missing Mixed_4c.b1a.bn.bias",
        "unexpected Mixed_9z.b0.conv3d.weight",
        "Conv3d_2b_1x1.conv3d.weight has shape 8x9x1x1x1, the network's is 8x8x1x1x1",
    ):
        assert part in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_checkpoint_of_another_width_is_refused_briefly(tmp_path):
    with pytest.raises(WeightFileError, match=r"does not fit an Inception-I3D of 256 features(.|\n)*and \d+ more"):
        load_checkpoint(InceptionI3D(0.25), save_bsl(tmp_path / "small.pth.tar", random_state()))


class Malicious:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_malicious_pickle_is_refused_and_runs_nothing(tmp_path, zipped):
    path, witness = tmp_path / "evil.pth.tar", tmp_path / "ran"
    torch.save(
        {"state_dict": random_state(), "optimizer": Malicious(f"touch {witness}")},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(
        WeightFileError, match=r"evil\.pth\.tar cannot be read .*its pickle asks for (posix|os)\.system"
    ):
        load_checkpoint(InceptionI3D(WIDTH), path)
    assert not witness.exists()
    torch.load(path, weights_only=False)  # what it would have done
    assert witness.exists()


def test_pickled_class_is_refused_by_name(tmp_path):
    torch.save({"state_dict": random_state(), "args": argparse.Namespace(lr=0.1)}, tmp_path / "args.pth.tar")
    with pytest.raises(
        WeightFileError,
        match=r"args\.pth\.tar cannot be read .*its pickle asks for argparse\.Namespace, which is refused",
    ) as error:
        load_checkpoint(InceptionI3D(WIDTH), tmp_path / "args.pth.tar")
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weights": torch.zeros(1)}, r"does not fit an Inception-I3D(.|\n)*unexpected weights 1"),
        (torch.zeros(1), "holds no state dict of tensors, but a Tensor"),
        ({"state_dict": {}}, "holds no state dict of tensors, but an empty dict"),
        ({"state_dict": {"Mixed_3b": [1.0]}}, "holds no state dict of tensors: 'Mixed_3b' is a list"),
    ],
)
def test_file_without_a_state_dict_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightFileError, match=message):
        load_checkpoint(InceptionI3D(WIDTH), tmp_path / "other.pth")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut short"])
def test_file_that_is_not_a_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "page.pth.tar").write_bytes(content)
    with pytest.raises(WeightFileError, match=r"page\.pth\.tar cannot be read as weights: it is damaged"):
        load_checkpoint(InceptionI3D(WIDTH), tmp_path / "page.pth.tar")


def test_sha256_is_compared_whatever_its_case(tmp_path):
    path = tmp_path / "w.pth.tar"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    for expected in (None, digest, digest.upper()):
        checkpoint = find_weights(profile(path, expected))
        assert (checkpoint.path, checkpoint.sha256) == (path, digest)
    with pytest.raises(WeightFileError, match=f"expected sha256 {'0' * 64}, found {digest}"):
        find_weights(profile(path, "0" * 64))
    assert find_weights(profile(None, None)) is None, "random weights"


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(WeightFileError, match=r"none\.pth\.tar not found.*published at https.*weights to null"):
        find_weights(profile(tmp_path / "none.pth.tar", None))


def test_initialisation_is_fixed_by_its_seed():
    def weights(seed):
        network = InceptionI3D(WIDTH)
        initialise(network, seed)
        return network.Mixed_5c.b1b.conv3d.weight

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_initialisation_neither_fades_nor_explodes():
    generator = torch.Generator().manual_seed(0)
    # Smooth moving patterns, a different one a clip: coarse noise, enlarged.
    coarse = torch.rand(8, 3, 4, 7, 7, generator=generator) - 0.5
    clips = torch.nn.functional.interpolate(coarse, size=(16, 112, 112), mode="trilinear")
    network = InceptionI3D(0.25).eval()
    initialise(network, 0)
    spread = {}
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda _, __, out, name=name: spread.update({name: out.std().item()}))
    with torch.inference_mode():
        features = average_pool(network(clips))
    assert all(0.05 < value < 1 for value in spread.values()), spread
    assert features.std(dim=0).mean() / features.mean() > 0.2
