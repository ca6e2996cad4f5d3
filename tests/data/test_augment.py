"""Whole-tensor augmentation against torchvision and PIL, one image at a time."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from cnnlab.data import augment as A
from cnnlab.data.augment import Augmentation, augment
from cnnlab.data.loader import load
from cnnlab.i18n import catalogue

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(2, 13), st.integers(2, 13))


def images_of(shape, dtype=torch.uint8, seed=0):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


@given(SHAPES, st.integers(1, 5), st.sampled_from([torch.uint8, torch.float32]))
def test_shift_is_translation_with_black(shape, pixels, dtype):
    images = images_of(shape, dtype)
    result = A.shift(images, pixels, seeded())
    offsets = torch.randint(0, 2 * pixels + 1, (shape[0], 2), generator=seeded())
    for image, moved, (top, left) in zip(images, result, offsets.tolist()):
        assert torch.equal(moved, TF.crop(TF.pad(image, pixels), top, left, *shape[2:]))
    assert result.dtype == dtype


@given(SHAPES, st.integers(1, 5), st.sampled_from([torch.uint8, torch.float32]))
def test_crop_padding_is_torchvisions_reflected_crop(shape, pixels, dtype):
    pixels = min(pixels, shape[2] - 1, shape[3] - 1)  # beyond that torchvision refuses
    images = images_of(shape, dtype)
    result = A.crop_padding(images, pixels, seeded())
    offsets = torch.randint(0, 2 * pixels + 1, (shape[0], 2), generator=seeded())
    for image, cropped, (top, left) in zip(images, result, offsets.tolist()):
        padded = TF.pad(image.float(), pixels, padding_mode="reflect").to(dtype)
        assert torch.equal(cropped, TF.crop(padded, top, left, *shape[2:]))


@given(SHAPES, st.integers(1, 16))
def test_reflection_folds_like_numpy_beyond_the_image(shape, pixels):
    images = images_of(shape)
    wide = np.pad(images.numpy(), ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)), mode="reflect")
    assert np.array_equal(A.reflect(images, pixels).numpy(), wide)


def test_a_one_pixel_image_reflects_itself():
    assert torch.equal(A.reflect(torch.full((1, 1, 1, 1), 7), 2), torch.full((1, 1, 5, 5), 7))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_flip_is_pils_mirror_for_the_drawn_half(dtype):
    images = load("cifar10-sample").train.images[:40].to(dtype)
    result = A.flip(images, seeded())
    chosen = torch.rand(40, generator=seeded()) < 0.5
    assert 5 < int(chosen.sum()) < 35
    for image, mirrored, flipped in zip(images, result, chosen.tolist()):
        picture = Image.fromarray(image.to(torch.uint8).permute(1, 2, 0).numpy())
        wanted = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else picture
        assert np.array_equal(mirrored.to(torch.uint8).permute(1, 2, 0).numpy(), np.asarray(wanted))


@pytest.mark.parametrize(
    ("name", "size"), [("mnist", (28, 28)), ("cifar10-sample", (32, 32)), ("cifar10-sample", (32, 20))]
)
def test_rotation_and_scale_are_torchvisions_affine(name, size):
    images = load(name).train.images[:6, :, : size[0], : size[1]].float()
    degrees = torch.tensor([0.0, 10.0, -25.0, 90.0, 45.0, -7.5])
    factors = torch.tensor([1.0, 1.1, 0.8, 1.0, 0.6, 1.4])
    result = A.rotate_scale_by(images, degrees, factors)
    for image, turned, angle, factor in zip(images, result, degrees.tolist(), factors.tolist()):
        # torchvision turns clockwise for positive angles
        wanted = TF.affine(image, -angle, [0, 0], factor, [0.0], TF.InterpolationMode.BILINEAR)
        assert torch.allclose(turned, wanted, atol=2e-2)


@pytest.mark.parametrize(
    ("name", "size"), [("mnist", (28, 28)), ("cifar10-sample", (32, 32)), ("cifar10-sample", (32, 20))]
)
def test_shear_with_rotation_and_scale_is_torchvisions_affine(name, size):
    images = load(name).train.images[:6, :, : size[0], : size[1]].float()
    degrees = torch.tensor([0.0, 0.0, -25.0, 90.0, 45.0, -7.5])
    factors = torch.tensor([1.0, 1.0, 0.8, 1.0, 0.6, 1.4])
    slants = torch.tensor([0.0, 30.0, -20.0, 10.0, -45.0, 5.0])
    result = A.rotate_scale_by(images, degrees, factors, slants)
    for image, turned, angle, factor, slant in zip(images, result, degrees.tolist(), factors.tolist(), slants.tolist()):
        wanted = TF.affine(image, -angle, [0, 0], factor, [slant, 0.0], TF.InterpolationMode.BILINEAR)
        assert torch.allclose(turned, wanted, atol=2e-2)


def test_a_positive_slant_leans_to_the_right_as_italics_do():
    bar = torch.zeros(1, 1, 21, 21)
    bar[..., 10] = 1
    top = A.rotate_scale_by(bar, torch.zeros(1), torch.ones(1), torch.tensor([30.0]))[0, 0, 1]
    assert float((top * torch.arange(21.0)).sum() / top.sum()) == pytest.approx(10 + 9 * 0.577, abs=0.05)


@given(SHAPES, st.integers(1, 15), st.sampled_from([torch.uint8, torch.float32]))
def test_cutout_is_torchvisions_erase_of_a_square_about_any_pixel(shape, side, dtype):
    images = images_of(shape, dtype)
    result = A.cutout(images, side, seeded())
    centres = (torch.rand((shape[0], 2), generator=seeded()) * torch.tensor(shape[2:])).long()
    for image, cut, (y, x) in zip(images, result, centres.tolist()):
        top, left = y - side // 2, x - side // 2
        rows, columns = (max(top, 0), max(left, 0)), (top + side, left + side)
        wanted = TF.erase(image, *rows, columns[0] - rows[0], columns[1] - rows[1], torch.zeros((), dtype=dtype))
        assert torch.equal(cut, wanted)
    assert result.dtype == dtype


def test_cutout_reaches_every_pixel_and_never_the_whole():
    black = torch.stack([A.cutout(torch.ones(1, 1, 9, 9), 3, seeded(seed)) for seed in range(300)]) == 0
    assert black.any(0).all()
    assert black.sum((1, 2, 3, 4)).min() == 4  # a corner: the square reaches over two edges
    assert black.sum((1, 2, 3, 4)).max() == 9


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_noise_has_its_spread_and_stays_between_black_and_white(dtype):
    grey = torch.full((20, 1, 30, 30), 128, dtype=dtype)
    found = A.noise(grey, 0.05, seeded()).double() - 128
    assert float(found.std()) == pytest.approx(12.75, rel=0.02)
    assert float(found.mean()) == pytest.approx(0, abs=0.3)
    assert A.noise(grey, 0.05, seeded()).dtype == dtype
    loud = A.noise(grey, 1.0, seeded())
    assert (loud.min(), loud.max()) == (0, 255)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0])
def test_mixup_is_its_formula_pair_by_pair(alpha, memory_format):
    split = load("cifar10-sample").train
    x, targets = (split.images[:400].float() / 255).contiguous(memory_format=memory_format), split.targets[:400]
    mixed, shares = A.mixup(x, targets, 10, alpha, seeded())
    partner = torch.randperm(400, generator=(draws := seeded()))
    first, second = torch._standard_gamma(torch.full((2, 400), alpha, dtype=torch.float64), generator=draws)
    for i in range(0, 400, 7):
        weight = float(first[i] / (first[i] + second[i]))
        wanted = weight * x[i] + (1 - weight) * x[partner[i]]
        torch.testing.assert_close(mixed[i], wanted, rtol=1e-5, atol=1e-6)
        onehot = torch.nn.functional.one_hot(targets, 10).float()
        torch.testing.assert_close(shares[i], weight * onehot[i] + (1 - weight) * onehot[partner[i]])
    assert mixed.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(shares.sum(1), torch.ones(400))
    weights = (first / (first + second)).sort().values
    beta = torch.distributions.Beta(alpha, alpha)
    assert float(weights.var()) == pytest.approx(float(beta.variance), rel=0.15)
    assert float(weights.mean()) == pytest.approx(0.5, abs=0.06)


def test_rotation_turns_counter_clockwise_as_pil_does():
    image = load("mnist").train.images[:1]
    ours = A.rotate_scale_by(image, torch.tensor([30.0]), torch.ones(1))[0, 0].numpy().astype(int)
    pils = np.asarray(Image.fromarray(image[0, 0].numpy()).rotate(30, Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(ours - pils).max() <= 2  # both round, PIL in fixed point


def test_drawn_angles_and_factors_stay_in_range_and_fill_it():
    wide = torch.zeros(400, 1, 33, 33)
    wide[:, :, 16, 26] = 1.0  # ten pixels right of the centre
    moved = A.rotate_scale(wide, 20, 0.2, seeded())
    weight = moved.sum((1, 2, 3))
    axis = torch.arange(33.0) - 16
    x = (moved * axis).sum((1, 2, 3)) / weight
    y = (moved * axis[:, None]).sum((1, 2, 3)) / weight
    radius, angle = torch.hypot(x, y), torch.atan2(-y, x).rad2deg()
    assert 7.8 <= float(radius.min()) < 8.3
    assert 11.7 < float(radius.max()) <= 12.2
    assert -20.6 <= float(angle.min()) < -18
    assert 18 < float(angle.max()) <= 20.6


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(
    "settings",
    [
        Augmentation(shift=2),
        Augmentation(crop_padding=3),
        Augmentation(rotate=15),
        Augmentation(scale=0.2),
        Augmentation(flip=True),
        Augmentation(shear=20),
        Augmentation(cutout=8),
        Augmentation(noise=0.1),
        Augmentation(shift=1, crop_padding=2, rotate=10, scale=0.1, shear=5, flip=True, cutout=4, noise=0.05),
    ],
)
def test_same_seed_same_images_and_the_original_stays(settings, dtype):
    images = load("cifar10-sample").train.images[:32].to(dtype)
    before = images.clone()
    first, again = augment(images, settings, seeded()), augment(images, settings, seeded())
    assert torch.equal(first, again)
    assert first.shape == images.shape
    assert first.dtype == dtype
    assert first.data_ptr() != images.data_ptr()
    assert not torch.equal(first, augment(images, settings, seeded(2)))
    assert torch.equal(images, before)


def test_nothing_switched_on_draws_nothing():
    images, generator = images_of((2, 1, 4, 4)), seeded()
    assert augment(images, Augmentation(), generator) is images
    assert torch.equal(generator.get_state(), seeded().get_state())
    assert not Augmentation().any
    assert Augmentation(flip=True).any


def test_another_threads_random_numbers_do_not_matter():
    images, settings = images_of((8, 1, 9, 9)), Augmentation(shift=2, rotate=5, flip=True)
    torch.manual_seed(1)
    first = augment(images, settings, seeded())
    torch.manual_seed(2)
    assert torch.equal(first, augment(images, settings, seeded()))


@pytest.mark.parametrize("bad", [{"shift": -1}, {"rotate": 181}, {"scale": 1.0}, {"crop_padding": 99}, {"zoom": 1}])
def test_settings_outside_their_range_are_refused(bad):
    with pytest.raises(ValidationError):
        Augmentation(**bad)


def test_each_field_explains_itself_in_chinese():
    for field in Augmentation.model_fields.values():
        assert field.title in catalogue("zh_CN")
        assert field.description in catalogue("zh_CN")
