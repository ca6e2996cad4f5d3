"""Pieces of Keras source: read here without being run, and run by Keras, which has to give the same numbers."""

import sys
import types
from typing import Any

import numpy as np
import pytest
import torch

from cnnlab.architecture import Architecture
from cnnlab.build import build
from cnnlab.source_in import read_source
from tests.source_in.pieces_keras import PIECES as FIRST
from tests.source_in.pieces_used import USED_KERAS
from tests.source_in.test_pytorch import fill

PIECES = {**FIRST, **USED_KERAS}


class Quiet:
    """Stands in for everything that a piece does beside its network: data, pictures, training."""

    def __getattr__(self, name: str) -> "Quiet":
        if name.startswith("__"):
            raise AttributeError(name)
        return Quiet()

    def __call__(self, *args: Any, **kwargs: Any) -> "Quiet":
        return Quiet()

    def __iter__(self) -> Any:
        return iter([Quiet(), Quiet()])

    def __getitem__(self, index: Any) -> "Quiet":
        return Quiet()

    def __truediv__(self, other: Any) -> "Quiet":
        return Quiet()


def run(source: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Keras make the network, under the names that TensorFlow gives it."""
    import keras

    tensorflow: Any = types.ModuleType("tensorflow")
    tensorflow.keras = keras
    for name, module in {"": keras, ".layers": keras.layers, ".models": keras.models}.items():
        monkeypatch.setitem(sys.modules, f"tensorflow.keras{name}", module)
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, Quiet())
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: ((Quiet(), Quiet()), (Quiet(), Quiet())))
    for name in ("fit", "summary"):
        monkeypatch.setattr(keras.Model, name, lambda *args, **kwargs: None)
    names: dict[str, Any] = {"__name__": "piece"}
    exec(compile(source, "piece.py", "exec"), names)
    monkeypatch.delitem(sys.modules, "tensorflow")  # Keras looks there by itself
    return names.get("model", names.get("net"))


def fill_keras(model: Any, architecture: Architecture) -> None:
    """Give Keras' weights the numbers that ``fill`` gives torch's, each in Keras' own order of axes."""
    flattened: dict[int, tuple[int, ...]] = {}
    for row in architecture.trace().rows:
        if row.layer.kind == "Flatten":
            maps = row.input_shape
        elif row.layer.kind == "Linear":
            flattened.setdefault(row.input_shape[0], maps)
            maps = ()
    names = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias", "moving_mean": "running_mean",
             "moving_variance": "running_var", "depthwise_kernel": "weight", "pointwise_kernel": "weight"}  # fmt: skip
    for variable in model.weights:
        if variable.name == "seed_generator_state":
            continue
        shape = tuple(variable.shape)
        axes: tuple[int, ...] = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(shape), tuple(range(len(shape))))
        if len(shape) == 4 and ("depthwise" in variable.path):
            axes = (2, 3, 0, 1)
        if variable.name == "pointwise_kernel":
            axes = (3, 2, 0, 1)
        holder: Any = torch.nn.Module()
        sizes = tuple(shape[axis] for axis in axes)
        if len(shape) == 4 and "depthwise" in variable.path and variable.name != "pointwise_kernel":
            sizes = (sizes[0] * sizes[1], 1, *sizes[2:])
        holder.register_buffer(names[variable.name], torch.empty(sizes))
        numbers = next(iter(fill(holder).state_dict().values())).numpy()
        if len(shape) == 2:
            maps = flattened.get(shape[0], ())
            if len(maps) == 3:
                numbers = numbers.reshape(-1, *maps).transpose(0, 2, 3, 1).reshape(numbers.shape)
        if len(shape) == 4:
            numbers = numbers.reshape([shape[axis] for axis in axes])
        variable.assign(np.ascontiguousarray(numbers.transpose(np.argsort(axes))))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PIECES)
def test_a_piece_gives_what_keras_makes_of_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, shape = PIECES[name]
    found = read_source(source)
    assert found.architecture is not None, found.problems
    assert found.problems == ()
    assert found.input_shape == shape
    theirs = run(source, monkeypatch)
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    theirs(images.permute(0, 2, 3, 1))  # a class of one's own makes its weights when it is called
    fill_keras(theirs, found.architecture)
    mine = fill(build(found.architecture))
    with torch.no_grad():
        expected = theirs(images.permute(0, 2, 3, 1).contiguous(), training=False)
        given = mine(images)
    assert tuple(given.shape) == tuple(expected.shape)
    assert torch.allclose(given, expected, atol=1e-4, rtol=1e-4)


