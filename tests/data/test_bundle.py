"""The bundled data sets: what they hold, how they are stored, loaded and shared."""

import gzip
import hashlib
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnlab.data import loader, packs, store
from cnnlab.data.dataset import DataSet, Split, channel_statistics, checked, content_hash
from cnnlab.data.idx import read_idx, write_idx
from cnnlab.data.known import FOLDER, KNOWN, manifest
from cnnlab.data.loader import load
from cnnlab.errors import DataError

BUNDLED = [name for name, known in KNOWN.items() if known.bundled]
# Published: http://yann.lecun.com/exdb/mnist/, uncompressed files
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def test_mnist_is_the_original_byte_for_byte():
    for file, sha256 in MNIST_SHA256.items():
        assert hashlib.sha256(gzip.decompress((FOLDER / "mnist" / file).read_bytes())).hexdigest() == sha256
    assert manifest()["mnist"]["files"] == MNIST_SHA256


def test_gzip_holds_no_time_and_no_name():
    for path in FOLDER.glob("*/*.gz"):
        head = path.read_bytes()[:10]
        assert head[3] == 0, path  # no flags: no file name
        assert head[4:8] == b"\0\0\0\0", path  # no time


def test_the_bundle_is_small_and_written_down():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 32e6
    assert sorted(manifest()) == sorted(BUNDLED)
    for name, entry in manifest().items():
        assert f"## {name}\n" in readme
        assert entry["hash"] in readme
        assert sorted(entry["files"]) == sorted(path.name for path in (FOLDER / name).iterdir())
        for file, sha256 in entry["files"].items():
            assert f"| `{file}` | `{sha256}` |" in readme


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_set_is_what_the_catalogue_says(name):
    data, known = load(name), KNOWN[name]
    assert data.name == name
    assert data.class_names == known.class_names
    assert data.image_shape == known.image_shape
    assert (len(data.train), len(data.test)) == known.splits
    assert data.hash == known.hash == content_hash(data.train, data.test)
    for split in (data.train, data.test):
        assert split.images.dtype == torch.uint8
        assert split.targets.dtype == torch.int64
        assert split.images.is_contiguous()
        assert split.images.shape == (len(split), *known.image_shape)


@pytest.mark.parametrize("name", ["cifar10-sample", "fashion_mnist-sample"])
def test_samples_are_balanced_in_every_tail(name):
    data = load(name)
    assert data.train.counts(10) == (500,) * 10
    assert data.test.counts(10) == (100,) * 10
    assert data.val.counts(10) == (50,) * 10


def test_published_statistics():
    mnist = load("mnist")
    assert mnist.mean == pytest.approx((0.1307,), abs=5e-5)  # torch's own MNIST example
    assert mnist.std == pytest.approx((0.3081,), abs=5e-5)
    assert mnist.train.counts(10) == (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    sample = load("cifar10-sample")  # near those of all 50,000: 0.4914 0.4822 0.4465
    assert sample.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=5e-3)
    assert sample.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=5e-3)


def test_statistics_are_those_of_float64_arithmetic():
    images = load("cifar10-sample").train.images[:5000]
    values = images.double() / 255
    mean, std = channel_statistics(images)
    assert mean == pytest.approx(tuple(values.mean((0, 2, 3)).tolist()), abs=1e-12)
    assert std == pytest.approx(tuple(values.std((0, 2, 3), correction=0).tolist()), abs=1e-12)


def test_a_channel_that_never_changes_can_be_divided_by():
    images = torch.full((5, 2, 3, 3), 77, dtype=torch.uint8)
    images[0, 1] = 0
    mean, std = channel_statistics(images)
    assert mean[0] == pytest.approx(77 / 255)
    assert std[0] == 1 / 255
    assert std[1] == pytest.approx(float(images[:, 1].double().std(correction=0)) / 255)


def test_fashion_sample_is_the_first_of_each_class():
    first = load("fashion_mnist-sample").train
    assert first.targets[:20].tolist() == [*range(10), *range(10)]


def test_validation_is_the_last_tenth_and_a_view():
    data = load("mnist")
    assert len(data.val) == 6000
    assert len(data.fit) == 54000
    assert torch.equal(torch.cat([data.fit.targets, data.val.targets]), data.train.targets)
    assert data.val.images.data_ptr() == data.train.images[54000].data_ptr()
    assert data.split("val").targets.data_ptr() == data.val.targets.data_ptr()
    with pytest.raises(DataError, match="no split called trian"):
        data.split("trian")


