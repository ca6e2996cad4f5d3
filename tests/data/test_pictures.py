"""A digit is read the same however it arrives; a broken picture is refused in one sentence."""

import io
import struct
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from cnnlab.data import loader, pictures, prepare
from cnnlab.errors import PictureError
from cnnlab.runs.models import named


def asked(shape, data="", classes=("cat", "dog")):
    """Return what there is to know of a model whose data set is ``data``."""
    return SimpleNamespace(
        preprocessing=SimpleNamespace(data_shape=shape), about=SimpleNamespace(data=data), class_names=classes
    )


DIGIT = asked((1, 28, 28), "mnist")
COLOUR = asked((3, 32, 32), "cifar10")
COUNT = 400


@pytest.fixture(scope="module")
def digits():
    return loader.load("mnist").test.images[:COUNT, 0].numpy()


@pytest.fixture(scope="module")
def accuracy():
    """Return a function: the accuracy of the bundled model on pictures of the first test digits."""
    model, targets = named("mnist-sprint"), loader.load("mnist").test.targets[:COUNT]

    def of(images):
        return float((model.logits(torch.stack(images)).argmax(1) == targets).float().mean())

    return of


def encoded(array, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **({"compress_level": 1} if kind == "PNG" else {}), **options)
    return buffer.getvalue()


def pasted(digit, random, factor=1.0, ink=255, paper=0, grain=0.0, slope=0.0, thinner=0):
    """Return ``digit`` enlarged, somewhere on a larger sheet of another brightness, with a photo's flaws."""
    side = round(28 * factor)
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    if thinner:
        large = large.filter(ImageFilter.MinFilter(thinner))
    height, width = side + int(random.integers(1, side)), side + int(random.integers(1, side))
    top, left = int(random.integers(0, height - side + 1)), int(random.integers(0, width - side + 1))
    sheet = np.zeros((height, width))
    sheet[top : top + side, left : left + side] = np.asarray(large) / 255
    values = paper + (ink - paper) * sheet + slope * np.linspace(-1, 1, width) + random.normal(0, grain, sheet.shape)
    return np.clip(values, 0, 255).astype(np.uint8)


TOLERATED = {"a photo: grain, light from one side": 0.021, "a thin pen": 0.031}
WAYS = {
    "enlarged 3 times": {"factor": 3},
    "enlarged 7.3 times, dark grey on light grey": {"factor": 7.3, "ink": 60, "paper": 200},
    "dark on light": {"ink": 0, "paper": 255},
    "pale": {"factor": 4, "ink": 150, "paper": 90},
    "a photo: grain, light from one side": {"factor": 6, "ink": 90, "paper": 170, "grain": 6, "slope": 30},
    "a thin pen": {"factor": 12, "ink": 0, "paper": 255, "thinner": 9},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_digit_is_read_the_same_however_it_arrives(way, digits, accuracy):
    random = np.random.default_rng(0)
    images = [prepare.picture_to_input(encoded(pasted(d, random, **WAYS[way])), DIGIT) for d in digits]
    plain = accuracy([torch.from_numpy(d.copy())[None] for d in digits])
    assert plain > 0.97
    assert accuracy(images) >= plain - TOLERATED.get(way, 0.011)


def test_a_jpeg_is_read_as_well(digits, accuracy):
    random = np.random.default_rng(1)
    images = [
        prepare.picture_to_input(encoded(pasted(d, random, 10, 30, 240), "JPEG", quality=50), DIGIT) for d in digits
    ]
    assert accuracy(images) >= accuracy([torch.from_numpy(d.copy())[None] for d in digits]) - 0.011


def test_mnist_comes_out_as_it_went_in(digits):
    same = [bool((pictures.centre_digit(d).centred == d).all()) for d in digits]
    assert np.mean(same) > 0.85  # the others have faint pixels at their edge, or are 19 pixels high
    changed = [np.abs(pictures.centre_digit(d).centred.astype(int) - d).mean() for d in digits]
    assert max(changed) < 20


def test_canvas_upload_and_negative_are_one_path(digits):
    for digit in digits[:40]:
        drawn = np.kron(digit, np.ones((4, 4), np.uint8))
        canvas = prepare.picture_to_input(drawn, DIGIT)
        upload = prepare.picture_to_input(encoded(drawn), DIGIT)
        negative = prepare.picture_to_input(encoded(255 - drawn), DIGIT)
        assert torch.equal(upload, negative)
        assert (canvas.int() - upload.int()).abs().max() <= 15  # an upload's contrast is stretched


@given(st.integers(0, 60), st.integers(0, 60), st.integers(5, 50), st.integers(5, 50))
def test_where_it_is_drawn_does_not_matter(top, left, height, width):
    ink = np.zeros((112, 112), np.uint8)
    ink[top : top + height, left : left + width] = 255
    steps = pictures.centre_digit(ink)
    assert steps.box == (top, left, top + height, left + width)
    assert max(steps.scaled.shape) == 20
    moved = np.zeros((112, 112), np.uint8)
    moved[:height, :width] = 255
    assert (pictures.centre_digit(moved).centred == steps.centred).all()


@given(st.binary(min_size=120, max_size=120))
def test_the_centre_of_mass_comes_to_the_middle(data):
    ink = np.zeros((40, 40), np.uint8)
    ink[10:20, 12:24] = np.frombuffer(data, np.uint8).reshape(10, 12)
    if not ink.any():
        return
    centred = pictures.centre_digit(ink).centred.astype(float)
    for axis in (0, 1):
        mass = (centred.sum(axis=1 - axis) * np.arange(28)).sum() / centred.sum()
        assert abs(mass - 14) <= 0.501


def test_a_heavy_edge_stays_inside():
    ink = np.zeros((100, 100), np.uint8)
    ink[10:90, 10:12] = 60
    ink[86:90, 10:90] = 255
    steps = pictures.centre_digit(ink)
    assert steps.centred.astype(int).sum() == steps.scaled.astype(int).sum()


def test_a_hairline_is_widened_and_that_is_said():
    ink = np.zeros((112, 112), np.uint8)
    ink[10:100, 50] = 255
    ink[10, 30:70] = 255
    steps = pictures.centre_digit(ink)
    assert steps.thickened_px > 0
    assert (steps.centred > 128).sum() > 20
    ink[8:12, 26:74] = ink[8:102, 46:56] = 255
    assert pictures.centre_digit(ink).thickened_px == 0


@pytest.mark.parametrize("value", [0, 97, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 200)])
def test_blank_paper_is_said_to_be_blank(value, shape):
    with pytest.raises(PictureError, match="blank"):
        prepare.picture_to_input(encoded(np.full(shape, value, np.uint8)), DIGIT)
    with pytest.raises(PictureError, match="blank"):
        pictures.centre_digit(np.zeros(shape, np.uint8))