def test_a_model_that_gets_no_name() -> None:
    source = (
        "from keras import Input, Model, layers\ni = Input((28, 28, 1))\nx = layers.Dense(3)(layers.Flatten()(i))\n"
    )
    kept = read_source(f"{source}net = Model(inputs=i, outputs=x)\nnet.summary()\n").architecture
    found = read_source(f"{source}Model(inputs=i, outputs=x).summary()\n").architecture
    assert kept is not None and found is not None and found.layers == kept.layers


def test_a_flattening_says_that_the_order_differs() -> None:
    found = read_source(PIECES["add one by one"][0])
    assert any("channels last" in str(note.text) for note in found.notes)


@pytest.mark.parametrize(
    "before", ["layers.GlobalAveragePooling2D(keepdims=True)", "layers.Conv2D(1, 3)", "layers.Flatten()"]
)
def test_a_flattening_of_one_order_says_nothing(before: str) -> None:
    start = "import keras\nfrom keras import layers\nmodel = keras.Sequential([keras.Input((8, 8, 3)),\n"
    found = read_source(f"{start}{before},\nlayers.Flatten(), layers.Dense(2)])\n")
    assert found.problems == () and [note.line for note in found.notes if note.line > 4] == []


def test_what_the_reader_leaves_out_of_a_keras_script() -> None:
    found = read_source(PIECES["add one by one"][0])
    lines = PIECES["add one by one"][0].splitlines()
    left = [lines[one.line - 1] for one in found.ignored]
    for word in ("import matplotlib", "load_data", "255.0", "plt.figure", "summary", "compile", "fit("):
        assert any(word in line for line in left), word
    assert not any("model.add" in line or "Sequential" in line for line in left)


@pytest.mark.parametrize(
    "start",
    ["keras.Input((3, 32, 30)), layers.Conv2D(8, 3, data_format='channels_first')",
     "layers.Conv2D(8, 3, data_format='channels_first', input_shape=(3, 32, 30))"],
)  # fmt: skip
def test_channels_that_a_layer_puts_first_are_read_as_channels(start: str) -> None:
    found = read_source(
        f"import keras\nfrom keras import layers\nmodel = keras.Sequential([{start}, layers.Flatten(), layers.Dense(2)])\n"
    )
    assert found.problems == ()
    assert found.input_shape == (3, 32, 30)


def test_only_the_first_thing_wrong_in_a_chain_is_said() -> None:
    source = (
        "from keras import layers, Input, Model\ni = Input((8, 8, 1))\nx = layers.Conv2D(4, 3, activation='elu')(i)\n"
        "x = layers.ReLU()(x)\nm = Model(i, x)\n"
    )
    assert [problem.line for problem in read_source(source).problems] == [3]


PERMUTED = (
    "from keras import layers, Input, Model\ni = Input((8, 8, 3))\nx = layers.Conv2D(4, 3)(i)\n"
    "x = layers.Permute((3, 1, 2))(x)\n{then}\nm = Model(i, x)\n"
)


def test_maps_turned_before_they_are_flattened_are_in_torchs_order() -> None:
    found = read_source(PERMUTED.format(then="x = layers.Dense(5)(layers.Flatten()(x))"))
    assert found.architecture is not None, found.problems
    assert [layer.kind for layer in found.architecture.layers] == ["Conv2d", "Flatten", "Linear"]
    assert found.notes == ()


@pytest.mark.parametrize(
    "then", ["x = layers.Dense(5)(x)", "x = layers.Conv2D(2, 3)(x)", "x = layers.Add()([x, x])", "pass"]
)
def test_turned_maps_that_anything_else_takes_are_refused(then: str) -> None:
    found = read_source(PERMUTED.format(then=then))
    assert found.architecture is None
    assert any(problem.line in (4, 5, 6) for problem in found.problems), found.problems


@pytest.mark.parametrize(
    "name", ["vgg-mnist", "resnet-cifar", "densenet-mnist", "alexnet-cifar", "cifar-blocks", "article-003-keras"]
)
def test_the_keras_that_the_lab_writes_is_read_back(name: str) -> None:
    from cnnlab.architecture.presets import PRESETS
    from cnnlab.export.keras import to_keras

    architecture = PRESETS[name].architecture
    found = read_source(to_keras(architecture))
    assert found.architecture is not None, found.problems
    assert (found.input_shape, found.num_params) == (architecture.input_shape, architecture.trace().num_params)
    assert found.architecture.trace().macs == architecture.trace().macs
