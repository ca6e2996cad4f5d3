"""What the lab's Keras source is written with is known by its whole text, and means just what it computes."""

import pytest

from cnnlab.architecture import Architecture, LayerSpec
from cnnlab.architecture.keras_classes import EXTRA_CLASSES
from cnnlab.source_in import Imported, read_source

HEAD = "import keras\nfrom keras import layers\n"


def read(*lines: str, classes: str = "") -> Imported:
    body = [f"x = {line}(x)" if "(" in line and "=" not in line.split("(")[0] else line for line in lines]
    source = "\n".join([HEAD, classes, "x = inputs = keras.Input(shape=(9, 9, 4))", *body])
    return read_source(f"{source}\nmodel = keras.Model(inputs, x)\n")


def kinds(found: Imported) -> list[str]:
    assert found.architecture is not None, found.problems
    return [layer.kind for layer in found.architecture.layers]


def only(found: Imported) -> LayerSpec:
    assert isinstance(found.architecture, Architecture), found.problems
    (layer,) = found.architecture.layers
    return layer


def test_zeros_before_a_convolution_are_its_padding() -> None:
    for sides in ("1", "(1, 1)"):
        conv = only(read(f"layers.ZeroPadding2D({sides})", "layers.Conv2D(5, 3, strides=2)"))
        assert (conv.kind, conv.padding) == ("Conv2d", 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("layers.ZeroPadding2D(((1, 1), (1, 1)))", "layers.Conv2D(5, 3)"), ["ZeroPad2d", "Conv2d"]),
        (("layers.ZeroPadding2D(1)", "layers.ReLU()"), ["ZeroPad2d", "ReLU"]),
        (("layers.ZeroPadding2D(1)", 'layers.Conv2D(5, 3, padding="same")'), ["ZeroPad2d", "Conv2d"]),
        (("layers.ZeroPadding2D((1, 2))", "layers.Conv2D(5, 3)"), ["ZeroPad2d", "Conv2d"]),
        (("layers.ZeroPadding2D(1)", "layers.MaxPooling2D(3)"), ["ZeroPad2d", "MaxPool2d"]),
        (("layers.ZeroPadding2D(2)", "layers.AveragePooling2D(2)"), ["ZeroPad2d", "AvgPool2d"]),
        (("layers.ZeroPadding2D(1)", "x = keras.ops.relu(x)"), ["ZeroPad2d", "ReLU"]),
        (("layers.ZeroPadding2D(1)", "layers.ZeroPadding2D(1)", "layers.Conv2D(5, 3)"), ["ZeroPad2d", "Conv2d"]),
        (("layers.ZeroPadding2D(1)",), ["ZeroPad2d"]),
        (("layers.Conv2D(5, 2, dilation_rate=2)", "layers.MaxPooling2D(1, strides=2)"), ["Conv2d"]),
        (("layers.Conv2D(5, 2, dilation_rate=2)", 'layers.MaxPooling2D(1, strides=2, name="p")'), ["Conv2d", "MaxPool2d"]),
        (("layers.Conv2D(5, 2)", "layers.MaxPooling2D(1, strides=2)"), ["Conv2d", "MaxPool2d"]),
    ],
)  # fmt: skip
def test_a_border_that_no_window_takes_is_a_layer(lines: tuple[str, ...], wanted: list[str]) -> None:
    assert kinds(read(*lines)) == wanted


def test_a_border_that_two_ways_take() -> None:
    found = read("p = layers.ZeroPadding2D(1)(x)", "a = layers.Conv2D(4, 3)(p)", "b = layers.Conv2D(4, 3)(p)", "x = layers.Add()([a, b, p[:, 1:-1, 1:-1]])")  # fmt: skip
    assert found.architecture is None  # a part of a tensor
    found = read("p = layers.ZeroPadding2D(1)(x)", "a = layers.Conv2D(4, 3)(p)", "b = layers.Conv2D(4, 3)(p)", "x = layers.Add()([a, b])")  # fmt: skip
    assert only(found).kind == "Branches" and found.num_params == 2 * (4 * 4 * 9 + 4)


def test_a_stride_is_not_taken_from_maps_that_something_else_needs() -> None:
    lines = ("a = layers.Conv2D(4, 2, dilation_rate=2)(x)", "b = layers.ReLU()(a)", "a = layers.MaxPooling2D(1, strides=2)(a)",
             "b = layers.MaxPooling2D(2)(b)", "x = layers.Concatenate()([a[:, :3, :3], b])")  # fmt: skip
    assert read(*lines).architecture is None
    lines = (*lines[:2], "a = layers.MaxPooling2D(1, strides=2)(a)", "b = layers.MaxPooling2D(1, strides=2)(b)", "x = layers.Add()([a, b])")  # fmt: skip
    assert kinds(read(*lines)) == ["Conv2d", "Branches"]


BELOW = EXTRA_CLASSES["PadBelowAll"]


