"""Kernels made by hand are what their formulas and sources say."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.errors import ShapeError
from cnnlab.i18n import LANGUAGES, catalogue
from cnnlab.insight.kernels import DIGITS, KERNELS, MAX_SIZE, kernel, resized

EVERY = [(id, size) for id, preset in KERNELS.items() for size in preset.sizes]


def tensor(plane) -> torch.Tensor:
    return torch.tensor(plane, dtype=torch.float64)


@pytest.mark.parametrize(("id", "size"), EVERY)
def test_every_preset_is_square_finite_and_rounded(id, size):
    made = tensor(kernel(id, size, 30))
    assert made.shape == (size, size)
    assert torch.isfinite(made).all()
    assert torch.allclose(made, (made * 10**DIGITS).round() / 10**DIGITS, atol=0, rtol=1e-12)
    assert not any(math.copysign(1, w) < 0 and w == 0 for w in made.flatten().tolist())


@pytest.mark.parametrize(("id", "size"), EVERY)
def test_what_each_does_to_a_flat_picture(id, size):
    """Blurs, sharpening, emboss and identity keep flat ground; the others answer 0 to it."""
    total = float(tensor(kernel(id, size, 45)).sum())
    wanted = 1.0 if id in {"identity", "box", "gaussian", "sharpen", "emboss"} else 0.0
    assert total == pytest.approx(wanted, abs=size**2 * 0.5 * 10**-DIGITS)


def test_published_numbers():
    sobel = tensor(kernel("sobel_x", 3))
    assert torch.equal(sobel, torch.outer(tensor([1, 2, 1]), tensor([-1, 0, 1])))
    assert torch.equal(tensor(kernel("sobel_y", 3)), sobel.T)
    assert torch.equal(tensor(kernel("sharpen", 3)), tensor(kernel("identity", 3)) - tensor(kernel("laplacian", 3)))
    assert kernel("emboss", 3) == ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))
    assert kernel("box", 2) == ((0.25, 0.25), (0.25, 0.25))
    # cv2.getGaussianKernel(5, -1) is a sigma of 1.1
    line = torch.exp(-(tensor([-2, -1, 0, 1, 2]) ** 2) / (2 * 1.1**2))
    line /= line.sum()
    assert torch.allclose(tensor(kernel("gaussian", 5)), torch.outer(line, line), atol=1e-4)


def test_a_gabor_answers_stripes_of_its_own_direction():
    """A wave along x, of the kernel's own length, excites the kernel at 0 degrees and not the one at 90."""
    size, wavelength = 7, 4
    x = torch.arange(32, dtype=torch.float64)
    stripes = torch.cos(2 * math.pi * x / wavelength).repeat(32, 1)[None, None]

    def answer(angle: float) -> float:
        weight = tensor(kernel("gabor", size, angle))[None, None]
        return float(torch.nn.functional.conv2d(stripes, weight).abs().max())

    assert answer(0) > 4 * answer(90)
    assert answer(0) > answer(45) > answer(90)
    turned = tensor(kernel("gabor", size, 90))
    assert torch.allclose(turned, tensor(kernel("gabor", size, 0)).T, atol=1e-3)


@given(st.integers(1, MAX_SIZE), st.integers(1, MAX_SIZE), st.integers(0, 10_000))
def test_another_side_keeps_the_middle(old, new, seed):
    plane = torch.randint(1, 9, (old, old), generator=torch.Generator().manual_seed(seed)).double()
    made = tensor(resized(tuple(map(tuple, plane.tolist())), new))
    assert made.shape == (new, new)
    assert made[(new - 1) // 2, (new - 1) // 2] == plane[(old - 1) // 2, (old - 1) // 2]
    if new >= old:  # nothing is lost
        assert made.sum() == plane.sum()
        if (new - old) % 2 == 0 or old % 2:
            assert torch.equal(tensor(resized(tuple(map(tuple, made.tolist())), old)), plane)


def test_errors_say_what_there_is():
    with pytest.raises(ShapeError, match="sobel_x"):
        kernel("nothing", 3)
    with pytest.raises(ShapeError, match="it has 3$"):
        kernel("sobel_x", 5)


@pytest.mark.parametrize("id", KERNELS)
def test_every_preset_says_what_it_does_in_every_language(id):
    preset = KERNELS[id]
    for language in LANGUAGES:
        if language != "en":
            assert catalogue(language)[preset.title] and catalogue(language)[preset.does]
    assert preset.formula and (preset.source or id == "identity")
    assert preset.nearest(4) in preset.sizes
