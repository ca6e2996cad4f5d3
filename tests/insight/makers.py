"""Small models with seeded weights, for everything that looks into a model."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.architecture import blocks as B
from cnnlab.architecture import layers as L
from cnnlab.build import build
from cnnlab.data.dataset import DataSet, Split
from cnnlab.description import ModelAbout, ModelDescription, Preprocessing
from cnnlab.model import RUNNING, Model

GREY = (1, 12, 12)
COLOUR = (3, 10, 10)


def model_of(input_shape, layers, *, data_shape=None, mirror=False, seed=0, mean=0.2, std=0.3) -> Model:
    architecture = Architecture(name="test", input_shape=input_shape, layers=tuple(layers))
    classes = architecture.output_shape[0]
    channels = input_shape[0]
    description = ModelDescription(
        architecture=architecture,
        preprocessing=Preprocessing(
            data_shape=data_shape or input_shape,
            input_shape=input_shape,
            mean=tuple(mean + 0.05 * c for c in range(channels)),
            std=tuple(std + 0.02 * c for c in range(channels)),
        ),
        class_names=tuple(f"c{i}" for i in range(classes)),
        about=ModelAbout(name="test", mirror=mirror),
    )
    generator = torch.Generator().manual_seed(seed)
    network = build(architecture, generator, RUNNING)
    for module in network:  # statistics that a trained BatchNorm would have
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return Model(description, network.state_dict())


def image_of(shape, seed=1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def grey() -> Model:
    """A padded grey net with BatchNorm and Dropout, as MNIST ones are."""
    return model_of(
        GREY,
        [
            L.Conv2d(out_channels=4, kernel_size=3, padding=1),
            L.BatchNorm2d(),
            L.ReLU(),
            L.MaxPool2d(kernel_size=2),
            L.Conv2d(out_channels=6, kernel_size=3),
            L.ReLU(),
            L.Flatten(),
            L.Dropout(p=0.5),
            L.Linear(out_features=5),
        ],
        data_shape=(1, 10, 10),
    )


def colour() -> Model:
    """A colour net with several activations, groups and average pooling."""
    return model_of(
        COLOUR,
        [
            L.Conv2d(out_channels=6, kernel_size=3, stride=1),
            L.GELU(),
            L.Conv2d(out_channels=6, kernel_size=3, groups=3, padding=1),
            L.LeakyReLU(),
            L.AvgPool2d(kernel_size=2),
            L.Flatten(),
            L.Linear(out_features=8),
            L.Tanh(),
            L.Linear(out_features=4),
        ],
        seed=3,
    )


def softmax() -> Model:
    """A net whose last layer is Softmax, with overlapping max pooling."""
    return model_of(
        GREY,
        [
            L.Conv2d(out_channels=5, kernel_size=3),
            L.ReLU(),
            L.MaxPool2d(kernel_size=3, stride=2),
            L.Flatten(),
            L.Linear(out_features=6),
            L.Softmax(),
        ],
        seed=5,
    )


def mlp() -> Model:
    """A net without any convolution."""
    return model_of(GREY, [L.Flatten(), L.Linear(out_features=7), L.ReLU(), L.Linear(out_features=3)], seed=7)


def tree() -> Model:
    """A colour net of nested blocks: sums, products and concatenations, shortcuts of all kinds, norms of one example."""
    body = (L.Conv2d(out_channels=6, padding=1, bias=False), L.BatchNorm2d(), L.ReLU())
    return model_of(
        COLOUR,
        [
            B.Sequence(name="stem", layers=(L.Conv2d(out_channels=4, kernel_size=3, padding=1), L.SiLU())),
            B.Residual(name="block", layers=(*body, L.Conv2d(out_channels=6, padding=1)), shortcut="projection"),
            L.ReLU(),
            B.Branches(
                branches=(
                    B.Sequence(),
                    B.Sequence(layers=(L.Conv2d(out_channels=3, kernel_size=1), L.GroupNorm(), L.Hardswish())),
                )
            ),
            B.SqueezeExcitation(reduction=3),
            B.DenseBlock(layers=(L.Dropout2d(p=0.3), L.Conv2d(out_channels=2, padding=1), L.ReLU6()), repeat=2),
            B.Residual(
                layers=(L.MaxPool2d(), L.Conv2d(out_channels=14, padding=1), L.LocalResponseNorm(size=3)),
                shortcut="pad",
            ),
            B.Branches(
                branches=(B.Sequence(), B.Sequence(layers=(L.Conv2d(out_channels=7, padding=1), L.LayerNorm()))),
                split=True,
            ),
            L.ChannelShuffle(groups=2),
            L.AdaptiveAvgPool2d(output_size=2),
            L.Flatten(),
            B.Residual(name="head", layers=(L.Linear(out_features=56), L.GELU())),
            L.Linear(out_features=4),
            L.Softmax(),
        ],
    )


MODELS = {"grey": grey, "colour": colour, "softmax": softmax, "tree": tree}


def picture_for(model: Model, seed=1) -> Tensor:
    return image_of(model.preprocessing.data_shape, seed)


NETS = {**MODELS, "mlp": mlp, "mirror": lambda: mirrored(colour())}


def mirrored(model: Model) -> Model:
    """Return the same model, averaging with the mirror image."""
    about = model.about.model_copy(update={"mirror": True})
    return Model(model.description.model_copy(update={"about": about}), model.state)


def images_for(model: Model, count: int = 60) -> DataSet:
    classes = len(model.class_names)
    targets = torch.arange(count) % classes
    split = Split(image_of((count, *model.preprocessing.data_shape)), targets)
    return DataSet("drawn", "Drawn", model.class_names, split, split, "")


def result(steps):
    """Return what a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