def test_colour_takes_the_middle():
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, :64, 0], wide[:, 64:128, 1], wide[:, 128:, 2] = 255, 255, 255
    image = prepare.picture_to_input(encoded(wide), COLOUR)
    assert image.shape == (3, 32, 32)
    assert image.dtype == torch.uint8
    assert image[1].min() > 200
    assert image[0, :, 4:-4].max() == 0
    with pytest.raises(PictureError, match="4 channels"):
        prepare.picture_to_input(encoded(wide), asked((4, 32, 32)))


def test_a_cifar_image_passes_unchanged():
    image = loader.load("cifar10-sample").test.images[3]
    data = encoded(image.permute(1, 2, 0).numpy())
    assert torch.equal(prepare.picture_to_input(data, COLOUR), image)


def test_a_phones_photo_is_turned_upright():
    picture = Image.fromarray(np.zeros((20, 50, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif)
    assert pictures.open_picture(buffer.getvalue()).size == (20, 50)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_mode_opens(mode):
    ramp = np.tile(np.linspace(0, 255, 30, dtype=np.uint8), (30, 1))
    picture = Image.fromarray(ramp.astype(np.uint16) * 200) if mode == "I;16" else Image.fromarray(ramp).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF" if mode in ("CMYK", "PA") else "PNG") if mode != "PA" else Image.fromarray(
        ramp
    ).convert("P").save(buffer, "PNG", transparency=0)
    opened = pictures.open_picture(buffer.getvalue())
    assert opened.mode in ("L", "RGB")
    assert opened.size == (30, 30)


def test_transparent_is_paper():
    drawing = np.zeros((40, 40, 4), np.uint8)
    drawing[10:30, 18:22, 3] = 255  # black ink on nothing
    assert pictures.open_picture(encoded(drawing)).getpixel((2, 2)) == (255, 255, 255)
    assert prepare.picture_to_input(encoded(drawing), DIGIT).float().mean() > 5


def bomb(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8000, 8000), (10_000, 10_000), (50_000, 50_000)])
def test_a_picture_that_unpacks_to_too_much_is_not_unpacked(size):
    with pytest.raises(PictureError, match="pixels"):
        pictures.open_picture(bomb(*size))


def test_a_file_that_is_too_large_is_not_opened():
    with pytest.raises(PictureError, match="20 MB"):
        pictures.open_picture(bytes(pictures.MAX_BYTES + 1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_picture_is_refused(kind, digits):
    data = encoded(np.kron(digits[0], np.ones((4, 4), np.uint8)), kind)
    assert pictures.open_picture(data).size == (112, 112)
    for share in (0, 0.05, 0.3, 0.6):
        with pytest.raises(PictureError):
            pictures.open_picture(data[: int(share * len(data))])


@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]), st.data())
def test_a_damaged_picture_opens_or_is_refused(kind, draw):
    random = np.random.default_rng(5)
    data = bytearray(encoded(random.integers(0, 255, (12, 9, 3), dtype=np.uint8), kind))
    for _ in range(draw.draw(st.integers(1, 6))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        opened = pictures.open_picture(bytes(data))
    except PictureError:
        return
    assert opened.mode in ("L", "RGB")


def test_text_is_no_picture():
    with pytest.raises(PictureError, match="cannot be read"):
        pictures.open_picture(b"<svg xmlns='http://www.w3.org/2000/svg'/>")


@given(st.integers(0, 40), st.sampled_from([0, 1]))
def test_spreading_is_the_maximum_around(extra, axis):
    values = np.random.default_rng(extra).integers(0, 255, (90, 90), dtype=np.uint8)
    windows = [np.roll(values, shift, axis) for shift in range(-extra, extra + 1)]
    assert (pictures._spread(values, extra, axis) == np.max(windows, axis=0)).all()
