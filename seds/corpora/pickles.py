"""Reading foreign pickles: containers, numbers, strings and numpy arrays, and nothing else.

A pickle is a program: what it names it may call. Here a file is first read through without being run, and refused for
any instruction that plain data does not need; then the few names that numpy's arrays need stand for functions of this
file, so that not even numpy's own unpickling (whose dtype lets a file choose the flags that say what is a pointer) sees
what the file holds. Whatever else a file names is refused by that name, and nothing of it has run.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import re
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seds.errors import SedsError

# A file holds one video's tensors (9 min of keypoints in float64 take 43 MB) or a corpus's sentences (a few MB). A
# byte of an opcode may become an object of 200, hence the second limit. A tuple's hash recurses in C without looking
# at the stack, which 300,000 nested ones overflow; an array needs five.
MAX_BYTES = 256 * 2**20
MAX_OPCODES = 5_000_000
MAX_TUPLES = 50_000

# What protocols 2 to 5 write for plain data. Not in it: persistent ids, extension codes (which skip find_class once
# they are cached), instances, out-of-band buffers, and the text opcodes of protocol 0.
_OPCODES = {
    "PROTO", "FRAME", "MARK", "STOP", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1",
    "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS",
    "FROZENSET", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT",
    "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",  # these make arrays, by the names in _GLOBALS alone
}  # fmt: skip
# Booleans, integers, floats and text of fixed length. Not in it: objects, which are pointers, and records.
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,6}")
_ADMITTED = "containers, numbers, strings and numpy arrays of numbers or strings"
_brief = reprlib.repr  # a few references may stand for a structure of any size
_NDARRAY = "numpy.ndarray"  # stands for the class, which _reconstruct is told and which nothing may call


class PickleError(SedsError, ValueError):
    """A pickle that is refused or damaged; the message names the file and what it asked for."""


def load(path: str | Path) -> Any:
    """The data in a pickle file. Raises PickleError, and OSError where the file cannot be opened."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size  # so that a small file does not take a buffer of the limit's size
        return loads(file.read(min(size, MAX_BYTES) + 1), path)


def loads(data: bytes, name: str | Path) -> Any:
    """The data in a pickle; `name` is for messages. Arrays come as a subclass of numpy's. Raises PickleError."""
    try:
        _look_through(data)
        return _Unpickler(io.BytesIO(data)).load()
    except PickleError as error:
        raise PickleError(f"{name}: refused, {error}; only {_ADMITTED} are read, and it has called nothing") from None
    except Exception as error:  # a damaged file may break any step, in any way
        raise PickleError(f"{name} is no readable pickle, or a truncated one: {error}") from None


def _look_through(data: bytes) -> None:
    """Refuse a program that is too large or uses what plain data does not need, before any of it runs."""
    if len(data) > MAX_BYTES:
        raise PickleError(f"it is larger than {MAX_BYTES // 2**20} MB")
    tuples = 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data), start=1):
        if opcode.name not in _OPCODES:
            shown = "" if argument is None else f" {_brief(argument)}"
            raise PickleError(f"it uses {opcode.name}{shown}")
        if opcode.name == "GLOBAL":
            _global(*str(argument).split(" ", 1))
        tuples += opcode.name.startswith("TUPLE")
        if count > MAX_OPCODES or tuples > MAX_TUPLES:
            raise PickleError(f"it has more than {MAX_OPCODES:,} instructions or {MAX_TUPLES:,} tuples")
        if opcode.name == "LONG_BINPUT" and (argument or 0) > count:  # the table of such places is allocated whole
            raise PickleError(f"it stores at place {argument:,} after {count:,} instructions")


def _global(module: str, name: str) -> Any:
    allowed = _GLOBALS.get((module, name))
    if allowed is None:
        raise PickleError(f"it names {module}.{name}")
    return allowed


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _global(module, name)


class _Function:
    """A function that a pickle may call. Without attributes, so that no BUILD instruction can change it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise PickleError("it changes a function")


class _Dtype:
    """A dtype of _DTYPE, made anew from its letters; flags, fields and metadata of the file are not looked at."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise PickleError(f"it has an array of dtype {_brief(code)}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _version, order, *fields = state[:5]  # then sizes and flags, which the letters decide
        if order not in ("<", ">", "|") or fields != [None, None, None]:
            raise PickleError(f"it has an array of records: {_brief(state)}")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array that takes its state only after a check. Its attributes cannot be set: it has a __setstate__."""

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, data = state
        _check(shape, dtype, data)
        super().__setstate__((1, shape, dtype.dtype, bool(fortran), bytes(data)))


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    """An empty array, to be filled by _Array.__setstate__. numpy's own would allocate any shape it is told."""
    if (kind, shape, code) != (_NDARRAY, (0,), b"b"):
        raise PickleError(f"it makes an array by _reconstruct{_brief((kind, shape, code))}")
    return _Array((0,), np.int8)


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    _check(shape, dtype, data)
    if order not in ("C", "F"):
        raise PickleError(f"it has an array in order {_brief(order)}")
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order)


def _scalar(dtype: Any, data: Any) -> Any:
    _check((), dtype, data)
    return np.frombuffer(data, dtype.dtype)[0]


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleError(f"it calls _codecs.encode with {_brief(encoding)}")
    return text.encode("latin1")


def _check(shape: Any, dtype: Any, data: Any) -> None:
    """That the data fill the shape, so that no more is allocated than the file holds."""
    sound = isinstance(dtype, _Dtype) and isinstance(data, bytes | bytearray) and isinstance(shape, tuple)
    if not sound or not all(type(side) is int and side >= 0 for side in shape):
        raise PickleError(f"it has an array of shape {_brief(shape)} whose data are {type(data).__name__}")
    wanted = math.prod(shape) * dtype.dtype.itemsize
    if wanted != len(data):
        raise PickleError(f"it has an array of shape {_brief(shape)} and {len(data):,} bytes, expected {wanted:,}")


# Everything that a file may name, and why. numpy 2 calls numpy.core numpy._core.
_GLOBALS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,  # the first argument of _reconstruct
    ("numpy", "dtype"): _Function(_Dtype),  # of every array and scalar
    ("numpy.core.multiarray", "_reconstruct"): _Function(_reconstruct),  # arrays, protocols 2 to 4
    ("numpy.core.numeric", "_frombuffer"): _Function(_frombuffer),  # arrays, protocol 5
    ("numpy.core.multiarray", "scalar"): _Function(_scalar),  # a number taken from an array
    ("numpy._core.multiarray", "_reconstruct"): _Function(_reconstruct),
    ("numpy._core.numeric", "_frombuffer"): _Function(_frombuffer),
    ("numpy._core.multiarray", "scalar"): _Function(_scalar),
    ("_codecs", "encode"): _Function(_encode),  # bytes in protocol 2, which has none: text in latin1
}
