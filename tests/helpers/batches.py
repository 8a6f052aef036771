"""Random batches of videos and texts of given lengths."""

import torch
from torch.nn import functional as F

from helpers.recorded import SMALL
from seds.data.batches import Batch


def random_batch(frames, words, seed=0, sizes=SMALL, extra=(0, 0, 0)):
    """Videos of these many frames with texts of these many tokens, padded by `extra` frames, windows and tokens."""
    videos, longest = [], max(frames) + extra[0]
    windows, length = max(max(1, f - 15) for f in frames) + extra[1], max(words) + extra[2]
    for f, w in zip(frames, words, strict=True):
        generator = torch.Generator().manual_seed(seed + 1000 * f + w)
        n = max(1, f - 15)
        pad = (0, 0, 0, 0, 0, longest - f)
        joints = [F.pad(256 * torch.rand(f, j, 2, generator=generator), pad) for j in (21, 21, 7)]
        starts = F.pad(torch.arange(n), (0, windows - n), value=-1)
        rgb = F.pad(torch.randn(n, sizes.rgb_features, generator=generator), (0, 0, 0, windows - n))
        ids = torch.randint(1, sizes.vocabulary - 2, (2, w), generator=generator)
        ids[:, 0], ids[:, -1] = sizes.vocabulary - 2, sizes.vocabulary - 1
        videos.append((*joints, torch.tensor(f), starts, rgb, *F.pad(ids, (0, length - w))))
    return Batch(*(torch.stack(tensors) for tensors in zip(*videos, strict=True)))


def batch_rows(batch, rows):
    """Some of the videos, padded as before."""
    return Batch(*(tensor[rows] for tensor in vars(batch).values()))


def widened_batch(batch):
    """In float64."""
    return Batch(*(t.double() if t.is_floating_point() else t for t in vars(batch).values()))
