"""N processes, and micro-batches, against one process that holds the whole batch."""

import itertools
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from helpers.batches import batch_rows, random_batch, widened_batch
from helpers.corpus import RULES, SIZES, write_corpus
from helpers.float64 import Float64Split
from helpers.heads import IDEAS, add_heads
from helpers.recorded import SMALL, without_dropout
from safetensors.torch import load_file, save_file
from torch._dynamo.utils import counters
from torch.nn.parallel import DistributedDataParallel

from seds.config import Ideas, Losses, Train, TrainProfile
from seds.data.split import load_split
from seds.model import distributed, recompute
from seds.model.added_losses import Extras, SignRows, Substitutes
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.training import fitting
from seds.training.loop import Recipe
from seds.training.run_state import Values

pytestmark = pytest.mark.slow

PROCESSES = 2
FRAMES, WORDS = (16, 40, 9, 25, 33), (5, 12, 3, 9, 32)  # five videos: one process has two, the other three
LOSSES = Losses(distill_pose=0.5, distill_rgb=0.5, dual_mix=0.3)
NEGATIVE = LOSSES.model_copy(update={"duplicates": "negative"})
ALONE = LOSSES.model_copy(update={"distill_pose": 0.0, "distill_rgb": 0.0})
# Name -> numerics, streams, losses.
MODELS = {
    "default": ("default", "both", LOSSES),
    "published": ("published", "both", NEGATIVE),
    "pose": ("default", "pose", ALONE),
    "rgb": ("default", "rgb", ALONE),
    "ideas": ("default", "both", LOSSES),
}
CASES = (
    *itertools.product(("default", "published", "ideas"), (None, 2)),
    ("pose", None),
    ("rgb", 2),
)  # model, micro-batch


def build(name: str, micro_batch: int | None = None, dropout: bool = False) -> SEDS:
    numerics, streams, _ = MODELS[name]
    learned = "learned" if name == "ideas" else "mean"
    model = SEDS(SMALL.model_copy(update={"streams": streams, "token_weights": learned}), numerics).double()
    # Of pose, every layer: batch statistics of all processes, computed twice.
    model.set_activation_checkpointing(name == "pose", micro_batch)
    initialise(model, torch.Generator().manual_seed(0))
    if name == "ideas":
        add_heads(model, IDEAS)
    return model.train() if dropout else without_dropout(model.train())


def ideas_and_extras(name: str, rows: slice) -> tuple[Ideas, Extras]:
    """What forward takes beside batch and losses, in the process that has these rows."""
    if name != "ideas":
        return Ideas(), Extras()
    ids = batch_for(name).ids
    others = torch.stack([ids.roll(1, 0), ids.roll(2, 0)], 1)[rows]
    columns = ([0, 1, 1, 4], [1, 1, 2, 3], [2, 3, 4, 9], [1, 0, 1, 2])  # signs of the videos of both processes
    signs = SignRows(*map(torch.tensor, columns), ids[:3])
    return IDEAS, Extras(Substitutes(others, torch.ones(others.shape[:2], dtype=torch.bool)), signs)


def batch_for(name: str):
    extra = (0, SMALL.max_windows - 25, 0) if name == "published" else (0, 0, 0)
    batch = widened_batch(random_batch(FRAMES, WORDS, extra=extra))
    batch.ids[3] = batch.ids[0]  # the same sentence twice, in two processes
    return batch


