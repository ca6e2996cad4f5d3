"""Every number under the glass is torch's own: sums, sizes, uses, counts, and what is said to a prediction."""

import base64

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnlab.data import loader
from cnnlab.errors import PictureError, ShapeError
from cnnlab.insight.glass import (
    Operation,
    brightness,
    challenge,
    check_number,
    check_params,
    check_size,
    counts,
    mends,
    number_key,
    painted,
    params_key,
    problem,
    run,
    size_key,
    total_of,
    uses,
)
from cnnlab.insight.glass.chain import DRAWN_PX, LEAK
from cnnlab.insight.kernels import kernel, resized
from cnnlab.workspace import DRAWING_PX

ACTIVATIONS = {
    "none": nn.Identity(), "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(LEAK), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(),
}  # fmt: skip


def picture_of(channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    made = torch.rand(channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (made * 100).round() / 100


@st.composite
def operations(draw, channels: int | None = None) -> Operation:
    planes = draw(st.sampled_from([1, 3])) if channels is None else channels
    size = draw(st.integers(1, 7))
    weights = st.integers(-40, 40).map(lambda n: n / 8)
    flat = draw(st.lists(weights, min_size=planes * size**2, max_size=planes * size**2))
    kernels = torch.tensor(flat, dtype=torch.float64).reshape(planes, size, size).tolist()
    return Operation(
        kernel=kernels,
        stride=draw(st.integers(1, 4)),
        padding=draw(st.integers(0, 6)),
        padding_mode=draw(st.sampled_from(["zeros", "reflect"])),
        dilation=draw(st.integers(1, 3)),
        bias=draw(weights),
        activation=draw(st.sampled_from(list(ACTIVATIONS))),
        pooling=draw(st.sampled_from(["none", "max", "avg"])),
        pool_size=draw(st.integers(2, 4)),
    )


def as_torch(operation: Operation) -> nn.Sequential:
    """Return torch's own modules for the operation: the oracle."""
    conv = nn.Conv2d(
        len(operation.kernel), 1, operation.kernel_size, operation.stride, operation.padding, operation.dilation,
        padding_mode=operation.padding_mode, dtype=torch.float64,
    )  # fmt: skip
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(operation.kernel)[None])
        conv.bias.fill_(operation.bias)
    pool = {"none": nn.Identity, "max": nn.MaxPool2d, "avg": nn.AvgPool2d}[operation.pooling]
    return nn.Sequential(conv, ACTIVATIONS[operation.activation], pool(operation.pool_size))


sides = st.integers(1, 14)


@given(operations(), sides, sides)
def test_it_fits_where_torch_says_so_and_gives_torchs_numbers(operation, height, width):
    picture = picture_of(len(operation.kernel), height, width)
    said = problem(operation, height, width)
    try:
        wanted = as_torch(operation)(picture[None])[0].detach()
    except RuntimeError:
        assert said is not None
        with pytest.raises(ShapeError, match="layer 1"):
            run(picture, [operation])
        return
    assert said is None
    stages = run(picture, [operation])
    assert torch.allclose(stages[-1].values, wanted, atol=1e-12)
    assert tuple(stages[1].values.shape[1:]) == operation.conv_shape(height, width)
    assert tuple(wanted.shape[1:]) == operation.output_shape(height, width)


@given(operations(), sides, sides)
def test_what_is_offered_instead_works(operation, height, width):
    if problem(operation, height, width) is None:
        return
    for label, change in mends(operation, height, width):
        values = dict(change)
        if size := values.pop("kernel_size", None):
            values["kernel"] = [resized(plane, int(size)) for plane in operation.kernel]
        changed = Operation.model_validate({**operation.model_dump(), **values})
        as_torch(changed)(picture_of(len(operation.kernel), height, width)[None])
        assert problem(changed, height, width) is None
        assert str(label)


def test_a_kernel_that_is_too_large_always_has_a_way_out():
    for size in range(1, 8):
        for dilation in range(1, 5):
            operation = Operation(kernel=(kernel("box", size),), dilation=dilation)
            if problem(operation, 3, 3):
                assert mends(operation, 3, 3)


@settings(max_examples=40)
@given(operations(), st.integers(4, 9), st.integers(4, 9), st.data())
def test_every_sum_is_the_tensors_own(operation, height, width, data):
    if problem(operation, height, width):
        return
    picture = picture_of(len(operation.kernel), height, width)
    stage = run(picture, [operation])[1]
    row = data.draw(st.integers(0, stage.values.shape[1] - 1))
    col = data.draw(st.integers(0, stage.values.shape[2] - 1))
    found = total_of(picture, stage, row, col)
    assert found.total == pytest.approx(float(stage.values[0, row, col]), abs=1e-9)
    assert sum(t.product for t in found.terms) + found.bias == found.total
    assert str(found.unit) == f"conv1[0,{row},{col}]"
    assert all(t.value == (0 if t.at is None else float(picture[t.at])) for t in found.terms)
    assert all(t.factor == operation.kernel[t.tap[0]][t.tap[1]][t.tap[2]] for t in found.terms)


@settings(max_examples=40)
@given(operations(), st.integers(4, 8), st.integers(4, 8), st.data())
def test_what_a_number_reaches_is_where_its_gradient_is(operation, height, width, data):
    if problem(operation, height, width):
        return
    picture = picture_of(len(operation.kernel), height, width)
    stage = run(picture, [operation])[1]
    channel = data.draw(st.integers(0, len(operation.kernel) - 1))
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    conv = as_torch(operation)[0]
    moved = torch.zeros_like(picture)
    moved[channel, row, col] = 1
    change = (conv(moved[None]) - conv(torch.zeros_like(picture)[None]))[0, 0].detach()
    found = {(use.row, use.col): use.factor for use in uses(picture, stage, channel, row, col)}
    for at in [(r, c) for r in range(change.shape[0]) for c in range(change.shape[1])]:
        assert found.get(at, 0.0) == pytest.approx(float(change[at]), abs=1e-9)


@settings(max_examples=40)
@given(operations(1), operations(1))
def test_two_layers_in_a_row_are_torchs(one, two):
    picture = picture_of(1, 20, 20)
    if problem(one, 20, 20) or problem(two, *one.output_shape(20, 20)):
        with pytest.raises(ShapeError, match="layer [12]"):
            run(picture, [one, two])
        return
    stages = run(picture, [one, two])
    wanted = as_torch(two)(as_torch(one)(picture[None]))[0].detach()
    assert torch.allclose(stages[-1].values, wanted, atol=1e-9)
    assert [s.name for s in stages if s.kind == "conv"] == ["conv1", "conv2"]


def test_planes_must_be_those_that_arrive():
    with pytest.raises(ShapeError, match="has 1 planes, but 3 channels"):
        run(picture_of(3, 8, 8), [Operation(kernel=(kernel("box", 3),))])


@pytest.mark.parametrize("bad", [(), ((),), (((1.0, 2.0),),), (((1.0,),), ((1.0, 1.0), (1.0, 1.0)))])
def test_a_kernel_is_square_and_its_planes_alike(bad):
    with pytest.raises(ValueError, match="square"):
        Operation(kernel=bad)


@pytest.mark.parametrize(("name", "shape"), [("mnist", (1, 28, 28)), ("cifar10-sample", (3, 32, 32))])
def test_brightness_has_two_decimals_and_smaller_pictures_are_means(name, shape):
    image = loader.load(name).test.images[0]
    whole = brightness(image)
    assert tuple(whole.shape) == shape
    assert torch.equal(whole, (whole * 100).round() / 100) and 0 <= whole.min() and whole.max() <= 1
    assert (whole - image / 255).abs().max() <= 0.005 + 1e-9
    for times in (2, 4):
        small = brightness(image, times)
        assert tuple(small.shape) == (shape[0], shape[1] // times, shape[2] // times)
        block = (image[0, :times, :times].double() / 255).mean()
        assert abs(small[0, 0, 0] - block) <= 0.005 + 1e-9


@pytest.mark.parametrize("side", [28, 14, 7])
def test_a_picture_that_was_drawn_comes_back_as_it_was(side):
    assert DRAWN_PX == DRAWING_PX
    drawn = torch.randint(0, 256, (side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(side))
    made = painted(side, base64.b64encode(drawn.numpy().tobytes()).decode())
    assert made.shape == (28, 28)
    assert torch.equal(brightness(torch.from_numpy(made)[None], 28 // side)[0], brightness(drawn[None])[0])


@pytest.mark.parametrize(
    ("side", "ink"),
    [
        (28, "AAAA"),
        (0, ""),
        (5, "A" * 36),
        (7, "?" * 68),
        ("7", "A" * 68),
        (7, None),
        (7, "é" * 68),
        (7, "A" * 99_999),
        (-7, "A"),
    ],
)
def test_a_picture_that_was_not_drawn_here_is_refused(side, ink):
    with pytest.raises(PictureError):
        painted(side, ink)


@given(operations(), st.integers(2, 12), st.integers(2, 12))
def test_counts_are_those_of_torchs_layers(operation, height, width):
    if problem(operation, height, width):
        return
    rows, cols = operation.conv_shape(height, width)
    found = counts(operation, height, width)
    conv = as_torch(operation)[0]
    assert found.shared == operation.num_params == sum(p.numel() for p in conv.parameters())
    if found.inputs * found.outputs < 20_000:
        dense = nn.Linear(len(operation.kernel) * height * width, rows * cols)
        assert found.dense == sum(p.numel() for p in dense.parameters())
        assert found.dense_macs == dense.weight.numel()
    assert found.local == rows * cols * found.shared
    assert found.macs == conv.weight.numel() * rows * cols


# ---------------------------------------------------------------------------------------------- predictions
def sobel(**changes) -> Operation:
    return Operation.model_validate({"kernel": (kernel("sobel_x", 3),), **changes})


@given(operations(), st.integers(3, 20), st.integers(3, 20), st.integers(0, 25), st.integers(0, 25))
def test_a_size_is_right_where_torch_gives_it(operation, height, width, rows, cols):
    if problem(operation, height, width):
        return
    truth = tuple(as_torch(operation)[0](picture_of(len(operation.kernel), height, width)[None]).shape[2:])
    assert check_size(operation, height, width, truth).right
    assert check_size(operation, height, width, truth).hint is None
    said = check_size(operation, height, width, (rows, cols))
    assert said.right == ((rows, cols) == truth)
    assert f"= {truth[0]}" in str(said.computation)


@pytest.mark.parametrize(
    ("changes", "answer", "hint"),
    [
        ({}, (25, 25), "first place"),
        ({}, (28, 28), "far edge"),
        ({"stride": 2}, (26, 26), "with stride 1"),
        ({"dilation": 2}, (26, 26), "without dilation"),
        ({"padding": 1}, (26, 26), "without padding"),
        ({"padding": 1}, (27, 28), "both sides"),
    ],
)
def test_a_wrong_size_gets_a_word_on_what_went_wrong(changes, answer, hint):
    assert hint in str(check_size(sobel(**changes), 28, 28, answer).hint)


def test_the_computation_has_the_learners_numbers():
    said = str(check_size(sobel(stride=2, padding=1), 28, 28, (1, 1)).computation)
    assert "28 + 2·1 − 3 = 27 px" in said and "jumps of 2 these are 13" in said and "13 + 1 = 14" in said
    assert "2·(3 − 1) + 1 = 5 px" in str(check_size(sobel(dilation=2), 28, 28, (1, 1)).computation)
    assert ";" in str(check_size(sobel(), 28, 20, (1, 1)).computation)


def test_parameters_are_checked_with_their_usual_mistakes():
    assert check_params(sobel(), 10).right
    assert "bias" in str(check_params(sobel(), 9).hint)
    colour = Operation(kernel=(kernel("box", 3),) * 3)
    assert check_params(colour, 28).right
    assert "3 planes" in str(check_params(colour, 10).hint)
    assert "same kernel" in str(check_params(sobel(), 6760).hint)
    assert check_params(sobel(), 3).hint is None


@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_a_number_is_right_as_closely_as_it_is_shown(bias):
    picture = brightness(loader.load("mnist").test.images[0])
    stage = run(picture, [sobel(bias=bias)])[1]
    row, col = challenge(picture, stage, 3)
    truth = float(stage.values[0, row, col])
    assert sum(bool(t.product) for t in total_of(picture, stage, row, col).terms) >= 2
    for answer in (truth, truth + 0.004, truth - 0.004):
        assert check_number(picture, stage, row, col, answer).right
    assert not check_number(picture, stage, row, col, truth + 0.1).right
    assert "sign" in str(check_number(picture, stage, row, col, -truth).hint) if abs(truth) > 0.01 else True
    said = check_number(picture, stage, row, col, truth - bias)
    assert said.right == (bias == 0)
    if bias:
        assert "bias" in str(said.hint) and "of bias" in str(said.computation)


def test_long_sums_are_cut_and_still_add_up():
    picture = picture_of(1, 9, 9).clamp(min=0.01)
    stage = run(picture, [Operation(kernel=(kernel("box", 7),))])[1]
    said = str(check_number(picture, stage, 0, 0, 0.0).computation)
    assert said.count("×") == 9 and "from 40 smaller products" in said


def test_each_turn_asks_for_another_place_and_flat_pictures_ask_too():
    picture = brightness(loader.load("mnist").test.images[0])
    stage = run(picture, [sobel()])[1]
    places = [challenge(picture, stage, turn) for turn in range(8)]
    assert places == [challenge(picture, stage, turn) for turn in range(8)]
    assert len(set(places)) == 8
    flat = run(torch.zeros(1, 5, 5, dtype=torch.float64), [sobel()])
    row, col = challenge(flat[0].values, flat[1], 2)
    assert 0 <= row < 3 and 0 <= col < 3


def test_the_same_question_has_the_same_key_and_another_another():
    assert size_key(sobel(), 28, 28) == size_key(sobel(bias=1.0, activation="relu"), 28, 28)
    assert size_key(sobel(), 28, 28) != size_key(sobel(stride=2), 28, 28) != size_key(sobel(stride=2), 28, 27)
    assert params_key(sobel()) == params_key(sobel(stride=2)) != params_key(Operation(kernel=(kernel("box", 5),)))
    picture = picture_of(1, 8, 8)
    stage = run(picture, [sobel()])[1]
    assert number_key(picture, stage, 0, 0) != number_key(picture, stage, 0, 1)
    assert all(len(key) <= 80 for key in (size_key(sobel(), 1, 1), number_key(picture, stage, 0, 0)))
