"""kill -9 at random moments of workers, stage, DVC and all of them, 30 times: nothing that landed is lost or computed
again, and the output is the bytes of a run that nobody disturbed. Real videos, detector, stage and DVC."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from helpers.toy_runs import files, parts
from ruamel.yaml import YAML

from seds import tables
from seds.config import load_params
from seds.corpora import prepare
from seds.demo.corpus import write_corpus

pytestmark = [pytest.mark.slow, pytest.mark.longest]

ROOT = Path(__file__).parents[2]
KILLS = {"worker": 14, "stage": 6, "dvc": 4, "group": 6}
DVC = """
stages:
  pose:
    cmd: python -m stages.pose demo
    deps: [data/videos/demo.parquet]
    outs: [data/pose/demo]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project whose pose stage reads 28 short videos of the demo corpus, one of them truncated."""
    folder = tmp_path_factory.mktemp("kills")
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["render"] |= {"fps": 5, "size": 128, "train_sentences": 22, "dev_sentences": 3, "test_sentences": 3}
    params["machine"] |= {"workers": 2, "device": "cpu"}
    params["pose"]["shard_videos"] = 8
    yaml.dump(params, folder / "params.yaml")
    (folder / "dvc.yaml").write_text(DVC)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        loaded = load_params()
        raw = Path("data/raw/demo")
        videos = write_corpus(loaded.render, raw, 2)
        broken = raw / videos["path"][5]
        broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 2 // 3])
        table = prepare.prepare("demo", loaded.dataset("demo"), raw, folder / "headers.parquet", 2)
        tables.write(table, tables.VIDEOS, "data/videos/demo.parquet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)
    return folder


class Stage:
    """A process group that runs the stage, by DVC or by itself."""

    def __init__(self, project: Path, by_dvc: bool) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command = ["dvc", "repro"] if by_dvc else ["stages.pose", "demo"]
        environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
        with (project / "log.txt").open("ab") as log:
            self.top = psutil.Popen(
                [sys.executable, "-m", *command], cwd=project, env=environment, start_new_session=True,
                stdout=log, stderr=log,
            )  # fmt: skip

    def processes(self, word: str) -> list[psutil.Process]:
        """Those of the group, parent gone or not, whose command line has the word."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == self.top.pid and any(word in part for part in process.cmdline()):
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def kill(self, kind: str, chance: random.Random) -> bool:
        if kind == "group":
            os.killpg(self.top.pid, signal.SIGKILL)
            return True
        if kind == "dvc":
            self.top.kill()
            return True
        words = {"worker": "spawn_main", "stage": "stages.pose"}
        found = [p for p in self.processes(words[kind]) if "sh" not in Path(p.exe()).name]
        if found:
            chance.choice(found).kill()
        return bool(found)


def tainted(project: Path) -> bool:
    """Whether a video is at work that has been under a kill before. Once more, and by the rules it is poisoned."""
    for journal in project.glob("work/pose/*/runs/*.jsonl"):
        present = set()
        for line in journal.read_text().splitlines():
            event, identity, _ = json.loads(line)
            (present.add if event == "begin" else present.discard)(identity)
        if any((journal.parents[1] / "crashes" / f"{identity}.json").exists() for identity in present):
            return True
    return False


def test_thirty_kills_lose_nothing(project: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    print("seed", seed)  # shown if the test fails
    undisturbed = Stage(project, by_dvc=False)
    assert undisturbed.top.wait() == 0, (project / "log.txt").read_text()[-3000:]
    expected = files(project / "data/pose/demo")
    assert len(expected) == 5
    kinds = [kind for kind, count in KILLS.items() for _ in range(count)]
    chance.shuffle(kinds)
    while kinds:
        shutil.rmtree(project / "work", ignore_errors=True)
        shutil.rmtree(project / "data/pose")
        survive(project, chance, kinds)
        assert files(project / "data/pose/demo") == expected


def survive(project: Path, chance: random.Random, kinds: list[str]) -> None:
    """Start the stage again and again, and kill as long as there are kinds to kill, until it ends well."""
    landed: dict[Path, tuple[int, int]] = {}
    by_dvc = False
    while True:
        by_dvc = by_dvc or kinds[:1] == ["dvc"]
        stage = Stage(project, by_dvc)
        orphan = False
        while stage.top.poll() is None and not orphan:
            try:
                stage.top.wait(chance.uniform(0.2, 3))
            except psutil.TimeoutExpired:
                possible = kinds and (kinds[0] != "dvc" or by_dvc) and not tainted(project)
                if possible and stage.kill(kinds[0], chance):
                    orphan = kinds.pop(0) == "dvc"  # the stage may be at work still when the next one starts
            now = parts(project)
            assert now.items() >= landed.items(), "a part was lost or written again"
            landed = now
        if not orphan and stage.top.wait() == 0:
            return
        stage.top.wait()
        by_dvc = orphan  # so that DVC finds what its predecessor left
