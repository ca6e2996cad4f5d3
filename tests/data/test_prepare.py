"""What a picture becomes is decided by the model's data set: handwriting is centred, anything else cropped and shrunk."""

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import loader, prepare
from cnnlab.data.known import KNOWN
from cnnlab.data.sources import import_path
from tests.data.published import picture_files, unpack
from tests.data.test_pictures import DIGIT, asked, encoded

CLOTHES = asked((1, 28, 28), "fashion_mnist-sample", KNOWN["fashion_mnist"].class_names)


@pytest.fixture(scope="module")
def clothes():
    return loader.load("fashion_mnist-sample").test.images[:40]


def enlarged(image):
    return np.kron(image[0].numpy(), np.ones((8, 8), np.uint8))


@pytest.mark.parametrize("data", ["fashion_mnist-sample", "fashion_mnist"])
def test_clothes_on_white_come_out_as_the_training_images_on_black(data, clothes):
    model = asked((1, 28, 28), data, KNOWN["fashion_mnist"].class_names)
    for image in clothes:
        photo = 255 - enlarged(image)
        made = prepare.picture_to_input(encoded(photo), model)
        assert made.shape == (1, 28, 28)
        assert (made.int() - image.int()).abs().float().mean() < 10  # a little sharpened by the shrinking
        same = prepare.picture_to_input(encoded(enlarged(image)), model)
        assert (made.int() - same.int()).abs().max() <= 2
        assert prepare.photo_steps(Image.fromarray(photo), model).turned
    assert not prepare.photo_steps(Image.fromarray(enlarged(clothes[0])), model).turned


def test_a_grey_wall_becomes_the_black_of_the_training_images():
    photo = np.full((60, 90, 3), 190, np.uint8)
    photo[10:50, 30:60] = 40
    made = prepare.picture_to_input(encoded(photo), CLOTHES)[0]
    assert made[0].max() == 0
    assert 195 < made[14, 14] < 210  # (190 - 40) / 190


def test_handwriting_is_not_cropped_and_clothes_are_not_centred(clothes):
    sheet = np.zeros((80, 80), np.uint8)
    sheet[4:24, 4:14] = 255
    digit, other = (prepare.picture_to_input(encoded(sheet), model)[0] for model in (DIGIT, CLOTHES))
    assert digit[14, 14] > 200 and digit[2, 3] == 0
    assert other[14, 14] == 0 and other[4, 3] > 200


@pytest.mark.parametrize(
    ("model", "writing"),
    [
        (asked((1, 28, 28), "mnist", tuple("01")), True),
        (asked((1, 28, 28), "kmnist", KNOWN["kmnist"].class_names), True),
        (asked((1, 28, 28), "emnist_letters", tuple("abc")), True),
        (CLOTHES, False),
        (asked((1, 20, 20), "our letters", tuple("xyz")), True),
        (asked((1, 20, 20), "our pets"), False),
        (asked((3, 28, 28), "coloured digits", tuple("012")), False),
    ],
)
def test_which_models_read_writing(model, writing):
    assert prepare.reads_writing(model) is writing


def test_a_set_that_stands_on_no_ground_leaves_a_picture_as_it_is(lab_home, tmp_path):
    photo = np.full((40, 40), 230, np.uint8)
    for name in ("nowhere", "pets"):
        made = prepare.picture_to_input(encoded(photo), asked((1, 20, 20), name))
        assert (made == 230).all()
    import_path(unpack(picture_files(), tmp_path / "pets"), "pets", size=20)
    assert (prepare.picture_to_input(encoded(photo), asked((1, 20, 20), "pets")) == 230).all()


def test_a_set_on_white_turns_a_picture_on_black():
    values, turned = prepare._on_ground(np.array([[20, 20, 20], [20, 200, 20], [20, 20, 20]], np.uint8), 255)
    assert turned
    assert values[0].tolist() == [255, 255, 255]
    assert values[1, 1] == 60  # 55 of 235
