"""Reading RGB features that others extracted: .npy, .npz, .h5 and .pt, an array [V,D] a video. No code is run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from seds.imports.arrays import read_npz
from seds.imports.joints import KeypointsError

_BYTES = 2**30  # of an array
_NAMES = ("features", "feature", "feats", "preds")  # of it, where a file has several


def read_features(path: Path) -> np.ndarray:
    """float16 [V,D], V windows of D features. Raises KeypointsError, OSError."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        elif suffix == ".npz":
            array = _chosen(read_npz(path))
        elif suffix in (".h5", ".hdf5"):
            array = _read_hdf5(path)
        else:
            array = _read_torch(path)
        return _checked(array)
    except KeypointsError:
        raise
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file may break any step of its library
        raise KeypointsError(f"no readable {suffix} file of features ({type(error).__name__} {error})") from None


def _checked(array: Any) -> np.ndarray:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise KeypointsError(
            f"expected an array of numbers [V,D], found {getattr(array, 'dtype', type(array).__name__)}"
        )
    shape = array.shape
    if array.ndim > 2:  # [1,V,D], or [V,D,1,1,1] as pooled maps have it
        array = array.reshape([side for side in shape if side != 1] or [1])
    if array.ndim != 2 or not array.size:
        raise KeypointsError(f"features are {list(shape)}, expected [V,D], V windows of D features")
    if array.size * 4 > _BYTES:
        raise KeypointsError(f"features are {list(shape)}, more than {_BYTES // 2**30} GB")
    with np.errstate(over="ignore"):  # named below
        stored = np.asarray(array).astype(np.float16)
    if not np.isfinite(stored).all():
        raise KeypointsError("features have NaN, infinite or too large values for float16")
    return stored


def _chosen(arrays: dict[str, Any]) -> Any:
    """The array of features among named ones."""
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    for name in _NAMES:
        if name in arrays:
            return arrays[name]
    raise KeypointsError(f"has {', '.join(sorted(map(str, arrays))[:8]) or 'nothing'}; expected {_NAMES[0]}")


def _read_hdf5(path: Path) -> np.ndarray:
    import h5py

    with h5py.File(path, "r") as file:
        # Other links lead to other files, and so do virtual and external data.
        own = {name: file[name] for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)}
        data = _chosen({name: item for name, item in own.items() if isinstance(item, h5py.Dataset)})
        if data.is_virtual or data.external:
            raise KeypointsError(f"{data.name} is kept in other files")
        if data.dtype.kind not in "fiu" or data.size * data.dtype.itemsize > _BYTES:
            raise KeypointsError(f"{data.name} is {list(data.shape)} {data.dtype}, expected at most 1 GB of numbers")
        return np.asarray(data[()])


def _read_torch(path: Path) -> np.ndarray:
    import torch

    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    if size > _BYTES:
        raise KeypointsError(f"more than {_BYTES // 2**30} GB")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # PyTorch recommends to load it unsafely
        raise KeypointsError("it is damaged, or holds more than tensors; nothing in it was run") from None
    tensor = _chosen(content) if isinstance(content, dict) else content
    if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
        raise KeypointsError(f"expected a tensor [V,D], found {type(tensor).__name__}")
    if tensor.numel() * 4 > _BYTES:  # a view may be larger than what it shows
        raise KeypointsError(f"features are {list(tensor.shape)}, more than {_BYTES // 2**30} GB")
    return tensor.detach().float().numpy()