def outcome(model: SEDS, parts) -> dict[str, torch.Tensor]:
    """Gradients of every parameter, buffers and losses after one step."""
    parts["total"].backward()
    tensors = {f"gradient/{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert len(tensors) == len(list(model.parameters()))
    tensors |= {f"buffer/{name}": buffer for name, buffer in model.named_buffers()}
    tensors |= {f"loss/{name}": value.detach() for name, value in parts.items()}
    return {name: tensor.clone().contiguous() for name, tensor in tensors.items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


def trained(root: Path, micro_batch: int | None, compiled: bool = False) -> dict[str, torch.Tensor]:
    """Weights after two epochs of batches of three, three and two sentences, and the losses."""
    profile = TrainProfile(
        model=SIZES, lr=1e-3, lr_clip=1.0, epochs=2, batch=3, micro_batch=micro_batch, compile=compiled
    )
    settings = Train(losses=LOSSES, small=profile, published=profile, stream_weights="dev")
    train, dev = (
        Float64Split.of(load_split("toy", split, RULES, SIZES, "default", root)) for split in ("train", "dev")
    )
    model = without_dropout(fitting.build(train, settings, profile, 1, "cpu").double())
    logged: list[Values] = []
    fit = fitting.fit(model, train, dev, Recipe(settings, profile, profile.lr, 1), logged.append)
    losses = [torch.tensor(values["loss"]["total"], dtype=torch.float64) for values in logged]
    return fit.state | {f"loss {epoch}": loss for epoch, loss in enumerate(losses)}


def worker(rank: int, folder: str, corpus: str) -> None:
    """One of the processes: every case's step, a gathering and a short training, into `folder`."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES)
    for name, micro_batch in CASES:
        model, batch = build(name, micro_batch), batch_for(name)
        step = DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)
        rows = distributed.local_rows(len(FRAMES))
        parts = step(batch_rows(batch, rows), MODELS[name][2], *ideas_and_extras(name, rows))
        save_file(outcome(model, parts), f"{folder}/{name}-{micro_batch}-{rank}.safetensors")

    whole = torch.arange(10.0).view(5, 2)
    own = whole[distributed.local_rows(5)].requires_grad_()
    counts = distributed.row_counts(len(own), own.device)
    rows = distributed.gather(own, counts)
    ((rank + 1) * rows * whole).sum().backward()  # the processes' losses differ: their gradients add up
    even = distributed.gather(own.detach()[:, 0] % 4 == 0, counts)
    tensors = {"counts": torch.tensor(counts), "rows": rows.detach(), "gradient": own.grad, "even": even}
    save_file(tensors, f"{folder}/gathered-{rank}.safetensors")

    save_file(trained(Path(corpus), 1), f"{folder}/trained-{rank}.safetensors")
    assert not counters["stats"]["unique_graphs"]
    save_file(trained(Path(corpus), 1, compiled=True), f"{folder}/compiled-{rank}.safetensors")
    assert counters["stats"]["unique_graphs"], "nothing was compiled"
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_corpus(root, {"train": 2, "dev": 1})
    return root


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(worker, (str(folder), str(corpus)), nprocs=PROCESSES)
    return folder


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, torch.Tensor]]:
    """{model: what one process gets from the whole batch at once}."""
    found = {}
    for name, (_, _, losses) in MODELS.items():
        model = build(name)
        found[name] = outcome(model, model(batch_for(name), losses, *ideas_and_extras(name, slice(None))))
    return found


@pytest.mark.parametrize(("name", "micro_batch"), CASES)
def test_two_processes_equal_one(written: Path, alone: dict, name: str, micro_batch: int | None) -> None:
    for rank in range(PROCESSES):
        assert_same(load_file(written / f"{name}-{micro_batch}-{rank}.safetensors"), alone[name])


def test_fit_in_two_processes_equals_one_compiled_or_not(written: Path, corpus: Path) -> None:
    expected = trained(corpus, None)
    for rank in range(PROCESSES):
        for kind in ("trained", "compiled"):
            assert_same(load_file(written / f"{kind}-{rank}.safetensors"), expected)


def test_gather_orders_rows_and_adds_their_gradients(written: Path) -> None:
    whole = torch.arange(10.0).view(5, 2)
    for rank, rows in enumerate((slice(0, 2), slice(2, 5))):
        found = load_file(written / f"gathered-{rank}.safetensors")
        assert found["counts"].tolist() == [2, 3]
        assert found["rows"].equal(whole)
        assert found["gradient"].equal((1 + 2) * whole[rows])
        assert found["even"].tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
@pytest.mark.parametrize("numerics", ["default", "published"])
def test_micro_batches_equal_the_whole_batch(alone: dict, numerics: str, micro_batch: int) -> None:
    model = build(numerics, micro_batch)
    assert_same(outcome(model, model(batch_for(numerics), MODELS[numerics][2])), alone[numerics])


def test_duplicate_sentences_matter(alone: dict) -> None:
    for numerics, other in (("default", NEGATIVE), ("published", LOSSES)):
        loss = build(numerics)(batch_for(numerics), other)
        for part in ("fusion", "pose", "rgb", "match"):
            larger, smaller = sorted([loss[part].item(), alone[numerics][f"loss/{part}"].item()], reverse=True)
            assert larger > 1.001 * smaller, (numerics, part)


def test_checkpointing_repeats_the_same_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        model = build("default", 2, dropout=True)
        return outcome(model, model(batch_for("default"), LOSSES))

    again = step()
    # The same parts, their activations kept.
    monkeypatch.setattr(recompute, "checkpoint", lambda function, *inputs, **options: function(*inputs))
    kept = step()
    assert_same(again, kept)
    torch.manual_seed(4)
    model = build("default", 2, dropout=True)
    assert not torch.allclose(model(batch_for("default"), LOSSES)["total"], kept["loss/total"])
