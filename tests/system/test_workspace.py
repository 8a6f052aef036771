"""What a command says of a corpus whose outputs are absent, in a repository of DVC's own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from seds.config import ConfigError, Params, load_params
from seds.system.workspace import MissingOutputError, require_outputs

ROOT = Path(__file__).parents[2]
MAKE = "mkdir -p index/${key} && echo made > index/${key}/index.json"


def dvc(root: Path, *arguments: str) -> None:
    subprocess.run((sys.executable, "-m", "dvc", *arguments, "-q"), cwd=root, check=True)


def listing(root: Path, *names: str) -> Params:
    """The parameters, which from now on list these corpora."""
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["datasets"] = {name: {"corpus": "folder"} for name in names}
    YAML(typ="safe").dump(params, root / "params.yaml")
    return load_params(root / "params.yaml")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has made the index of `first`, not that of `second`."""
    root = tmp_path_factory.mktemp("repository")
    listing(root, "first", "second")
    stages = {"index": {"foreach": "${datasets}", "do": {"cmd": MAKE, "outs": ["index/${key}"]}}}
    YAML(typ="safe").dump({"stages": stages}, root / "dvc.yaml")
    dvc(root, "init", "--no-scm")
    dvc(root, "repro", "index@first")
    return root


@pytest.fixture
def root(repository: Path, tmp_path: Path) -> Path:
    return shutil.copytree(repository, tmp_path / "repository")


@pytest.mark.slow
def test_output_taken_out_of_the_workspace_comes_back(root: Path) -> None:
    params = listing(root, "first", "second")
    require_outputs("first", "index", params=params, root=root)
    shutil.rmtree(root / "index/first")
    with pytest.raises(MissingOutputError, match=r"bring it back with: dvc checkout index/first$") as error:
        require_outputs("first", "index", params=params, root=root)
    dvc(root, *str(error.value).split("with: dvc ")[1].split())
    require_outputs("first", "index", params=params, root=root)


@pytest.mark.slow
def test_output_that_was_never_made_names_its_stage(root: Path) -> None:
    params = listing(root, "first", "second")
    with pytest.raises(MissingOutputError, match=r"not been made yet; make it with: dvc repro index@second$"):
        require_outputs("second", "index", params=params, root=root)
    shutil.rmtree(root / "index/first")
    shutil.rmtree(root / ".dvc/cache")  # as in a fresh clone, which has dvc.lock
    with pytest.raises(MissingOutputError, match="nor in DVC's cache on this machine; make it with: dvc repro index@f"):
        require_outputs("first", "index", params=params, root=root)


@pytest.mark.slow
def test_corpus_no_longer_listed_says_so(root: Path) -> None:
    params = listing(root, "second")
    with pytest.raises(MissingOutputError, match=r"first is no longer under datasets: in params\.yaml; put .* back$"):
        require_outputs("first", "index", params=params, root=root)
    shutil.rmtree(root / "index/first")
    with pytest.raises(MissingOutputError, match=r"put its entry back, then run: dvc checkout index/first$"):
        require_outputs("first", "index", params=params, root=root)
    with pytest.raises(ConfigError, match=r"unknown dataset 'third'; datasets in params\.yaml has: second"):
        require_outputs("third", "index", params=params, root=root)
