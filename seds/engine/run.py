"""The run over a corpus: computes what is missing, stores every outcome at once, assembles the shards at the end.

Outcomes are stored as parts in `scratch/<kind>/<settings and code>/` (seds.engine.parts). However a run ends, what it
has stored is never computed again: not by the next run, not when videos are added or removed, not on another machine.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from seds.engine.crash_log import QUARANTINE, RUN_ALONE, CrashLog, Journal
from seds.engine.executors import Executor
from seds.engine.parts import Parts
from seds.engine.progress import Progress
from seds.extraction.assemble import DamagedError, assemble
from seds.extraction.extractor import ExtractorSpec, Failure, Outcome, Video, read_video
from seds.messages import printable, summarise_skipped
from seds.system.code_version import code_version
from seds.system.files import EngineError, digest
from seds.system.jobs import JobShare
from seds.system.locks import lock
from seds.system.workers import Death

log = logging.getLogger(__name__)

# So many failures in a row for reasons outside the videos, such as an unmounted folder or a lost GPU, end the run:
# listing the whole corpus as failed would help nobody.
_FAILURES_IN_A_ROW = 20


def extract(
    spec: ExtractorSpec,
    videos: pd.DataFrame,
    *,
    output: Path,
    scratch: Path,
    shard_videos: int,
    executor: Executor,
    job: JobShare | None = None,
) -> pd.DataFrame | None:
    """Extract the `ok` videos of a VIDEOS table into `output`: shards and index. Returns the SHARD_INDEX table.

    scratch: parts are kept in `scratch/<kind>/<digest of settings and code>/`. shard_videos: videos per shard,
    consecutive in the table. executor: where the videos are computed. job: compute only the parts of this job's videos,
    leave `output` as it is, and return None.

    A video that cannot be extracted becomes a row of status "failed". Raises EngineError if the machine is at fault,
    workers.WorkerError if the extractor cannot be made. Ctrl-C, SIGTERM and any crash cost only the videos in flight.
    """
    wanted = [read_video(row) for row in videos[videos["status"] == "ok"].to_dict("records")]
    kind = spec.kind
    folder = scratch / kind / digest([dict(spec.settings), code_version(spec.make_extractor)])[:16]
    name = f"{kind} of {output.name}"
    with ExitStack() as stack:
        stack.enter_context(lock(scratch / kind / f"{output.name}.lock", name, shared=job is not None))
        if job is not None:
            job_lock = scratch / kind / f"{output.name}.{job.index}-of-{job.count}.lock"
            stack.enter_context(lock(job_lock, f"job {job} of {name}"))
        stack.enter_context(_sigterm_as_ctrl_c())
        run = _Run(spec, Parts(folder), CrashLog(folder), executor)
        try:
            if job is not None:
                videos_of_job = [video for video in wanted if job.includes(int(video.identity, 16))]
                run.complete(videos_of_job)
                done = f"job {job} is done. When all {job.count} are done: dvc repro {kind}@{output.name}"
                _report(run, videos_of_job, output.name, done)
                return None
            while True:
                run.complete(wanted)
                try:
                    index = assemble(kind, wanted, run.outcome, spec.settings, output, shard_videos)
                    break
                except DamagedError as error:
                    run.discard(error)
        except KeyboardInterrupt:
            log.info(f"{kind}: stopped. Finished videos are kept in {folder}; run the same command again to continue")
            raise
        _report(run, wanted, output.name, f"{index['frames'].sum()} frames in {output}")
    return index


@dataclass
class _Run:
    """Outcomes of videos, read from the disk or computed."""

    spec: ExtractorSpec
    parts: Parts
    crashes: CrashLog
    executor: Executor
    failures: dict[str, Failure] = field(default_factory=dict)  # that hold for this run only, by identity
    _failures_in_a_row: int = 0

    def outcome(self, video: Video) -> Outcome:
        """The outcome of a video after `complete`. Raises PartError."""
        return self.failures.get(video.identity) or self.parts.read(video.identity)

    def complete(self, videos: Sequence[Video]) -> None:
        """Compute the videos that have no outcome yet."""
        distinct = list({video.identity: video for video in videos}.values())  # equal content is computed once
        present = self.parts.present() | self.failures.keys()
        todo = [video for video in distinct if video.identity not in present]
        if not todo:
            return
        with Progress(self.spec.kind, distinct, todo) as progress, self.crashes.journal() as journal:
            while todo:
                weights = {video.identity: self.crashes.weight(video) for video in todo}
                for video in todo:
                    if weights[video.identity] >= QUARANTINE:
                        self._quarantine(video)
                        progress.add(video)
                # Clean videos first: one that may end the run must not keep others from being done.
                together = [video for video in todo if weights[video.identity] < RUN_ALONE]
                alone = [video for video in todo if RUN_ALONE <= weights[video.identity] < QUARANTINE]
                if together:
                    together.sort(key=lambda video: weights[video.identity])
                    todo = self._compute(together, False, journal, progress) + alone
                else:
                    todo = self._compute(alone, True, journal, progress) if alone else []

    def discard(self, damage: DamagedError) -> None:
        """Remove parts that cannot be read."""
        for video, error in damage.parts:
            log.warning(f"{self.spec.kind}: {error}; it will be computed again")
            self.parts.discard(video.identity)

    def _compute(
        self, queue: Sequence[Video], one_at_a_time: bool, journal: Journal, progress: Progress
    ) -> list[Video]:
        """Compute the videos of a queue. Returns those whose worker died."""
        died = []
        make_extractor = self.spec.make_extractor
        for i, result in self.executor.run(make_extractor, queue, one_at_a_time, lambda i: journal.begin(queue[i])):
            video = queue[i]
            if isinstance(result, Death):
                self.crashes.record(video, result.how, certain=result.certain or one_at_a_time)
                died.append(video)
            else:
                self._store(video, result)
                progress.add(video)
            journal.end(video)
        return died

    def _store(self, video: Video, outcome: Outcome) -> None:
        if isinstance(outcome, Failure):
            self._print_failure(video, outcome)
        if isinstance(outcome, Failure) and not outcome.lasting:
            self.failures[video.identity] = outcome
            self._failures_in_a_row += 1
        else:
            self.parts.write(video.identity, outcome)
            self._failures_in_a_row = 0
        self.crashes.clear(video)
        if self._failures_in_a_row == _FAILURES_IN_A_ROW:
            raise EngineError(
                f"{_FAILURES_IN_A_ROW} videos in a row failed for reasons outside the videos; the last: {video.path}: "
                f"{outcome}. Finished videos are kept. Fix the cause, then run the same command again"
            )

    def _quarantine(self, video: Video) -> None:
        crash, file = self.crashes.last_error(video), self.crashes.path(video)
        failure = Failure("quarantined", f"it crashes its worker ({crash}); to try it again: rm {file}")
        self.failures[video.identity] = failure
        self._print_failure(video, failure)

    def _print_failure(self, video: Video, failure: Failure) -> None:
        log.warning(printable(f"{self.spec.kind}: {video.video_id} failed: {failure}", limit=500))


def _report(run: _Run, videos: Sequence[Video], corpus: str, done: str) -> None:
    """Print what became of the videos, how to retry those that failed, and what the parts take on the disk."""
    lasting = run.parts.failed()
    failed = [video for video in videos if video.identity in run.failures or video.identity in lasting]
    log.info(f"{run.spec.kind}: {len(videos) - len(failed)} of {len(videos)} videos, {done}")
    if failed:
        outcomes = [(video, run.outcome(video)) for video in failed]
        rows = [(f.reason, video.video_id, f.detail) for video, f in outcomes if isinstance(f, Failure)]
        log.info(summarise_skipped(rows, len(videos)))
        log.info(f"To retry what vanished, changed or ran out of memory: dvc repro --force {run.spec.kind}@{corpus}")
        if any(video.identity in lasting for video in failed):
            log.info(f"  to retry undecodable videos, too, first: rm -r {run.parts.failures}")
        if any(reason == "quarantined" for reason, _, _ in rows):
            log.info(f"  to retry quarantined videos, too, first: rm -r {run.crashes.crashes}")
    log.info(
        f"{run.spec.kind}: {run.parts.bytes() / 1e9:.1f} GB of results are kept in {run.parts.folder}, so that "
        "no video is computed again; remove the folder to free the space"
    )


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """A scheduler's SIGTERM stops the run in order, so that the videos in flight are not taken for its cause."""
    if threading.current_thread() is not threading.main_thread():
        yield  # elsewhere Python sets no signal handlers
        return
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
