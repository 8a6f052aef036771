"""A small corpus with real videos of every kind, its index, and the real server of it."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import chdir, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import av
import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from helpers import shown
from helpers.corpus import SIZES, keypoints, write_manifest
from helpers.films import film
from helpers.toy_search import write_model, write_project
from seds import shards, tables
from seds.config import load_params
from seds.demo.corpus import plan, render_take, write_video
from seds.pose import estimators
from seds.rgb import extractor
from stages import index

HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "-dash/../../etc/passwd", "手話 👩‍🚀 café",
    "{{ 7 * 7 }}", "a\tb\x1b[31m", "\u202egnp.exe", "x" * 300,
)  # fmt: skip
FPS = 10
FRAMES = 24  # of each video
SIGNED = 20  # of the clip
LIMITS = {"clip_mb": 2, "clip_s": 10, "clip_frames": 300, "clip_pixels": 512 * 512, "clip_arrive_s": 3, "clips": 2}


def write_project_with_videos(root: Path) -> Path:
    """params.yaml, data/, models/toy and index/toy below `root`; returns a clip of a drawn signer, not in the corpus.

    The videos, by id: plain, cut-a and cut-b (of long.mp4), folder, mpeg4 (which browsers do not play), broken (no
    video since it was indexed), gone, bare (only what was extracted), and one of each HOSTILE id, sentence and signer.
    """
    videos = root / "data" / "raw" / "toy"
    film(videos / "plain.mp4", FRAMES, FPS)
    film(videos / "long.mp4", 4 * FRAMES, FPS, shade=20)
    shown.write_frame_folder(videos / "frames", FRAMES)
    write_mpeg4(videos / "mpeg4.mp4")
    (videos / "broken.mp4").write_text("no video")
    rows = [row("plain", "plain.mp4"), row("folder", "frames"), row("mpeg4", "mpeg4.mp4"), row("gone", "gone.mp4")]
    rows += [row(name, "long.mp4", start_s=s, end_s=s + 2.4, frames=96) for name, s in (("cut-a", 2.4), ("cut-b", 4.8))]
    rows += [row("broken", "broken.mp4"), row("bare", "") | {"path": ""}]
    rows += [row(text, "plain.mp4", text=text, signer=text, sentence_id=text) for text in HOSTILE]
    sizes = SIZES.model_copy(update={"rgb_features": 256})
    write_project(root, {"train": 1}, sizes)
    shutil.rmtree(root / "data" / "pose")
    shutil.rmtree(root / "data" / "rgb")
    write_extracted(root, rows)
    write_model(root, sizes)
    yaml = YAML(typ="safe")
    params = yaml.load(root / "params.yaml")
    params["serve"] |= LIMITS
    yaml.dump(params, root / "params.yaml")
    with chdir(root):
        index.main("toy")
    clip = root / "signer.mp4"
    render = load_params(root / "params.yaml").render
    write_video(clip, render_take(plan(render)[0], render.fps, render.size)[0][:SIGNED], render.fps)
    return clip


def row(video_id: str, name: str, **values: object) -> dict[str, object]:
    return {
        "video_id": video_id, "sentence_id": f"sentence-{video_id}", "split": "test",
        "text": f"a sentence of {video_id}", "signer": "A", "path": f"data/raw/toy/{name}",
        "start_s": np.nan, "end_s": np.nan, "frames": FRAMES,
    } | values  # fmt: skip


def write_extracted(root: Path, rows: list[dict[str, object]]) -> None:
    """Manifest and shards of the rows, as if extracted by what params.yaml describes."""
    generator = np.random.default_rng(0)
    params = load_params(root / "params.yaml")
    pose, rgb = {}, {}
    for number, values in enumerate(rows):
        video_id = str(values["video_id"])
        pose[video_id] = {"keypoints": keypoints(number, FRAMES, generator)}
        starts = np.arange(0, FRAMES - 15, 4, dtype=np.int32)
        features = generator.normal(number, 0.1, size=(len(starts), 256)).astype(np.float16)
        rgb[video_id] = {"features": features, "starts": starts}
    # The helper of the synthetic corpus leaves its last row unusable and knows no paths.
    extra = {column: [values[column] for values in rows] for column in ("path", "signer", "start_s", "end_s", "frames")}
    write_manifest(root / "data", pd.DataFrame(rows), dict.fromkeys(pose, FRAMES), "toy")
    path = root / "data" / "manifest" / "toy.parquet"
    table = pd.read_parquet(path).assign(**extra, usable=True, reason="", fps=float(FPS), width=64, height=48)
    tables.write(table, tables.MANIFEST, path)
    headers = {
        "pose": estimators.extractor_spec(params.pose.small, "cpu").settings,
        "rgb": extractor.extractor_spec(params.rgb.small, params.rgb.window, "cpu").settings,
    }
    for kind, extracted in (("pose", pose), ("rgb", rgb)):
        folder = root / "data" / kind / "toy"
        shards.write_shard(folder / "0.safetensors", kind, extracted, headers[kind])
        found = [(video, "0.safetensors", FRAMES, 1, "ok", "") for video in extracted]
        columns = ["video_id", "shard", "frames", "rows", "status", "detail"]
        shards.write_index(folder, pd.DataFrame(found, columns=columns))


def write_mpeg4(path: Path, images: Iterable[np.ndarray] | None = None, fps: int = FPS) -> Path:
    """A video that browsers do not play, of those images or of small grey ones."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps, options={"qscale": "2"})
        stream.pix_fmt = "yuv420p"
        for i, image in enumerate(images or (np.full((48, 64, 3), 10 * i, np.uint8) for i in range(FRAMES))):
            if i == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """The real `seds serve` of a project, and how to ask it."""

    def __init__(self, root: Path, clip: Path, *options: str) -> None:
        self.root, self.clip = root, clip
        command = [sys.executable, "-c", "from seds.cli import app; app()", "serve", "toy", "--port", "0", *options]
        environment = os.environ | {"PYTHONPATH": str(shown.ROOT), "PYTHONUNBUFFERED": "1"}
        self.log = root / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"(https?)://(\S+):(\d+)/(?:\?token=(\S+))?", line)
        assert found, f"{line}{self.log.read_text()}"
        self.url, self.host, self.port = f"{found[1]}://{found[2]}:{found[3]}/", found[2], int(found[3])
        self.token = found[4]
        # Tests check what is sent, not by whom the certificate is signed.
        self._context = ssl._create_unverified_context() if found[1] == "https" else None

    def get(self, path: str, query: dict[str, object] | None = None, method: str = "GET", **headers: str) -> Answer:
        target = f"{path}?{urlencode(query)}" if query else path
        return self.ask(method, target, None, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, body: Any, **headers: str) -> Answer:
        """A clip, sent as the page sends it."""
        given = {"Origin": self.url[:-1], "Content-Type": "application/octet-stream"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/api/clips", body, given)

    def ask(self, method: str, target: str, body: Any, headers: dict[str, str]) -> Answer:
        connect = (
            partial(http.client.HTTPSConnection, context=self._context) if self._context else http.client.HTTPConnection
        )
        with closing(connect(self.host, self.port, timeout=60)) as connection:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def scratch(self) -> list[str]:
        """Names of the clips' files that are there."""
        return [
            path.name
            for path in self.root.glob("work/serve/toy/clips-*/*")
            if path.suffix != ".json" and path.name != "lock"
        ]

    def finished(self, number: str, **query: object) -> Answer:
        """The answer on a clip once it is ready or has failed."""
        until = time.monotonic() + 120
        while (answer := self.get(f"/api/clips/{number}", query)).status == 202 and time.monotonic() < until:
            time.sleep(0.1)
        return answer

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0