@pytest.mark.parametrize(
    ("padding", "then"),
    [
        ("((1, 1), (1, 1))", "layers.Conv2D(5, 3)"),
        ("((1, 1), (1, 1))", "layers.AveragePooling2D(3)"),
        ("((1, 1), (1, 1))", "layers.ReLU()"),
        ("((1, 1), (1, 1))", "layers.Flatten()"),
        ("((1, 0), (1, 1))", "layers.MaxPooling2D(3)"),
        ("((0, 1), (1, 1))", "layers.MaxPooling2D(3)"),
        ("((1, 1), (1, 1))", 'layers.MaxPooling2D(3, padding="same")'),
        ("((2, 2), (2, 2))", "layers.MaxPooling2D(3)"),
        ("((0, 4), (0, 4))", "layers.MaxPooling2D(2)"),
    ],
)
def test_minus_infinity_that_no_pooling_of_the_lab_takes_is_refused(padding: str, then: str) -> None:
    found = read(f"PadBelowAll({padding})", then, classes=BELOW)
    assert found.architecture is None and found.problems


def test_a_class_that_only_looks_like_the_labs_is_not_taken_for_it() -> None:
    pool = "layers.MaxPooling2D(3, strides=2)"
    plain = only(read("PadBelowAll(((1, 1), (1, 1)))", pool, classes=BELOW.replace('"""Pad', '"""Padded')))
    assert (plain.kind, plain.padding) == ("MaxPool2d", 1)  # type: ignore[attr-defined]
    for changed in (
        BELOW.replace('"-inf"', '"inf"'),
        BELOW.replace("constant_values", "mode='reflect', constant_values"),
    ):
        assert read("PadBelowAll(((1, 1), (1, 1)))", pool, classes=changed).architecture is None
    part = EXTRA_CLASSES["Chunk"]
    assert read("Chunk(1, 3)", classes=part).architecture is None
    assert read("Chunk(0, 2)", classes=part.replace("self.start :", "self.start + 1 :")).architecture is None


@pytest.mark.parametrize(
    "line",
    [
        "layers.LayerNormalization()",
        "layers.LayerNormalization(axis=(1, 2))",
        "layers.LayerNormalization(axis=(1, 2, 3), center=False)",
        "layers.LayerNormalization(axis=(1, 2, 3), rms_scaling=True)",
        "layers.GroupNormalization(2, scale=False)",
        "layers.GroupNormalization(2, axis=1)",
        "layers.Permute((2, 1, 3))",
    ],
)
def test_what_the_labs_layers_do_not_do_is_refused(line: str) -> None:
    found = read(line)
    assert found.architecture is None and found.problems


@pytest.mark.parametrize(
    ("names", "wanted"), [(("a-conv1", "a-bn1"), ["a"]), (("a-x", "a-y"), []), (("conv-1", "conv-2"), [])]
)
def test_names_as_the_lab_writes_them_tell_its_blocks(names: tuple[str, str], wanted: list[str]) -> None:
    found = read(
        f'layers.Conv2D(4, 3, name="{names[0]}")', f'layers.BatchNormalization(name="{names[1]}")', "layers.ReLU()"
    )
    assert found.architecture is not None
    assert [layer.name for layer in found.architecture.layers if layer.kind == "Sequence"] == wanted  # type: ignore[attr-defined]


def test_norms() -> None:
    assert only(read("layers.LayerNormalization(axis=[1, 2, 3], epsilon=0.1)")).eps == 0.1  # type: ignore[attr-defined]
    assert only(read("layers.LayerNormalization(axis=(-1, -2, -3))")).kind == "LayerNorm"
    groups = only(read("layers.GroupNormalization(groups=-1)"))
    assert (groups.kind, groups.num_groups) == ("GroupNorm", 4)  # type: ignore[attr-defined]


@pytest.mark.parametrize("target", ["(9, 9, 2, 2)", "(9, 9, 4, 1)"])
def test_channels_in_groups_are_shuffled(target: str) -> None:
    shuffle = only(read(f"layers.Reshape({target})", "layers.Permute((1, 2, 4, 3))", "layers.Reshape((9, 9, 4))"))
    assert (shuffle.kind, shuffle.groups) == ("ChannelShuffle", int(target.split(", ")[2]))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "lines",
    [
        ("layers.Reshape((9, 9, 2, 2))", "layers.Permute((1, 2, 4, 3))"),
        ("layers.Reshape((9, 9, 2, 2))", "layers.Permute((2, 1, 3, 4))", "layers.Reshape((9, 9, 4))"),
        ("layers.Reshape((3, 27, 2, 2))", "layers.Permute((1, 2, 4, 3))", "layers.Reshape((9, 9, 4))"),
        ("layers.Reshape((9, 9, 2, 2))", "layers.Permute((1, 2, 4, 3))", "layers.Reshape((3, 27, 4))"),
        ("layers.Reshape((9, 9, 2, 2))", "layers.ReLU()", "layers.Reshape((9, 9, 4))"),
    ],
)
def test_what_only_looks_like_a_shuffle_is_refused(lines: tuple[str, ...]) -> None:
    assert read(*lines).architecture is None
