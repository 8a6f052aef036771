"""Keypoints without text -> weights that the pose encoder starts from: data/pretrain/<dataset>/.

Always written: without anything to learn, it says why there is nothing. An interrupted run is kept in
work/pretrain/<dataset>/, and the same command resumes it.
"""

from __future__ import annotations

from pathlib import Path

from seds.config import load_params
from seds.pretrain.nothing import reason_for_nothing, write_unpretrained
from seds.system.commands import run_stage


def main(dataset: str) -> None:
    params = load_params()
    output = Path("data/pretrain") / dataset
    if why := reason_for_nothing(params, dataset):
        print(write_unpretrained(output, why))
        return
    from seds.pretrain.pretraining import pretrain  # takes seconds to import

    print(pretrain(params, dataset, output))


if __name__ == "__main__":
    run_stage(main)