def test_everybody_gets_the_same_object_also_at_once(monkeypatch):
    monkeypatch.setattr(loader, "_cache", {})
    reads: list[str] = []
    read = loader._read
    monkeypatch.setattr(loader, "_read", lambda name: reads.append(name) or read(name))
    got: list[DataSet] = []
    threads = [threading.Thread(target=lambda: got.append(load("fashion_mnist-sample"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len({id(data) for data in got}) == 1
    assert reads == ["fashion_mnist-sample"]


@pytest.mark.parametrize(
    ("name", "both", "taken"),
    [
        ("fashion_mnist", ("fashion_mnist", "fashion_mnist-sample"), "fashion_mnist-sample"),
        ("fashion_mnist-sample", ("fashion_mnist-sample", "fashion_mnist"), "fashion_mnist-sample"),
        ("mnist", ("mnist",), "mnist"),
        ("kmnist", ("kmnist",), "kmnist"),
        ("No set's name", ("No set's name",), "No set's name"),
    ],
)
def test_the_set_with_the_same_classes_stands_in_for_one_that_is_not_here(lab_home, name, both, taken):
    assert loader.alike(name) == both
    assert loader.at_hand(name) == taken


def test_absent_sets_say_what_is_here(lab_home):
    with pytest.raises(DataError) as error:
        load("cifar10")
    assert "cifar10 is not on this machine; cifar10-sample is" in str(error.value)
    assert "data fetch cifar10" in str(error.value)
    with pytest.raises(DataError, match="kmnist is not on this machine; these are here: mnist, "):
        load("kmnist")
    with pytest.raises(DataError, match="no data set called mnsit; these are here: mnist, "):
        load("mnsit")
    with pytest.raises(DataError, match="no data set called ../../etc"):
        load("../../etc")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.unlink(), "this bundled file is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-900]), "this bundled file is damaged"),
        (lambda path: path.write_bytes(b"not gzip at all"), "this bundled file is damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab")), "its checksum differs"),
    ],
)
@pytest.mark.parametrize("file", ["train-labels-idx1-ubyte.gz"])
def test_a_damaged_bundle_is_noticed(tmp_path, damage, sentence, file):
    folder = tmp_path / "datasets"
    shutil.copytree(FOLDER / "fashion_mnist-sample", folder / "fashion_mnist-sample")
    shutil.copyfile(FOLDER / "manifest.json", folder / "manifest.json")
    path = folder / "fashion_mnist-sample" / "t10k-images-idx3-ubyte.gz"
    damage(path)
    with pytest.raises(DataError, match=sentence):
        packs.load_pack("fashion_mnist-sample", folder)
    with pytest.raises(DataError, match="bundled data sets are not in"):
        manifest(tmp_path / "nowhere")


def test_a_damaged_sheet_is_noticed(tmp_path):
    shutil.copytree(FOLDER / "cifar10-sample", tmp_path / "cifar10-sample")
    shutil.copyfile(FOLDER / "manifest.json", tmp_path / "manifest.json")
    sheet = tmp_path / "cifar10-sample" / "t10k-images.webp"
    whole = sheet.read_bytes()
    sheet.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"t10k-images\.webp: this bundled file is"):
        packs.load_pack("cifar10-sample", tmp_path)


def test_packing_again_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "GZIP_LEVEL", 1)  # quicker; the content is the same
    data = load("fashion_mnist-sample")
    entry = packs.pack("again", data.train, data.test, tmp_path)
    assert entry == manifest()["fashion_mnist-sample"]
    first = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    packs.pack("again", data.train, data.test, tmp_path)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    files = {file: gzip.decompress(content) for file, content in first.items()}
    bundled = FOLDER / "fashion_mnist-sample"
    assert files == {file: gzip.decompress((bundled / file).read_bytes()) for file in first}


def test_rebuilding_refuses_what_is_not_the_published_set(tmp_path):
    with pytest.raises(DataError, match="does not hold the published MNIST"):
        packs.rebuild({"mnist": FOLDER / "fashion_mnist-sample"}, tmp_path)


def test_rebuilding_mnist_gives_the_bundled_pack(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "GZIP_LEVEL", 1)
    entries = packs.rebuild({"mnist": FOLDER / "mnist"}, tmp_path)
    assert entries == {"mnist": manifest()["mnist"]}
    assert json.loads((tmp_path / "manifest.json").read_text()) == entries
    assert {p.name for p in (tmp_path / "mnist").iterdir()} == set(MNIST_SHA256)


def test_sheets_hold_their_tiles():
    images = np.arange(200 * 3 * 4 * 4, dtype=np.uint64).astype(np.uint8).reshape(200, 3, 4, 4)
    sheet = packs.tile(images)
    assert sheet.shape == (8, 400, 3)
    assert np.array_equal(sheet[4:8, 0:4].transpose(2, 0, 1), images[100])
    assert np.array_equal(packs.untile(sheet, 4, 200), images)


