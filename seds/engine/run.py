"""The run over a corpus: what is missing is computed, every outcome lands at once, shards are assembled at the end.

Outcomes land as parts in `scratch/<kind>/<settings and code>/` (seds.engine.parts), so that whatever ends a run, what
had landed is never computed again: not by the next run, not when videos are added or removed, not by another machine.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from seds.engine.command import Share
from seds.engine.crews import Crew
from seds.engine.parts import Parts
from seds.engine.progress import Progress
from seds.engine.suspects import ALONE, LIMIT, Journal, Suspects
from seds.extraction.assemble import DamagedError, assemble
from seds.extraction.extractor import Build, Failure, Outcome, Video, read_video
from seds.messages import printable, summarise_skipped
from seds.system.code_version import code_version
from seds.system.files import EngineError, digest
from seds.system.locks import lock
from seds.system.workers import Death

# Videos that fail one after another through no fault of theirs, a folder unmounted or a GPU lost, end the run: to list
# the whole corpus as failed would help nobody.
_IN_A_ROW = 20


def extract(
    *,
    kind: str,
    videos: pd.DataFrame,
    build: Callable[[str], Build],
    settings: Mapping[str, str],
    output: Path,
    scratch: Path,
    shard_videos: int,
    crew: Crew,
    share: Share | None = None,
) -> pd.DataFrame | None:
    """Extract the `ok` videos of a VIDEOS table into `output`: shards and index. Returns the SHARD_INDEX table.

    kind          "pose" or "rgb", as the shards' headers have it
    build         device -> picklable maker of the extractor on it
    settings      what determines the result (estimator, sha256 of weights, ...); goes into the shards' headers
    scratch       parts stay in `scratch/<kind>/<digest of settings and code>/`
    shard_videos  videos a shard, consecutive in the table
    crew          who computes
    share         compute these videos' parts alone, leave `output` as it is, and return None

    A video that cannot be extracted becomes a row of status "failed". Raises EngineError where the machine is at
    fault, workers.WorkerError where the extractor cannot be built. Ctrl-C, SIGTERM and any death lose the videos in
    flight and nothing else.
    """
    wanted = [read_video(row) for row in videos[videos["status"] == "ok"].to_dict("records")]
    folder = scratch / kind / digest([dict(settings), code_version(build("cpu"))])[:16]
    name = f"{kind} of {output.name}"
    with ExitStack() as held:
        held.enter_context(lock(scratch / kind / f"{output.name}.lock", name, shared=share is not None))
        if share is not None:
            own = scratch / kind / f"{output.name}.{share.index}-of-{share.count}.lock"
            held.enter_context(lock(own, f"share {share} of {name}"))
        held.enter_context(_sigterm_as_ctrl_c())
        run = _Run(kind, Parts(folder), Suspects(folder), crew, build)
        try:
            if share is not None:
                mine = [video for video in wanted if share.owns(video)]
                run.complete(mine)
                _report(run, mine, output.name, f"share {share} is done; when all are: dvc repro {kind}@{output.name}")
                return None
            while True:
                run.complete(wanted)
                try:
                    index = assemble(kind, wanted, run.outcome, settings, output, shard_videos)
                    break
                except DamagedError as error:
                    run.discard(error)
        except KeyboardInterrupt:
            tqdm.write(f"{kind}: stopped; what is done waits in {folder}, and the same command continues")
            raise
        _report(run, wanted, output.name, f"{index['frames'].sum()} frames in {output}")
    return index


@dataclass
class _Run:
    """Outcomes for videos, from the disk or the crew."""

    kind: str
    parts: Parts
    suspects: Suspects
    crew: Crew
    build: Callable[[str], Build]
    failures: dict[str, Failure] = field(default_factory=dict)  # those of this run alone, by identity
    _in_a_row: int = 0

    def outcome(self, video: Video) -> Outcome:
        """Of a video that is complete. Raises PartError."""
        return self.failures.get(video.identity) or self.parts.read(video.identity)

    def complete(self, videos: Sequence[Video]) -> None:
        """Compute what has no outcome yet."""
        distinct = list({video.identity: video for video in videos}.values())  # equal content is computed once
        present = self.parts.present() | self.failures.keys()
        todo = [video for video in distinct if video.identity not in present]
        if not todo:
            return
        with Progress(self.kind, distinct, todo) as progress, self.suspects.journal() as journal:
            while todo:
                weight = {video.identity: self.suspects.weight(video) for video in todo}
                for video in todo:
                    if weight[video.identity] >= LIMIT:
                        self._set_aside(video)
                        progress.add(video)
                # The innocent first: what may end the run must not keep others from being done.
                company = sorted((v for v in todo if weight[v.identity] < ALONE), key=lambda v: weight[v.identity])
                alone = [video for video in todo if ALONE <= weight[video.identity] < LIMIT]
                if company:
                    todo = self._compute(company, False, journal, progress) + alone
                else:
                    todo = self._compute(alone, True, journal, progress) if alone else []

    def discard(self, damage: DamagedError) -> None:
        """Forget parts that cannot be read."""
        for video, error in damage.parts:
            tqdm.write(f"{self.kind}: {error}; computed again")
            self.parts.discard(video.identity)

    def _compute(self, queue: Sequence[Video], alone: bool, journal: Journal, progress: Progress) -> list[Video]:
        """Work off a queue; the videos whose worker died come back."""
        again = []
        for i, result in self.crew.run(self.build, queue, alone, lambda i: journal.begin(queue[i])):
            video = queue[i]
            if isinstance(result, Death):
                self.suspects.blame(video, result.how, certain=result.certain or alone)
                again.append(video)
            else:
                self._land(video, result)
                progress.add(video)
            journal.end(video)
        return again

    def _land(self, video: Video, outcome: Outcome) -> None:
        if isinstance(outcome, Failure):
            self._tell(video, outcome)
        if isinstance(outcome, Failure) and not outcome.lasting:
            self.failures[video.identity] = outcome
            self._in_a_row += 1
        else:
            self.parts.write(video.identity, outcome)
            self._in_a_row = 0
        self.suspects.absolve(video)
        if self._in_a_row == _IN_A_ROW:
            raise EngineError(
                f"{_IN_A_ROW} videos in a row failed through no fault of theirs, the last so: {video.path}: "
                f"{outcome}. What had landed is kept; see to that, then the same command continues"
            )

    def _set_aside(self, video: Video) -> None:
        how, file = self.suspects.last_words(video), self.suspects.file(video)
        self.failures[video.identity] = Failure("set aside", f"its workers die ({how}); to try it again: rm {file}")
        self._tell(video, self.failures[video.identity])

    def _tell(self, video: Video, failure: Failure) -> None:
        tqdm.write(printable(f"{self.kind}: {video.video_id} failed: {failure}", limit=500))


def _report(run: _Run, videos: Sequence[Video], corpus: str, done: str) -> None:
    """What came of the videos, what was left out and how to try it again, and what the disk keeps."""
    lasting = run.parts.failed()
    without = [video for video in videos if video.identity in run.failures or video.identity in lasting]
    tqdm.write(f"{run.kind}: {len(videos) - len(without)} of {len(videos)} videos, {done}")
    if without:
        failures = [(video, run.outcome(video)) for video in without]
        rows = [(f.reason, v.video_id, f.detail) for v, f in failures if isinstance(f, Failure)]
        tqdm.write(summarise_skipped(rows, len(videos)))
        tqdm.write(f"dvc repro --force {run.kind}@{corpus} tries again what vanished, changed or lacked memory;")
        tqdm.write(f"  what is at fault itself, after rm -r {run.parts.failures}")
        tqdm.write(f"  what was set aside, after rm -r {run.suspects.deaths}")
    tqdm.write(
        f"{run.kind}: {run.parts.bytes() / 1e9:.1f} GB of parts stay in {run.parts.folder}, and no video in them is "
        "computed again; remove the folder to have the disk back"
    )


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """A scheduler's notice to leave is no crash, and tells nothing against the videos in flight."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where Python sets no handlers
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
