"""A batch that the published loader made, through the whole network to its similarity matrices."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from seds.data.batches import Batch
from seds.verify.arrays import Arrays, NotCompared, as_recorded
from seds.verify.comparison import Result, relative, same
from seds.verify.components import JOINTS, check_positions
from seds.verify.recordings import Recording
from seds.verify.scores import compare_matrix, matrices, normal, similarity
from seds.verify.step import HIDDEN


def end_to_end(recording: Recording, outputs: Arrays) -> Iterator[Result]:
    """outputs: e2e_CORPUS_PREFIX.npz, recorded from the batch of collate_CORPUS.npz."""
    corpus = outputs.path.name.removeprefix("e2e_").removesuffix(f"_{recording}.npz")
    yield from as_recorded(outputs.label, _encoded(recording, outputs, f"collate_{corpus}.npz"))


@torch.no_grad()
def _encoded(recording: Recording, outputs: Arrays, source: str) -> Iterator[Result]:
    batch = _batch(recording, recording.files[source].view(recording.dtype))
    model, label, limit = recording.model(), outputs.label, recording.limit
    video, text = model.encode_video(batch), model.encode_text(batch.ids)
    for name, mask in (("video_mask", ~video.valid), ("text_mask", text.valid)):
        if name in outputs:
            yield same(f"{label}/{name}", mask, outputs.numbers(name) > 0)
    hidden = {name: video.streams[stream] for stream, name in HIDDEN.items()} | {"text_hidden": text.tokens}
    for name, tokens in hidden.items():
        for part, ours in ((f"{name}_first4", tokens[:, :4]), (f"{name}_norms", tokens.norm(dim=-1))):
            if part in outputs:
                yield relative(f"{label}/{part}", ours, outputs.tensor(part), limit)
    words, with_windows = normal(text.tokens, text.valid), video.valid[:, 1:].any(1)
    for name, matrix in matrices(video, words, words, model.logit_scale.exp()).items():
        yield from compare_matrix(f"{label}/{name}", matrix, outputs, name, limit, with_windows)
    for stream, matrix in similarity(model, video, text).items():
        if f"I2T_{stream}" in outputs and f"T2I_{stream}" in outputs:
            mean = 0.5 * (outputs.tensor(f"I2T_{stream}") + outputs.tensor(f"T2I_{stream}"))
            yield relative(f"{label}/similarity of {stream}", matrix, mean, limit)


def _batch(recording: Recording, inputs: Arrays) -> Batch:
    sizes: dict[str, int] = {}
    joints = {
        part: inputs.tensor(f"batch/{part}_pose", "B", "T", JOINTS[kind], 2, sizes=sizes)
        for part, kind in (("left", "hand"), ("right", "hand"), ("body", "body"))
    }
    latest = max(0, sizes["T"] - recording.sizes.window)
    starts = inputs.indices("batch/body_clips_start", -1, latest, "B", "V", sizes=sizes)
    check_positions(recording, sizes["V"] + 1)
    if not (starts >= 0).any(1).all():
        raise NotCompared("a video of the batch has no window, and the release's fusion is NaN there")
    rgb = inputs.tensor("batch/RGB_feature", "B", recording.sizes.rgb_features, "V", 1, sizes=sizes)
    ids = inputs.indices("batch/pairs_text", 0, recording.sizes.vocabulary - 1, "B", 1, "L", sizes=sizes)[:, 0]
    return Batch(
        **joints,
        frames=torch.full((sizes["B"],), sizes["T"]),  # the loader has repeated short videos' last frames already
        window_starts=starts,
        rgb=rgb[..., 0].transpose(1, 2),
        ids=ids,
        ids_swapped=ids,
    )
