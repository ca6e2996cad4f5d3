"""The strongest maps are the strongest, and none that merely passes something on."""

import pytest
import torch

from cnnlab.architecture import check_budget
from cnnlab.architecture.presets import PRESETS
from cnnlab.build import build
from cnnlab.data import loader
from cnnlab.description import ModelAbout, ModelDescription, Preprocessing
from cnnlab.errors import CnnLabError
from cnnlab.insight import look
from cnnlab.insight.strongest import strongest_maps
from cnnlab.model import Model
from cnnlab.runs.models import named


def test_the_strongest_come_first():
    model = named("mnist-sprint")
    image = loader.load("mnist").test.images[0]
    seen = look(model, image).maps
    layers = strongest_maps(model, image, count=5)
    assert layers
    for layer in layers:
        size = seen[layer.layer].abs().mean(dim=(1, 2))
        assert layer.strongest == tuple(size.argsort(descending=True, stable=True)[:5].tolist())
        assert layer.means == pytest.approx(sorted(size.tolist(), reverse=True)[:5])
        assert (torch.from_numpy(layer.maps) == seen[layer.layer][list(layer.strongest)]).all()
        assert layer.maps.shape[1:] == (layer.height, layer.width)


def test_what_goes_straight_into_an_activation_is_left_out():
    names = [layer.layer for layer in strongest_maps(named("article-000-lenet5"), loader.load("mnist").test.images[0])]
    assert [name for name in names if name.startswith(("conv", "bn", "drop", "fc", "flatten"))] == []
    assert names[0].startswith("relu")


def runs(architecture):
    try:
        check_budget(architecture)
    except CnnLabError:
        return False
    return True


@pytest.mark.parametrize(
    "name", [name for name, preset in PRESETS.items() if runs(preset.architecture) and not preset.full_size]
)
def test_every_preset_has_maps_or_none(name):
    architecture = PRESETS[name].architecture
    channels = architecture.input_shape[0]
    shape = architecture.input_shape
    pre = Preprocessing(data_shape=shape, input_shape=shape, mean=(0.5,) * channels, std=(0.5,) * channels)
    classes = tuple(map(str, range(architecture.output_shape[0])))
    network = build(architecture, torch.Generator().manual_seed(0))
    model = Model(
        ModelDescription(architecture=architecture, preprocessing=pre, class_names=classes, about=ModelAbout()),
        network.state_dict(),
    )
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    layers = strongest_maps(model, image)
    assert bool(layers) == any(row.layer.kind == "Conv2d" for row in architecture.trace().rows)
