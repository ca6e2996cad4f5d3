"""Drawings of a workspace become a data set; the same ones always the same set."""

import numpy as np
import pytest
import torch

from cnnlab.data import loader
from cnnlab.data.catalog import info
from cnnlab.data.drawings import counted, make_set
from cnnlab.data.drawn import MAX_SETS, is_for, is_of, sets_of
from cnnlab.errors import BudgetError, DataError
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
    made = make_set(space.drawings(), ["star", "heart"], space.owner)
    assert (made.classes, made.image_shape, made.splits) == (("star", "heart"), (1, 28, 28), {"train": 16, "test": 3})
    dataset = loader.load(made.name)
    assert dataset.title == "star / heart" and dataset.test.counts(2) == (1, 2)
    kept = {drawing.pixels.tobytes(): drawing.class_name for drawing in space.drawings()}
    for split in (dataset.train, dataset.test):
        for image, target in zip(*split, strict=True):
            assert kept[image.numpy().tobytes()] == dataset.class_names[target]
    assert made == make_set(reversed(space.drawings()), ["star", "heart"], space.owner) == info(made.name)


def test_a_newer_set_of_the_same_classes_replaces_the_older_one(space):
    draw(space, "heart", 3)
    draw(space, "star", 3, first=40)
    draw(space, "moon", 3, first=80)
    other = make_set(space.drawings(), ["heart", "moon"], space.owner)
    first = make_set(space.drawings(), ["heart", "star"], space.owner)
    assert torch.equal(loader.load(first.name).train.targets.bincount(), torch.tensor([2, 2]))
    turned = make_set(space.drawings(), ["star", "heart"], space.owner)
    draw(space, "heart", 1, first=60)
    more = make_set(space.drawings(), ["heart", "star"], space.owner)
    assert len({first.name, turned.name, more.name}) == 3
    assert {*sets_of(space.owner)} == {other.name, more.name}
    with pytest.raises(DataError, match="^this data set of drawings is gone: it was deleted, or made anew"):
        loader.load(first.name)


def test_a_drawn_set_is_its_learners_and_goes_with_the_workspace(space):
    bob = Workspace(new_id())
    for one in (space, bob):
        draw(one, "heart", 2)
        draw(one, "star", 2, first=40)
    anns, bobs = (make_set(one.drawings(), ["heart", "star"], one.owner) for one in (space, bob))
    assert anns.name != bobs.name and anns.hash == bobs.hash
    assert anns.name.startswith("drawn-") and space.owner[:10] not in anns.name and space.id not in anns.name
    assert [is_for(anns.name, one.owner) for one in (space, bob)] == [True, False]
    assert is_for("mnist", bob.owner) and is_for("drawn-0123456789", bob.owner) and not is_of("mnist", bob.owner)
    for told in (str(loader.absent("pets")), str(catch(info, "pets"))):
        assert "mnist" in told and "drawn-" not in told
    assert len(loader.load(bobs.name).train) == 2  # whoever knows the name: the engine, the command line
    space.delete()
    assert not sets_of(space.owner) and sets_of(bob.owner) == (bobs.name,)


def catch(asked, *given):
    with pytest.raises(DataError) as told:
        asked(*given)
    return told.value


def test_a_learner_has_so_many_drawn_sets_and_may_renew_each(space):
    names = [f"c{place}" for place in range(MAX_SETS + 1)]
    for name in ["heart", *names]:
        draw(space, name, 2)
    for name in names[:-1]:
        make_set(space.drawings(), ["heart", name], space.owner)
    before = sets_of(space.owner)
    assert len(before) == MAX_SETS
    with pytest.raises(BudgetError, match=f"you have {MAX_SETS} data sets of drawings"):
        make_set(space.drawings(), ["heart", names[-1]], space.owner)
    assert sets_of(space.owner) == before
    draw(space, "c0", 1, first=9)
    make_set(space.drawings(), ["heart", "c0"], space.owner)
    assert len(sets_of(space.owner)) == MAX_SETS and sets_of(space.owner) != before


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
        make_set(space.drawings(), classes, space.owner)
    assert loader.present() == before
