"""A configuration on a larger test split of the demo corpus, since 60 sentences are few: three seeds, 300 sentences.

    python benchmarks/larger_test.py --folder /tmp/larger
    python benchmarks/larger_test.py --folder /tmp/other --render-seed 1007         one that nothing was tuned on
    python benchmarks/larger_test.py --folder /tmp/larger --name equal -S train.stream_weights=equal

Clones the repository as it is committed into the folder and runs the pipeline there up to evaluate. In a folder that
exists only what has changed runs again, so that the second configuration costs a training. Overrides are those of
`dvc exp run -S`; they last for the one run.

Prints R@1 of each stream, T2V, V2T and the mean of both, and how often minimal pairs are told apart, as mean and
standard deviation over the seeds, and leaves test.json in FOLDER/larger_test/NAME.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from dvc.utils.hydra import apply_overrides

from seds.retrieval.metrics import DIRECTIONS

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def evaluated(folder: Path, overrides: list[str]) -> dict[str, Any]:
    """What metrics/demo/test.json of a clone in `folder` holds after a run with these overrides of params.yaml."""
    if not folder.exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        shutil.rmtree(folder / "metrics")
    subprocess.run(["git", "checkout", "--quiet", "params.yaml"], cwd=folder, check=True)
    apply_overrides(folder / "params.yaml", overrides)
    environment = {**ENVIRONMENT, "PYTHONPATH": str(folder)}
    subprocess.run(["dvc", "repro", "evaluate@demo"], cwd=folder, env=environment, check=True)
    return json.loads((folder / "metrics" / "demo" / "test.json").read_text(encoding="utf-8"))


def table(test: Mapping[str, Any], seeds: list[int]) -> list[str]:
    """Rows of Markdown: R@1 by stream, then the share of minimal pairs told apart by contrast and stream."""
    models = [test["seeds"]["each"][str(seed)] if len(seeds) > 1 else test for seed in seeds]
    streams = [name for name, values in models[0].items() if isinstance(values, dict) and "t2v" in values]
    rows = [
        f"R@1 on {test['sentences']} sentences, {len(seeds)} seeds",
        "| stream | T2V | V2T | mean |",
        "| --- " * 4 + "|",
    ]
    for stream in streams:
        both = [[model[stream][direction]["R@1"] for direction in DIRECTIONS] for model in models]
        columns = [*zip(*both, strict=True), [fmean(pair) for pair in both]]
        rows.append(f"| {stream} | " + " | ".join(map(shown, columns)) + " |")
    if pairs := test.get("told_apart"):
        contrasts = pairs["test"]
        each = [pairs["seeds"]["each"][str(seed)] if len(seeds) > 1 else contrasts for seed in seeds]
        rows += ["", "minimal pairs told apart (%)", f"| contrast | pairs | {' | '.join(streams)} |"]
        rows.append("| --- " * (2 + len(streams)) + "|")
        for contrast, values in contrasts.items():
            cells = [shown([one[contrast][stream] for one in each]) for stream in streams]
            rows.append(f"| {contrast} | {values['pairs']} | {' | '.join(cells)} |")
    return rows


def shown(values: Any) -> str:
    values = list(values)
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of the clone, made if there is none")
    parser.add_argument("--name", default="default", help="of the configuration, for its file")
    parser.add_argument("--test", type=int, default=300, help="test sentences")
    parser.add_argument("--dev", type=int, default=60, help="dev sentences")
    parser.add_argument("--render-seed", type=int, help="of another corpus; default: that of params.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44], help="of the trainings")
    parser.add_argument("-S", dest="overrides", action="append", default=[], metavar="PARAM=VALUE")
    arguments = parser.parse_args()
    overrides = [
        f"render.test_sentences={arguments.test}",
        f"render.dev_sentences={arguments.dev}",
        f"train.seeds={arguments.seeds}",
        *([] if arguments.render_seed is None else [f"render.seed={arguments.render_seed}"]),
        *arguments.overrides,
    ]
    folder = arguments.folder.resolve()
    test = evaluated(folder, overrides)
    path = folder / "larger_test" / f"{arguments.name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(test, indent=2), encoding="utf-8")
    print(f"{arguments.name}: {' '.join(overrides)}", *table(test, arguments.seeds), sep="\n")


if __name__ == "__main__":
    main()
