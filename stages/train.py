"""Train on the train split, choose the epoch on dev -> models/<dataset>/, curves in metrics/<dataset>/train/.

Several GPUs take a process each. Otherwise so many as torchrun starts: torchrun --nproc-per-node=2 -m stages.train demo
Whatever ends it, the same command goes on from there: until the outputs are written, work/train/<dataset>/ has the run.
"""

import shutil
from contextlib import ExitStack
from pathlib import Path

from dvclive import Live
from tqdm import tqdm

from seds.config import Params, load_params
from seds.data.split import load_split
from seds.model import checkpoint, distributed
from seds.resume import run_folder
from seds.resume.checkpointer import Checkpointer, catch_stop_signals
from seds.retrieval.metrics import metrics_table, over_seeds
from seds.shards import ShardReader, extraction
from seds.system.commands import run_stage
from seds.system.locks import lock
from seds.training import card, fitting
from seds.training.log import Curves, summary
from seds.training.loop import Recipe


def main(dataset: str) -> None:
    params = load_params()
    if not distributed.launched("stages.train", dataset, device=params.device()):
        with distributed.joined(params.device()) as device:
            run(dataset, params, device)


def run(dataset: str, params: Params, device: str) -> None:
    corpus, name = params.dataset(dataset), params.profile(dataset)
    profile = params.train.of(name)
    lr = profile.lr if params.lr is None else params.lr
    seeds = params.train.seeds or (params.seed,)
    rules, numerics, workers = params.rules(dataset), params.train.numerics, params.machine.workers
    train, dev = (
        load_split(dataset, split, rules, profile.model, numerics, workers=workers) for split in ("train", "dev")
    )
    processes, first = distributed.world_size(), distributed.rank() == 0
    fits = []
    with ExitStack() as held:
        if first:
            held.enter_context(lock(run_folder.SCRATCH / f"{dataset}.lock", f"train of {dataset}"))
            kept = run_folder.run_folder(dataset, run_folder.identity(params, dataset, lr, fitting.fit))
            run_folder.list_other_runs(kept, tqdm.write)
            live = held.enter_context(
                Live(f"metrics/{dataset}/train", dvcyaml=False, save_dvc_exp=False, monitor_system=False)
            )
            curves = Curves(live)
        kept = distributed.broadcast(kept if first else None)
        stop = held.enter_context(catch_stop_signals())
        for seed in seeds:
            model = fitting.build(train, params.train, profile, seed, device)
            parameters = sum(p.numel() for p in model.parameters())
            if first:
                print(
                    f"{dataset}: {len(train.sentence_ids):,} sentences, {parameters:,} parameters (profile {name}), "
                    f"lr {lr:g}, seed {seed}, {processes} process{'es' * (processes > 1)}"
                )
            log = curves.of(seed, first=seed == seeds[0]) if first else lambda values: None
            checkpointer = Checkpointer(kept / str(seed), params.machine.checkpoint_minutes, stop)
            fits.append(fitting.fit(model, train, dev, Recipe(params.train, profile, lr, seed), log, checkpointer))
        if not first:
            return
        # Curves end at the last epoch; the summary, metrics.json, is of the epoch that was kept.
        live.summary = summary(fits)
        live.make_summary()
        for seed, fit in zip(seeds, fits, strict=True):
            folder = Path("models") / dataset
            folder = folder if seed == seeds[0] else folder / "seeds" / str(seed)
            provenance = {
                "dataset": dataset,
                "corpus": corpus.corpus,
                "profile": name,
                "videos": {"train": len(train.videos), "dev": len(dev.videos)},
                "sentences": {"train": len(train.sentence_ids), "dev": len(dev.sentence_ids)},
                "texts": {"train": len(set(train.texts)), "dev": len(set(dev.texts))},
                "epoch": fit.epoch,
                "epochs": profile.epochs,
                "lr": lr,
                "batch": profile.batch,
                "seed": seed,
                "seeds": list(seeds),
                "clip": profile.clip,
                "train": params.train.model_dump(mode="json", exclude={"small", "published", "seeds"}),
                "pose": extraction(ShardReader(f"data/pose/{dataset}", "pose").metadata),
                "rgb": extraction(ShardReader(f"data/rgb/{dataset}", "rgb").metadata),
                "windows": params.manifest.model_dump(),
                "dev": fit.dev,
                "dev_recalls": fit.recalls,
                "train_metrics": fit.train,
                "warnings": fit.warnings,
            }
            if len(fits) > 1:
                provenance["dev_over_seeds"] = over_seeds([own.dev for own in fits])
            took = f"{fit.hours:.2g} hours on {card.hardware(device, processes)}"
            text = card.model_card(provenance, profile.model, parameters, params.train.numerics, took)
            checkpoint.save(folder, model, fit.state, provenance, text)
            print(f"seed {seed}: kept epoch {fit.epoch} of {profile.epochs}; dev:", *metrics_table(fit.dev), sep="\n")
        shutil.rmtree(kept)


if __name__ == "__main__":
    run_stage(main)
