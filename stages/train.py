"""Train on the train split, choose the epoch on dev -> models/<dataset>/, curves in metrics/<dataset>/train/.

Several GPUs take a process each. Otherwise so many as torchrun starts: torchrun --nproc-per-node=2 -m stages.train demo
"""

import sys
from pathlib import Path

import torch
from dvclive import Live

from seds import card, checkpoint, distributed, training
from seds.config import Params, load_params
from seds.data import load_split
from seds.shards import ShardReader


def main(dataset: str) -> None:
    params = load_params()
    torch.manual_seed(params.seed)  # of dropout; whatever else is random has a generator of its own
    if not distributed.launched("stages.train", dataset, device=params.device()):
        with distributed.joined(params.device()) as device:
            run(dataset, params, device)


def run(dataset: str, params: Params, device: str) -> None:
    corpus, name = params.dataset(dataset), params.profile(dataset)
    profile = getattr(params.train, name)
    lr = profile.lr if params.lr is None else params.lr
    train, dev = (
        load_split(dataset, split, corpus, params.manifest, profile.model, params.train.numerics)
        for split in ("train", "dev")
    )
    model = training.build(train, params.train, profile, params.seed, device)
    if distributed.rank() > 0:
        training.fit(model, train, dev, params.train, profile, lr, params.seed, log=lambda values: None)
        return
    parameters = sum(p.numel() for p in model.parameters())
    processes = distributed.world_size()
    print(
        f"{dataset}: {len(train.sentence_ids):,} sentences, {parameters:,} parameters (profile {name}), lr {lr:g}, "
        f"{processes} process{'es' * (processes > 1)}"
    )

    with Live(f"metrics/{dataset}/train", dvcyaml=False, save_dvc_exp=False, monitor_system=False) as live:

        def log(values: training.Values) -> None:
            for metric, value in training.flat(values):
                live.log_metric(metric, value)
            live.next_step()

        fit = training.fit(model, train, dev, params.train, profile, lr, params.seed, log)
        # Curves end at the last epoch; the summary that `dvc metrics` shows is of the epoch that was kept.
        live.summary = {"epoch": fit.epoch, "dev": fit.dev, "learnt": fit.learnt, "learnt_last_epoch": fit.learnt_last}
        live.make_summary()

    provenance = {
        "dataset": dataset,
        "profile": name,
        "sentences": {"train": len(train.sentence_ids), "dev": len(dev.sentence_ids)},
        "epoch": fit.epoch,
        "epochs": profile.epochs,
        "lr": lr,
        "batch": profile.batch,
        "seed": params.seed,
        "clip": profile.clip,
        "pose": card.extraction(ShardReader(f"data/pose/{dataset}", "pose").metadata),
        "rgb": card.extraction(ShardReader(f"data/rgb/{dataset}", "rgb").metadata),
        "windows": params.manifest.model_dump(),
        "dev": fit.dev,
        "learnt": fit.learnt,
    }
    text = card.model_card(provenance, profile.model, parameters, params.train.numerics)
    checkpoint.save(Path("models") / dataset, model, fit.state, provenance, text)
    print(f"kept epoch {fit.epoch} of {profile.epochs}; dev:", *card.metrics_table(fit.dev), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
