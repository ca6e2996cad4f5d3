"""A network and a recipe so small that a search over them takes seconds."""

from typing import Any

from cnnlab.architecture import LAYERS, Architecture
from cnnlab.search import Choice, SearchSpec
from cnnlab.training.recipe import Recipe

TINY = Architecture(
    name="tiny",
    input_shape=(1, 28, 28),
    layers=(
        LAYERS["Conv2d"](out_channels=4, kernel_size=5, stride=2),
        LAYERS["ReLU"](),
        LAYERS["MaxPool2d"](),
        LAYERS["Flatten"](),
        LAYERS["Linear"](out_features=10),
    ),
)
QUICK = Recipe.of(
    {
        "epochs": 1, "batch_size": 32, "lr": 0.01, "limit_train": 320, "seed": 3, "precision": "float32",
        "memory_format": "contiguous", "threads": 1,
    }
)  # fmt: skip
DATA = "fashion_mnist-sample"
VARY = ("conv1.out_channels=2..8", "lr=1e-4..1e-1:log")


def spec(vary: tuple[str, ...] = VARY, **fields: Any) -> SearchSpec:
    """Return a small search on 320 images; ``fields`` replace its own."""
    values = {
        "architecture": TINY, "data": DATA, "recipe": QUICK, "choices": tuple(map(Choice.parse, vary)), "trials": 4,
        "owner": "learner",
    }  # fmt: skip
    return SearchSpec.of({**values, **fields})
