"""Archives that lie: climbing paths, links, bombs, truncation. And pickles that want to run something."""

import gzip
import io
import os
import pickle
import stat
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cnnlab.data import archives
from cnnlab.data.archives import members, names
from cnnlab.data.cifar import read_batch
from cnnlab.data.sources import import_path
from cnnlab.errors import DataError
from tests.data.published import cifar10_files, picture, picture_files, python2_pickle, tar, unpack, zipped


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def everything(path: Path) -> dict[str, bytes]:
    return dict(members(path, lambda name: True))


FILES = {"a/one.txt": b"one", "a/b/two.bin": bytes(range(256)) * 300, "three": b""}


@pytest.mark.parametrize(
    ("file", "pack"),
    [
        ("x.zip", zipped),
        ("x.tar.gz", tar),
        ("x.tar", lambda files: tar(files, "w:")),
        ("x.tar.bz2", lambda files: tar(files, "w:bz2")),
        ("x.tar.xz", lambda files: tar(files, "w:xz")),
    ],
)
def test_every_container_gives_the_same(tmp_path, file, pack):
    hidden = {"__MACOSX/a/._one.txt": b"x", "a/.DS_Store": b"x", "Thumbs.db": b"x"}
    path = save(tmp_path / file, pack({**FILES, **hidden}))
    assert everything(path) == FILES
    assert sorted(names(path)) == sorted(FILES)
    assert dict(members(path, lambda name: name == "three")) == {"three": b""}


def test_a_folder_gives_the_same(tmp_path):
    assert everything(unpack({**FILES, ".git/config": b"x"}, tmp_path / "x")) == FILES


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:/evil.png", "C:\\evil.png"]
)
@pytest.mark.parametrize("pack", [zipped, tar])
def test_paths_that_climb_out_are_refused(tmp_path, lab_home, name, pack):
    path = save(tmp_path / "x.zip", pack({**picture_files(), name: picture()}))
    with pytest.raises(DataError, match="a path that climbs out of it"):
        import_path(path, "pets")
    assert not (tmp_path / "evil.png").exists()
    assert not list(lab_home.rglob("*.safetensors"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_a_tar_are_refused(tmp_path, kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("cats/passwords.png")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(DataError, match=r"holds a link \(cats/passwords.png\)"):
        names(save(tmp_path / "x.tgz", buffer.getvalue()))


def test_links_in_a_zip_and_in_a_folder_are_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("cats/passwords.png")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match="holds a link"):
        names(save(tmp_path / "x.zip", buffer.getvalue()))
    folder = unpack(picture_files(), tmp_path / "pets")
    try:
        os.symlink("/etc", folder / "cats" / "etc")
    except OSError:
        pytest.skip("this system makes no links for everybody")
    with pytest.raises(DataError, match=r"holds a link \(cats/etc\)"):
        names(folder)


def test_devices_and_pipes_in_a_tar_are_passed_over(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("cats/pipe.png")
        entry.type = tarfile.FIFOTYPE
        archive.addfile(entry)
    assert names(save(tmp_path / "x.tar", buffer.getvalue())) == ()


# ---------------------------------------------------------------------------------------------- bombs
@pytest.fixture
def _low_limits(monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)


NOTHING = b"\0" * 20_000_000


@pytest.mark.usefixtures("_low_limits")
@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("bomb.zip", lambda: zipped({"cats/a.png": NOTHING})),
        ("bomb.tgz", lambda: tar({"cats/a.png": NOTHING})),
        ("bomb.tar.xz", lambda: tar({"cats/a.png": NOTHING}, "w:xz")),
        ("bomb.zip", lambda: zipped({"train-images-idx3-ubyte.gz": gzip.compress(NOTHING)})),
    ],
)
def test_an_archive_that_unpacks_to_far_more_than_it_weighs(tmp_path, lab_home, file, data):
    path = save(tmp_path / file, data())
    with pytest.raises(DataError, match="more than 100 times that; this is no data set"):
        import_path(path, "pets")


def test_a_bomb_is_stopped_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    meter = archives.Meter("x", 1000)
    meter.add(100_000)
    with pytest.raises(DataError):
        meter.add(1)
    seen: list[int] = []
    real = archives.Meter.add
    monkeypatch.setattr(archives.Meter, "add", lambda self, count: (seen.append(count), real(self, count)) and None)
    with pytest.raises(DataError):
        names(save(tmp_path / "x.tgz", tar({"a": NOTHING})))
    assert sum(seen) < 12_000_000  # of twenty million


def test_a_zip_that_understates_itself_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    data = bytearray(zipped({"cats/a.png": NOTHING}))
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.index(mark) + at
        data[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(DataError, match="damaged|more than 100 times"):
        everything(save(tmp_path / "x.zip", bytes(data)))


def test_the_whole_is_limited_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1_000_000)
    noise = np.random.default_rng(0).integers(0, 256, 600_000, dtype=np.uint8).tobytes()
    for file, data in (("x.zip", zipped({"a": noise, "b": noise})), ("x.tar", tar({"a": noise, "b": noise}, "w:"))):
        with pytest.raises(DataError, match="unpacks to more than 0 MB"):
            everything(save(tmp_path / file, data))


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    files = {f"a/{number}": b"" for number in range(11)}
    for path in (
        save(tmp_path / "x.zip", zipped(files)),
        save(tmp_path / "x.tgz", tar(files)),
        unpack(files, tmp_path / "x"),
    ):
        with pytest.raises(DataError, match="more than 10 files"):
            names(path)


# ---------------------------------------------------------------------------------------------- cut and damaged
@pytest.mark.parametrize("pack", [zipped, tar, lambda files: tar(files, "w:"), lambda files: tar(files, "w:xz")])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.85])
def test_a_truncated_archive_is_one_sentence(tmp_path, lab_home, pack, part):
    data = pack(cifar10_files(4))
    path = save(tmp_path / "cut.tar.gz", data[: int(len(data) * part)])
    with pytest.raises(DataError, match="cut short|lacks") as error:
        import_path(path, "cut")
    assert "\n" not in str(error.value)
    assert not list(lab_home.rglob("*.safetensors"))


