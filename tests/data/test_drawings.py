"""Drawings of a workspace become a data set; the same ones always the same set."""

import numpy as np
import pytest
import torch

from cnnlab.data import loader
from cnnlab.data.catalog import info
from cnnlab.data.drawings import counted, make_set
from cnnlab.errors import DataError
from cnnlab.workspace import Workspace, class_name_of, new_id


@pytest.fixture
def space(lab_home):
    return Workspace(new_id())


def draw(space, name, count, first=0):
    """Keep ``count`` digits of MNIST as drawings of the learner's class ``name``."""
    for image in loader.load("mnist").test.images[first : first + count, 0]:
        space.save_drawing(image.numpy(), class_name=name)


def test_a_drawing_remembers_the_class_it_was_drawn_for_in_any_script(space):
    id = space.save_drawing(np.full((28, 28), 7, np.uint8), class_name="爱心 ♥")
    assert space.drawing(id).class_name == "爱心 ♥" and space.drawing(id).label is None
    other = space.save_drawing(np.full((28, 28), 7, np.uint8), class_name="star")
    assert other != id and counted(space.drawings()) == {"star": 1, "爱心 ♥": 1}
    assert space.save_drawing(np.full((28, 28), 7, np.uint8)) == other  # nothing new to say of it
    assert class_name_of("  a\n b\x00c ") == "a b c" and class_name_of("x" * 99) == "x" * 40


def test_drawings_become_a_set_with_a_test_part_and_their_own_pixels(space):
    draw(space, "heart", 12)
    draw(space, "star", 7, first=40)
    draw(space, "", 3, first=90)
    made = make_set(space.drawings(), ["star", "heart"])
    assert (made.classes, made.image_shape, made.splits) == (("star", "heart"), (1, 28, 28), {"train": 16, "test": 3})
    dataset = loader.load(made.name)
    assert dataset.title == "star / heart" and dataset.test.counts(2) == (1, 2)
    kept = {drawing.pixels.tobytes(): drawing.class_name for drawing in space.drawings()}
    for split in (dataset.train, dataset.test):
        for image, target in zip(*split, strict=True):
            assert kept[image.numpy().tobytes()] == dataset.class_names[target]
    assert made == make_set(reversed(space.drawings()), ["star", "heart"]) == info(made.name)


def test_other_drawings_or_other_names_are_another_set(space):
    draw(space, "heart", 3)
    draw(space, "star", 3, first=40)
    first = make_set(space.drawings(), ["heart", "star"])
    turned = make_set(space.drawings(), ["star", "heart"])
    draw(space, "heart", 1, first=60)
    more = make_set(space.drawings(), ["heart", "star"])
    assert len({first.name, turned.name, more.name}) == 3
    assert torch.equal(loader.load(first.name).train.targets.bincount(), torch.tensor([2, 2]))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ([], "two to 20 classes, and you have named 0"),
        (["heart"], "you have named 1;"),
        (["heart", "heart"], "you have named 1;"),
        ([f"c{k}" for k in range(21)], "you have named 21;"),
        (["heart", "star"], r"^star has too few drawings \(1\); draw at least 2"),
        (["heart", "moon"], r"^moon has too few drawings \(0\)"),
    ],
)
def test_what_makes_no_set_is_said_and_leaves_none(space, classes, said):
    draw(space, "heart", 3)
    draw(space, "star", 1, first=40)
    before = loader.present()
    with pytest.raises(DataError, match=said):
        make_set(space.drawings(), classes)
    assert loader.present() == before
