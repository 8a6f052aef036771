"""Signs whose times are known -> a sign encoder of the corpus's own: data/adapt/<dataset>/.

Always written: without anything to learn from, it says why there is none. An interrupted training is kept in
work/adapt/<dataset>/, and the same command resumes it.
"""

from __future__ import annotations

from pathlib import Path

from seds.adapt.nothing import reason_for_nothing, write_unadapted
from seds.config import load_params
from seds.system.commands import run_stage
from seds.system.memory import keep_freed_blocks


def main(dataset: str) -> None:
    params = load_params()
    output = Path("data/adapt") / dataset
    if why := reason_for_nothing(params, dataset):
        print(write_unadapted(output, why))
        return
    from seds.adapt.adapting import adapt  # takes seconds to import

    print(adapt(params, dataset, output))


if __name__ == "__main__":
    keep_freed_blocks()  # not in `main`: a caller's process would keep them for good
    run_stage(main)
