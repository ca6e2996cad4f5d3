"""Pictures in one folder per class become a data set."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlab.data import folders
from cnnlab.data.loader import load
from cnnlab.data.sources import import_path
from cnnlab.errors import DataError
from tests.data.published import picture, picture_files, tar, unpack, zipped


@pytest.fixture(autouse=True)
def _own_home(lab_home):
    return lab_home


def noise(seed: int, size=(50, 40), mode="RGB", kind="PNG", **options) -> bytes:
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["folder", "zip", "tgz", "zip in a folder"])
def test_the_same_pictures_give_the_same_set(tmp_path, kind):
    files = picture_files(12)
    if kind == "zip in a folder":
        path = tmp_path / "x.zip"
        path.write_bytes(zipped({f"my pets/{name}": data for name, data in files.items()}))
    elif kind == "folder":
        path = unpack(files, tmp_path / "x")
    else:
        path = tmp_path / f"x.{kind}"
        path.write_bytes(zipped(files) if kind == "zip" else tar(files))
    row = import_path(path, "pets", size=16)
    data = load("pets")
    assert row.classes == ("cats", "dogs")
    assert row.image_shape == (3, 16, 16)
    assert row.splits == {"train": 20, "test": 4}
    assert data.train.counts(2) == (10, 10)
    assert data.test.counts(2) == (2, 2)
    greens = {(0, 0), (1, 90)}
    assert {(int(t), int(image[1, 0, 0])) for image, t in zip(*data.train)} == greens
    everything = torch.cat([data.train.images, data.test.images])[:, 0, 0, 0].tolist()
    assert sorted(everything) == sorted([40 * n % 256 for n in range(12)] * 2)  # each picture once
    first = import_path(unpack(files, tmp_path / "again"), "again", size=16)
    assert first.hash == row.hash
    assert "shorter side had 16 pixels" in str(row.notes[0])
    assert "one picture in 6 of each class" in str(row.notes[1])


@pytest.mark.parametrize(
    ("size", "scaled", "box"),
    [((60, 40), (30, 20), (5, 0, 25, 20)), ((40, 60), (20, 30), (0, 5, 20, 25)), ((40, 40), (20, 20), (0, 0, 20, 20))],
)
def test_the_middle_is_cut_and_the_shorter_side_fits(tmp_path, size, scaled, box):
    data = noise(1, size)
    files = {"a/1.png": data, "a/2.png": data, "b/1.png": data, "b/2.png": noise(2, size)}
    import_path(unpack(files, tmp_path / "x"), "x", size=20)
    whole = Image.open(io.BytesIO(data)).resize(scaled, Image.Resampling.LANCZOS)
    wanted = np.asarray(whole.crop(box)).astype(int)
    ours = load("x").train.images[0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(ours - wanted).max() <= 1


def test_pictures_of_the_asked_size_are_not_touched(tmp_path):
    files = {f"{name}/{n}.png": noise(n + 10 * place, (32, 32)) for place, name in enumerate("ab") for n in range(3)}
    import_path(unpack(files, tmp_path / "x"), "x")
    data = load("x")
    pictures = {np.asarray(Image.open(io.BytesIO(content))).tobytes() for content in files.values()}
    ours = {
        image.permute(1, 2, 0).contiguous().numpy().tobytes()
        for part in (data.train, data.test)
        for image in part.images
    }
    assert ours == pictures


def test_grey_pictures_keep_one_channel(tmp_path):
    files = {f"{name}/{n}.png": noise(n, mode="L") for name in "ab" for n in range(3)}
    files["a/rgb.png"] = picture((90, 90, 90))
    row = import_path(unpack(files, tmp_path / "x"), "x")
    assert row.image_shape == (1, 32, 32)
    assert "all pictures are grey, so one channel is kept" in map(str, row.notes)
    files["b/coloured.png"] = picture((90, 90, 91))
    assert import_path(unpack(files, tmp_path / "y"), "y").image_shape == (3, 32, 32)


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "Testing"), ("train", "test", "val")])
def test_given_splits_are_kept(tmp_path, names):
    files = {}
    for place, split in enumerate(names):
        for name, data in picture_files(4 + place).items():
            files[f"set/{split}/{name}"] = data
    row = import_path(unpack(files, tmp_path / "x"), "x")
    assert row.classes == ("cats", "dogs")
    assert row.splits == {"train": 8 if len(names) == 2 else 20, "test": 10}
    assert not any("one picture in" in str(note) for note in row.notes)


def test_class_folders_called_train_and_something_else_are_classes(tmp_path):
    row = import_path(unpack(picture_files(classes=("train", "bus")), tmp_path / "x"), "x")
    assert row.classes == ("bus", "train")


def test_classes_sort_as_people_count_and_names_are_kept(tmp_path):
    row = import_path(unpack(picture_files(2, ("class 10", "class 9", "猫", "Dog")), tmp_path / "x"), "x")
    assert row.classes == ("class 9", "class 10", "Dog", "猫")
    assert load("x").class_names == row.classes


def test_folders_within_a_class_belong_to_it(tmp_path):
    files = {
        "cats/siamese/1.png": picture(),
        "cats/2.png": picture(),
        "dogs/1.png": picture(),
        "dogs/a/b/2.png": picture(),
    }
    assert import_path(unpack(files, tmp_path / "x"), "x").splits == {"train": 2, "test": 2}


def test_an_uneven_set_is_mixed_to_its_end(tmp_path):
    files = {f"many/{n:03}.png": picture() for n in range(120)} | {
        f"few/{n}.png": picture((0, 0, n)) for n in range(24)
    }
    import_path(unpack(files, tmp_path / "x"), "x", size=8)
    data = load("x")
    assert data.train.counts(2) == (20, 100)
    assert data.val.counts(2) == (2, 10)


def test_unreadable_pictures_are_named_and_counted(tmp_path):
    files = picture_files(6)
    files["cats/broken.png"] = b"not a picture"
    files["cats/cut.jpg"] = noise(0, kind="JPEG")[:700]
    files["dogs/phone.heic"] = b"\0\0\0\x18ftypheic"
    row = import_path(unpack(files, tmp_path / "x"), "x")
    assert "3 unreadable pictures were left out: cats/broken.png, cats/cut.jpg, dogs/phone.heic" in map(str, row.notes)
    assert sum(row.splits.values()) == 12
    files |= {f"dogs/bad{n}.png": b"" for n in range(10)}
    row = import_path(unpack(files, tmp_path / "y"), "y")
    (note,) = (str(note) for note in row.notes if "unreadable" in str(note))
    assert note.startswith("13 unreadable pictures")
    assert note.endswith(", ...")


def test_loose_pictures_are_counted(tmp_path):
    row = import_path(unpack({**picture_files(), "loose.png": picture()}, tmp_path / "x"), "x")
    assert "1 pictures in no class folder were left out" in map(str, row.notes)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (picture_files(classes=("cats",)), r"holds 1 class folder \(cats\); two to 1,000 are needed"),
        ({"a.png": picture(), "b.png": picture()}, "holds no pictures in folders"),
        ({"a/1.png": picture(), "b/1.png": picture(), "b/2.png": picture()}, "the class a has 1 readable pictures"),
        (
            {"a/1.png": b"", "a/2.png": b"", "b/1.png": picture(), "b/2.png": picture()},
            "the class a has 0 readable pictures",
        ),
        (
            {f"train/{n}": d for n, d in picture_files().items()} | {"test/cats/1.png": picture()},
            "the class dogs has 6 readable",
        ),
    ],
)
def test_what_no_network_can_learn_from(tmp_path, files, sentence, lab_home):
    with pytest.raises(DataError, match=sentence):
        import_path(unpack(files, tmp_path / "x"), "x")
    assert not list(lab_home.rglob("*.safetensors"))


def test_limits(tmp_path, monkeypatch):
    path = unpack(picture_files(2, tuple("abc")), tmp_path / "x")
    monkeypatch.setattr(folders, "MAX_CLASSES", 2)
    with pytest.raises(DataError, match="holds 3 class folders"):
        import_path(path, "x")
    monkeypatch.setattr(folders, "MAX_CLASSES", 1000)
    monkeypatch.setattr(folders.archives, "MAX_UNPACKED_BYTES", 6 * 3 * 32 * 32 - 1)
    with pytest.raises(DataError, match="do not fit into memory"):
        import_path(path, "x")


def test_a_phone_photo_stands_upright(tmp_path):
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, :20] = (250, 0, 0)  # red on the left
    picture_ = Image.fromarray(pixels)
    exif = picture_.getexif()
    exif[0x0112] = 6  # to be turned clockwise: red comes to the top
    buffer = io.BytesIO()
    picture_.save(buffer, "PNG", exif=exif)
    files = {f"{name}/{n}.png": buffer.getvalue() for name in "ab" for n in range(2)}
    import_path(unpack(files, tmp_path / "x"), "x", size=8)
    image = load("x").train.images[0]
    assert image[0, 0].min() > 200
    assert image[0, 7].max() < 50
