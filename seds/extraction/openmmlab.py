"""Makes mmpose and mmaction2 importable with mmcv-lite and without mmdet.

Three modules that they import, for networks that are not used here, are missing from a plain pip install.
`fill_import_gaps` puts stand-ins in their place, whose members raise when they are used. Installed modules are left
alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn


def fill_import_gaps() -> None:
    """Call before importing mmpose or mmaction. Calling again does nothing."""
    if _is_missing("mmdet"):  # mmpose's RTMO head imports a type alias and a function
        _add("mmdet")
        _add("mmdet.utils", ConfigType=dict, reduce_mean=_unusable("reduce_mean", "mmdet is not installed"))
    if _is_missing("mmcv._ext"):  # mmpose's EDPose head imports mmcv.ops, which look up compiled functions here
        reason = "mmcv-lite has no compiled operators"
        _add("mmcv._ext", __getattr__=lambda name: _compiled(name, reason))
    if _is_missing("mmaction.models.localizers.drn"):  # imported by its neighbours, but missing from the wheel
        _add("mmaction.models.localizers.drn")
        _add("mmaction.models.localizers.drn.drn", DRN=_unusable("DRN", "mmaction2's wheel lacks this localizer"))


def _is_missing(name: str) -> bool:
    """Whether a module is neither loaded nor among the files of its package, which is not imported to find out."""
    if name in sys.modules:
        return False
    package, *inner = name.split(".")
    spec = find_spec(package)
    if spec is None or not inner:
        return spec is None
    folders = [Path(folder, *inner[:-1]) for folder in spec.submodule_search_locations or ()]
    return not any(list(folder.glob(f"{inner[-1]}{ending}")) for folder in folders for ending in ("", ".py", ".*.so"))


def _add(name: str, **members: Any) -> None:
    module = ModuleType(name, "A stand-in; see seds.extraction.openmmlab.")
    module.__spec__ = ModuleSpec(name, loader=None)  # without a loader, mmengine knows that nothing is compiled
    module.__dict__.update(members)
    sys.modules[name] = module


def _unusable(name: str, reason: str) -> Callable[..., NoReturn]:
    def raise_on_use(*args: object, **kwargs: object) -> NoReturn:
        raise ImportError(f"{name} cannot be used: {reason}")

    return raise_on_use


def _compiled(name: str, reason: str) -> Callable[..., NoReturn]:
    if name.startswith("__"):  # what Python itself asks of a module
        raise AttributeError(name)
    return _unusable(name, reason)
