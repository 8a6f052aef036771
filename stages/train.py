"""Train on the train split, choose the epoch on dev -> models/<dataset>/, curves in metrics/<dataset>/train/.

One process per GPU of this machine, or those that torchrun starts: torchrun --nproc-per-node=2 -m stages.train demo
An interrupted run is kept in work/train/<dataset>/, and the same command resumes it.
"""

import logging
from contextlib import nullcontext
from dataclasses import replace

from dvclive import Live

from seds.config import Params, load_params
from seds.data.split import load_split
from seds.model import distributed
from seds.resume.checkpointer import Checkpointer, catch_stop_signals
from seds.resume.run_folder import identity, open_run
from seds.system.commands import run_stage
from seds.training import fitting, provenance
from seds.training.log import Curves
from seds.training.loop import recipes_of
from seds.training.pretrained import find_pretrained
from seds.training.signs import dictionary_clips, load_signs


def main(dataset: str) -> None:
    params = load_params()
    if not distributed.launched("stages.train", dataset, device=params.device()):
        with distributed.joined(params.device()) as device:
            run(dataset, params, device)


def run(dataset: str, params: Params, device: str) -> None:
    recipes, first = recipes_of(params, dataset), distributed.rank() == 0
    pretrained = find_pretrained(dataset, recipes[0].profile.signbert)
    if not first:
        logging.getLogger("seds").setLevel(logging.ERROR)  # the first speaks for all
    sizes, rules, workers, lr = recipes[0].profile.model, params.rules(dataset), params.machine.workers, recipes[0].lr
    train, dev = (
        load_split(dataset, split, rules, sizes, params.train.numerics, workers=workers) for split in ("train", "dev")
    )
    if params.train.ideas.sign_weight:
        signs = load_signs(dataset, train, rules.window)
        recipes = [replace(recipe, signs=signs) for recipe in recipes]
    if recipes[0].profile.augment.phrases:
        clips = dictionary_clips(dataset)
        recipes = [replace(recipe, clips=clips) for recipe in recipes]
    options = {"dvcyaml": False, "save_dvc_exp": False, "monitor_system": False}
    with (
        open_run("train", dataset, lambda: identity(params, dataset, lr, fitting.fit, pretrained)) as folder,
        catch_stop_signals() as stop,
        Live(f"metrics/{dataset}/train", **options) if first else nullcontext() as live,
    ):
        curves, fits = Curves(live), []
        for recipe in recipes:
            model = fitting.build(train, recipe.settings, recipe.profile, recipe.seed, device, pretrained)
            checkpointer = Checkpointer(folder / str(recipe.seed), params.machine.checkpoint_minutes, stop)
            if first:
                print(f"{dataset}: {provenance.described(params.profile(dataset), train, recipe, model)}")
            log = curves.of(recipe.seed, first=recipe is recipes[0]) if first else lambda values: None
            fits.append(fitting.fit(model, train, dev, recipe, log, checkpointer))
        if first:
            curves.summarise(fits)
            provenance.save_models(dataset, params, {"train": train, "dev": dev}, model, recipes, fits, pretrained)


if __name__ == "__main__":
    run_stage(main)