@pytest.mark.parametrize("pack", [zipped, tar])
def test_a_damaged_archive_is_one_sentence(tmp_path, lab_home, pack):
    data = bytearray(pack(cifar10_files(4)))
    generator = np.random.default_rng(0)
    refused = 0
    for trial in range(20):
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), 5):
            damaged[place] ^= int(generator.integers(1, 256))
        path = save(tmp_path / f"{trial}.bin", bytes(damaged))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                import_path(path, f"x{trial}")
            except DataError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused >= 10


def test_an_encrypted_zip_is_refused(tmp_path):
    data = bytearray(zipped({"cats/a.png": picture()}))
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(mark) + at] |= 1
    with pytest.raises(DataError, match="locked with a password"):
        everything(save(tmp_path / "x.zip", bytes(data)))


def test_gunzip_of_nonsense():
    for data in (b"", b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b"x" * 1000)[:-9]):
        if data:
            with pytest.raises(DataError, match="cannot be read"):
                archives.gunzip(data, "x.gz")
    assert archives.gunzip(gzip.compress(b"abc"), "x.gz") == b"abc"


# ---------------------------------------------------------------------------------------------- pickles
BATCH = {
    "data": np.random.default_rng(0).integers(0, 256, (5, 3072), dtype=np.uint8),
    "labels": [0, 300, 70_000, 3, 1],
    "filenames": ["a.png", "é"],
    "batch_label": "one",
    "nothing": None,
    "yes": True,
    "half": 0.5,
    "nested": [("x", (1, 2, 3, 4)), {"k": []}],
}


def same(ours: object, theirs: object) -> bool:
    return np.array_equal(ours, theirs) if isinstance(theirs, np.ndarray) else ours == theirs


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_are_read_as_pickle_reads_them(protocol, order):
    batch = {**BATCH, "data": np.array(BATCH["data"], order=order)}
    data = pickle.dumps(batch, protocol)
    ours = read_batch(data, "batch")
    theirs = pickle.loads(data)
    assert list(ours) == list(theirs)
    assert all(same(ours[key], theirs[key]) for key in theirs)


def test_batches_of_python_2_are_read_as_torchvision_reads_them():
    batch = {key: BATCH[key] for key in ("data", "labels", "batch_label")} | {"short": "x" * 255, "long": "y" * 300}
    data = python2_pickle(batch)
    assert b"cnumpy.core.multiarray\n_reconstruct" in data
    assert b"U\x04data" in data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's old module name
        theirs = pickle.loads(data, encoding="latin1")
    ours = read_batch(data, "batch")
    assert list(ours) == list(theirs)
    assert all(same(ours[key], theirs[key]) for key in theirs)


class Runs:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "asked"),
    [(os.system, "system"), (eval, "eval"), (open, "open"), (np.load, "load"), (getattr, "getattr")],
)
def test_nothing_is_run(tmp_path, protocol, function, asked):
    mark = tmp_path / "was-here"
    arguments = (f"touch {mark}",) if function is not open else (str(mark), "w")
    data = pickle.dumps({"data": Runs(function, *arguments)}, protocol)
    with pytest.raises(DataError, match=f"asks to run [a-z.0-9_]*{asked}, which no CIFAR archive does"):
        read_batch(data, "data_batch_1")
    assert not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # protocol 0
        b"(ios\nsystem\nS'true'\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x02cos\nsystem\n)\x81.",  # NEWOBJ
        b"\x80\x02\x82\x01.",  # EXT1
        b"Pid\n.",  # PERSID
    ],
)
def test_every_way_to_run_something_is_refused(data):
    with pytest.raises(DataError, match="asks to run"):
        read_batch(data, "data_batch_1")


@pytest.mark.parametrize(
    "data",
    [
        b"", b".", b"}", b"N.", b"(.", b"}(.", b"]K\x01s.", b"}]K\x01s.", b"h\x05.", b"\x80\x02}q\x00u.", b"a.", b"(K\x01d.",
        b"cnumpy\ndtype\n(S'f8'\ntR.", b"cnumpy\nndarray\n)R.", b"cnumpy\ndtype\n)R.", b"}}b.", b"T\xff\xff\xff\x7fabc",
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(K\x02tNNS'abc'\ntb.",
        pickle.dumps({"data": np.zeros((2, 3), np.float64)}, 2),
        pickle.dumps({"data": np.array([object()])}, 2)[:60],
    ],
)  # fmt: skip
def test_nonsense_is_one_sentence(data):
    with pytest.raises(DataError, match="is damaged|not a file of CIFAR|asks to run"):
        read_batch(data, "data_batch_1")


def test_any_byte_of_a_batch_may_be_damaged():
    whole = python2_pickle({"data": np.zeros((1, 3072), np.uint8), "labels": list(range(40))})
    generator = np.random.default_rng(1)
    for _ in range(300):
        data = bytearray(whole)
        for place in generator.integers(0, 200, 3):
            data[place] = int(generator.integers(0, 256))
        try:
            found = read_batch(bytes(data), "x")
        except DataError:
            continue
        assert all(isinstance(key, str) for key in found)  # still a dictionary, never what a pickle would have run


def test_deep_nesting_is_no_harm():
    deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    with pytest.raises(DataError, match="not a file of CIFAR"):
        read_batch(deep, "x")
    with pytest.raises(DataError, match="is damaged"):
        read_batch(b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.", "x")  # a tuple as key