# ---------------------------------------------------------------------------------------------- IDX
@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 4), (0, 28, 28)])
def test_idx_round_trip(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(read_idx(write_idx(array), "x"), array)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not an IDX file"),
        (b"hello, world", "not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x01abcd", "not an IDX file"),  # floats
        (b"\0\0\x08\x03\0\0", "ends within its header"),
        (b"\0\0\x08\x01\0\0\0\x05abc", "announces 5 values and the file holds 3"),
        (b"\0\0\x08\x01\0\0\0\x02abc", "announces 2 values and the file holds 3"),
        (b"\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffabc", "and the file holds 3"),
    ],
)
def test_idx_that_lies(data, sentence):
    with pytest.raises(DataError, match=sentence):
        read_idx(data, "file")


# ---------------------------------------------------------------------------------------------- the store
def small(name="pets", shape=(1, 4, 4), classes=("a", "b"), train=6, test=2) -> DataSet:
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
        return Split(images, torch.arange(count) % len(classes))

    parts = split(train), split(test)
    return DataSet(name, name, tuple(classes), *parts, content_hash(*parts), "imported")


def test_what_is_stored_comes_back(lab_home):
    data = small(classes=("猫", "dog"))
    store.write(data)
    back = load("pets")
    assert back.class_names == ("猫", "dog")
    assert back.hash == data.hash
    assert torch.equal(back.train.images, data.train.images)
    assert torch.equal(back.test.targets, data.test.targets)
    assert load("pets") is back
    assert [path.name for path in (lab_home / "datasets").iterdir()] == ["pets.safetensors"]


def test_a_set_that_was_replaced_is_loaded_anew(lab_home):
    store.write(small())
    first = load("pets")
    store.write(small(train=8))
    assert len(load("pets").train) == 8
    store.delete("pets")
    with pytest.raises(DataError, match="no data set called pets"):
        load("pets")
    assert len(first.train) == 6  # who still holds it keeps it


def test_a_set_that_is_gone_gives_its_memory_back(lab_home):
    for name in ("pets", "cats", "dogs"):
        store.write(small(name))
        load(name)
    store.write(small("cats", train=8))
    store.delete("dogs")
    load("mnist")  # whatever is asked for next
    assert {name for name, _version in loader._cache} - set(KNOWN) == {"pets"}
    assert len(load("cats").train) == 8


def flip_a_pixel(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "is damaged"),
        (lambda path: path.write_bytes(b"{}"), "is damaged"),
        (lambda path: path.write_bytes(b"\xff" * 64), "is damaged"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'\\"train\\":6', b'\\"train\\":7')), "is damaged"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'\\"format\\":1', b'\\"format\\":9')), "is damaged"),
        (flip_a_pixel, "checksum differs|has a label"),
    ],
)
def test_a_damaged_file_is_noticed(lab_home, damage, sentence):
    from cnnlab.data.catalog import catalog

    store.write(small())
    path = store.path_of("pets")
    before = path.read_bytes()
    damage(path)
    assert path.read_bytes() != before
    with pytest.raises(DataError, match=sentence):
        load("pets")
    assert "pets" in [row.name for row in catalog()]


def test_a_full_disk_leaves_what_was_there(lab_home, monkeypatch):
    store.write(small())
    before = store.path_of("pets").read_bytes()

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_whole", full)
    with pytest.raises(DataError, match="No space left"):
        store.write(small(train=8))
    assert store.path_of("pets").read_bytes() == before


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "é", "x" * 41, "-x", "a\n"])
def test_names_that_are_none(name):
    with pytest.raises(DataError, match="cannot be the name"):
        store.path_of(name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"classes": ("only",)}, "only one class"),
        ({"train": 0}, "train split holds no images"),
        ({"test": 0}, "test split holds no images"),
    ],
)
def test_what_no_network_can_learn_from(change, sentence):
    with pytest.raises(DataError, match=sentence):
        checked(small(**change))


def test_labels_and_shapes_must_fit():
    data = small()
    wrong = Split(data.train.images, data.train.targets + 1)
    with pytest.raises(DataError, match="label 2, and there are 2 classes"):
        checked(DataSet("x", "x", ("a", "b"), wrong, data.test, ""))
    with pytest.raises(DataError, match="6 images and 5 labels"):
        checked(DataSet("x", "x", ("a", "b"), Split(data.train.images, data.train.targets[:5]), data.test, ""))
    with pytest.raises(DataError, match="one shape"):
        checked(DataSet("x", "x", ("a", "b"), data.train, small(shape=(1, 5, 5)).test, ""))
