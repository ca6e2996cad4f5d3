"""What the Data page shows is computed as it says."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlab.data import views
from cnnlab.data.augment import augment
from cnnlab.data.augmentation import Augmentation
from cnnlab.data.loader import load
from cnnlab.figures import data as figures


@pytest.mark.parametrize("target", [None, 3])
@pytest.mark.parametrize(("first", "shown"), [(0, 60), (40, 60), (10**6, 1), (-5, 60)])
def test_a_wall_shows_the_images_from_a_number_on(target, first, shown):
    data = load("cifar10-sample")
    page = views.wall(data, "train", target, first)
    places = (
        list(range(5000)) if target is None else [i for i, t in enumerate(data.train.targets.tolist()) if t == target]
    )
    first = max(0, min(first, len(places) - 1))
    assert page.positions == tuple(places[first : first + 60])
    assert len(page.positions) == shown
    assert (page.first, page.count) == (first, len(places))
    for position, kind, image in zip(page.positions, page.targets, page.images):
        assert np.array_equal(image, data.train.images[position].numpy())
        assert kind == data.train.targets[position]


def test_class_means_are_the_means():
    data = load("cifar10-sample")
    means = views.class_means("cifar10-sample", "test")
    for target in range(10):
        exact = data.test.images[data.test.targets == target].double().mean(0)
        assert np.abs(means[target] - exact.numpy()).max() <= 0.5
    assert views.class_means("cifar10-sample", "test") is means


def test_a_class_without_images_is_black():
    data = load("mnist")
    means = views.mean_by_class(data.train[data.train.targets.tolist().index(0) :][:1], 10)
    assert int(means[0].max()) > 0
    assert int(means[1:].max()) == 0


def test_normalising_makes_the_training_set_zero_mean_unit_variance():
    data = load("cifar10-sample")
    values = np.stack([views.normalised(image, data) for image in data.train.images[:5000]])
    assert np.abs(values.mean((0, 2, 3))).max() < 1e-3
    assert np.abs(values.std((0, 2, 3)) - 1).max() < 1e-3


def test_a_strip_is_what_training_does():
    image = load("mnist").train.images[7]
    settings = Augmentation(shift=2, rotate=10)
    wanted = augment(image.expand(9, -1, -1, -1).clone(), settings, torch.Generator().manual_seed(3))
    assert np.array_equal(views.strip(image, settings, 3), wanted.numpy())


@pytest.mark.parametrize("name", ["mnist", "cifar10-sample"])
def test_the_walls_picture_holds_its_images(name):
    page = views.wall(load(name), "test", 4, 10, 5)
    drawn = figures.wall_data(page, ["x"] * 5, page.positions[0], "five")
    picture = Image.open(io.BytesIO(base64.b64decode(drawn["picture"].split(",")[1])))
    height, width = drawn["size"]
    assert picture.size == (5 * width, height)
    pixels = np.asarray(picture.convert("RGB"))
    for place, image in enumerate(page.images):
        tile = pixels[:, place * width : (place + 1) * width].transpose(2, 0, 1)
        assert np.array_equal(tile, np.broadcast_to(image, (3, height, width)))
    assert drawn["positions"] == list(page.positions)


@pytest.mark.parametrize("classes", [2, 10, 26, 100])
@pytest.mark.parametrize("dark", [True, False])
def test_balance_shows_every_count(classes, dark):
    counts = [10 * (k + 1) for k in range(classes)]
    figure = figures.balance(counts, [f"class {k}" for k in range(classes)], dark=dark)
    (bars,) = figure.data
    assert list(bars.x if classes <= figures.MOST_ROWS else bars.y) == counts
    assert figure.layout.height == figures.balance_height(classes)


@pytest.mark.parametrize(("side", "drawn"), [(8, 64), (28, 56), (32, 64), (64, 64), (65, 64), (256, 64)])
def test_tiles_are_whole_multiples_or_made_small(side, drawn):
    assert side * figures.zoom(side) == pytest.approx(drawn)
