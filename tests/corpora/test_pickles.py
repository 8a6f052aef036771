"""The restricted reader: data of every protocol is read as the ordinary one reads it; programs are refused unrun."""

import copyreg
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from seds.corpora import pickles
from seds.corpora.pickles import PickleError

ARRAYS = {
    "float32": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">f8"),
    "half": np.array([1.5, -2], np.float16),
    "bool": np.array([True, False]),
    "uint8": np.array([[0, 255]], np.uint8),
    "names": np.array(["images0001.png", "ü"]),
    "bytes": np.array([b"ab", b"c"]),
    "no axes": np.array(7),
}
PLAIN = {
    "text": "Grüße 你好",
    "numbers": [0, -1, 255, 70_000, 2**40, -(2**70), 1.5, True, None],
    "nested": ({"a": [1, (2, 3)]}, b"raw", {"x"}, frozenset("y")),
}


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Unrelated:
    """An instance of a class, for which pickles have an instruction of its own."""


def global_call(module: str, name: str, argument: str) -> bytes:
    """A protocol 2 pickle that calls module.name(argument), whether or not there is such a thing."""
    text = argument.encode()
    return b"\x80\x02c%s\n%s\nX%s%s\x85R." % (module.encode(), name.encode(), struct.pack("<I", len(text)), text)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_every_protocol_come_back_as_they_were(tmp_path, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(ARRAYS | {"number": np.float64(2.5)}, protocol))
    found, ordinary = pickles.load(path), pickle.loads(path.read_bytes())
    for name, array in ARRAYS.items():
        assert found[name].dtype == ordinary[name].dtype, name
        np.testing.assert_array_equal(found[name], array, name)
    assert found["number"] == 2.5


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_containers_numbers_and_strings_come_back_as_they_were(protocol):
    data = pickle.dumps({k: v for k, v in PLAIN.items() if protocol > 3 or k != "nested"}, protocol)
    assert pickles.loads(data, "p") == pickle.loads(data)


def test_an_array_written_by_numpy_2_is_read():
    array = np.arange(3.0)
    for protocol in (3, 4, 5):
        data = pickle.dumps(array, protocol)
        old, new = ("numpy.core." + m for m in ("multiarray", "numeric")), None
        for module in old:
            new = module.replace("core", "_core")
            data = data.replace(
                b"\x8c" + bytes([len(module)]) + module.encode(), b"\x8c" + bytes([len(new)]) + new.encode()
            )
            data = data.replace(b"c" + module.encode() + b"\n", b"c" + new.encode() + b"\n")
        frame = data.find(b"\x95")
        if frame >= 0:  # a frame's length is one more now
            (length,) = struct.unpack_from("<Q", data, frame + 1)
            data = data[: frame + 1] + struct.pack("<Q", length + 1) + data[frame + 9 :]
        assert b"numpy._core" in data
        np.testing.assert_array_equal(pickles.loads(data, "p"), array)


@pytest.fixture
def sentinel(tmp_path, monkeypatch):
    """A file that every malicious pickle here would make, could it run."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sentinel"
    yield path
    assert not path.exists(), "something of the pickle ran"


def malicious() -> dict[str, tuple[bytes, str]]:
    """Pickles that make a file named sentinel, or would like to, and what the refusal names."""
    system, touch = Calls(os.system, "touch sentinel"), "open('sentinel', 'w')"
    inside = np.empty(2, object)
    inside[:] = [system, 1]
    cases = {
        "system": (pickle.dumps(system), "posix.system"),
        "system in a dict": (pickle.dumps({"keypoints": np.zeros(3), "x": [system]}), "posix.system"),
        "system in protocol 0": (pickle.dumps(system, 0), "posix.system"),
        "system in an object array": (pickle.dumps(inside), "O8|posix.system"),
        "eval": (pickle.dumps(Calls(eval, touch)), "builtins.eval"),
        "exec": (pickle.dumps(Calls(exec, touch)), "builtins.exec"),
        "getattr": (pickle.dumps(Calls(getattr, "a", "upper")), "builtins.getattr"),
        "open": (pickle.dumps(Calls(open, "sentinel", "w")), r"io.open|_io.open"),
        "path": (pickle.dumps(Path("sentinel")), r"pathlib\."),
        "class of ours": (pickle.dumps(PickleError("x")), "PickleError"),
        "a dtype's module": (global_call("numpy", "dtype.__class__", "x"), "numpy.dtype.__class__"),
        "NEWOBJ": (b"\x80\x02cnumpy\nndarray\n)\x81.", "uses NEWOBJ"),
        "instance of ours": (pickle.dumps(Unrelated(), 2), "Unrelated"),
        "INST": (b"(iposix\nsystem\n.", "uses INST 'posix system'"),
        "OBJ": (b"\x80\x02(cposix\nsystem\nX\x0e\x00\x00\x00touch sentinelo.", "posix.system"),
        "persistent id": (b"\x80\x02Papprentice\n.", "PERSID"),
        "persistent object": (b"\x80\x02K\x01Q.", "BINPERSID"),
        "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
        "changed function": (b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.", "changes a function"),
    }
    for name in (
        "load", "fromfile", "memmap", "f2py.compile", "f2py", "testing", "ctypeslib", "lib.npyio.NpzFile",
        "core.multiarray.fromfile", "distutils.exec_command.exec_command", "testing._private.utils.runstring",
    ):  # fmt: skip
        module, _, attribute = f"numpy.{name}".rpartition(".")
        cases[f"numpy.{name}"] = (global_call(module, attribute, "sentinel"), f"numpy.{name}")
        cases[f"numpy {name}"] = (global_call("numpy", name, "sentinel"), f"numpy.{name}")
    return cases


@pytest.mark.parametrize("case", malicious())
def test_a_program_is_refused_by_name_and_does_not_run(sentinel, tmp_path, case):
    data, named = malicious()[case]
    path = tmp_path / "evil.pkl"
    path.write_bytes(data)
    with pytest.raises(PickleError, match=rf"evil\.pkl: refused, it .*({named}).*it has called nothing"):
        pickles.load(path)


def test_the_malice_is_real(tmp_path, monkeypatch):
    """The ordinary reader does run such a file."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(malicious()["system in an object array"][0])
    assert (tmp_path / "sentinel").exists()


