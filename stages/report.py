"""The evaluation as one page to look at -> results/<dataset>/report.html."""

from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.report.page import open_results, page
from seds.system.commands import run_stage
from seds.system.files import write_text


def main(dataset: str) -> None:
    params = load_params()
    params.dataset(dataset)
    manifest = tables.read(f"data/manifest/{dataset}.parquet", tables.MANIFEST, f"dvc repro manifest@{dataset}")
    html = page(dataset, open_results(dataset, manifest), params.report)
    path = Path("results") / dataset / "report.html"
    write_text(path, html)
    print(f"{path}: {len(html.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    run_stage(main)