def test_extension_code_is_refused_even_if_used_before(sentinel):
    copyreg.add_extension("posix", "system", 200)
    try:
        data = b"\x80\x02\x82\xc8X\x0e\x00\x00\x00touch sentinel\x85R."
        pickle.loads(b"\x80\x02\x82\xc8.")  # puts it in a cache that find_class is not asked about
        with pytest.raises(PickleError, match="EXT1 200"):
            pickles.loads(data, "p")
    finally:
        copyreg.remove_extension("posix", "system", 200)
        copyreg.clear_extension_cache()


def array_pickle(code="O8", state=(3, "|", None, None, None, -1, -1, 0), shape=(1,), data=b"\x41" * 8, start=(0,)):
    """A protocol 4 pickle of an array with everything chosen freely."""
    dtype, array = Calls(np.dtype, code, False, True), Calls(np.core.multiarray._reconstruct, np.ndarray, start, b"b")
    for target, given in ((dtype, state), (array, (1, shape, dtype, False, data))):
        target.call = (*target.call, given)
    return pickle.dumps(array, 4)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "dtype 'O8'"),  # raw bytes as pointers, by flags that say there are none
        ({"code": "V8"}, "dtype 'V8'"),
        ({"code": "f8,O"}, "dtype 'f8,O'"),
        ({"code": "f8", "state": (3, "|", None, ("a",), {"a": ("O", 0)}, 8, 1, 0)}, "records"),
        ({"code": "f8", "shape": (10**12,)}, "8 bytes, expected 8,000,000,000,000"),
        ({"code": "f8", "shape": (-1,)}, "shape"),
        ({"code": "f8", "data": [1]}, "whose data are list"),
        ({"code": "f8", "start": (10**12,)}, "_reconstruct"),
    ],
)
def test_array_that_is_not_plain_or_not_filled_is_refused(changes, named):
    with pytest.raises(PickleError, match=named):
        pickles.loads(array_pickle(**changes), "p")


def test_a_sound_array_made_the_same_way_is_read():
    found = pickles.loads(array_pickle(code="f8", state=(3, "<", None, None, None, -1, -1, 63), data=bytes(8)), "p")
    np.testing.assert_array_equal(found, [0.0])


def test_numpys_own_class_cannot_be_called():
    with pytest.raises(PickleError, match="not callable"):
        pickles.loads(pickle.dumps(Calls(np.ndarray, (10**12,))), "p")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"\x80\x02](K\x00" + b"r\xff\xff\xff\x7f" + b"e.", "place 2,147,483,647"),
        (b"\x80\x02)" + b"\x85" * 60_000 + b".", "tuples"),
        (b"\x80\x02](" + b"N" * 100_000 + b"e.", "100,000 instructions"),
    ],
)
def test_a_small_file_cannot_take_all_memory_or_the_stack(data, named, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_OPCODES", 100_000)
    with pytest.raises(PickleError, match=named):
        pickles.loads(data, "p")


def test_a_large_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_BYTES", 2**20)
    (tmp_path / "large.pkl").write_bytes(pickle.dumps(bytes(2**20)))
    with pytest.raises(PickleError, match=r"large\.pkl: refused, it is larger than 1 MB"):
        pickles.load(tmp_path / "large.pkl")


def test_references_that_multiply_are_not_followed_by_messages():
    bomb = [0]
    for _ in range(60):
        bomb = [bomb, bomb]
    with pytest.raises(PickleError, match="dtype"):
        pickles.loads(pickle.dumps(Calls(np.dtype, bomb)), "p")


def test_what_is_no_pickle_is_named(tmp_path):
    whole = pickle.dumps(ARRAYS)
    for data in (b"", b"hello", whole[:-1], whole[: len(whole) // 2], b"\x80\x02cnumpy\n"):
        with pytest.raises(PickleError, match=r"p\.pkl( is no readable pickle|: refused, it uses)"):
            pickles.loads(data, tmp_path / "p.pkl")
    with pytest.raises(FileNotFoundError):
        pickles.load(tmp_path / "gone.pkl")


def test_damaged_files_are_read_or_refused_and_nothing_else(sentinel):
    generator = np.random.default_rng(0)
    whole = [pickle.dumps(ARRAYS | {"x": [1, ("a", 2.5)]}, protocol) for protocol in (2, 3, 4, 5)]
    whole.append(malicious()["system in a dict"][0])
    refused = 0
    for i in range(2000):
        data = bytearray(whole[i % len(whole)])
        for at in generator.integers(0, len(data), generator.integers(1, 6)):
            data[at] = generator.integers(0, 256)
        try:
            pickles.loads(bytes(data), "p")
        except PickleError:
            refused += 1
    assert 400 < refused < 2000  # all of the malicious, and most others
