"""Small runs for tests: seconds at most, the same on every machine."""

import time

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU
from cnnlab.data.augmentation import Augmentation
from cnnlab.data.loader import load
from cnnlab.runs import RunSpec
from cnnlab.training.change import Applied
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

NET = Architecture(
    name="small",
    input_shape=(1, 28, 28),
    layers=(
        Conv2d(out_channels=4, kernel_size=5, stride=2), BatchNorm2d(), ReLU(), MaxPool2d(kernel_size=2), Flatten(),
        Dropout(p=0.2), Linear(out_features=10),
    ),
)  # fmt: skip
RECIPE = Recipe(
    epochs=2, batch_size=20, limit_train=400, lr=0.003, precision="float32", memory_format="contiguous", threads=1,
    augmentation=Augmentation(shift=2), schedule="cosine",
)  # fmt: skip
LONG = RECIPE.changed(epochs=200, limit_train=2000)
DEADLINE_S = 60.0


def spec(recipe=RECIPE, owner="ann", **fields):
    return RunSpec(**{"architecture": NET, "data": "mnist", "recipe": recipe, "owner": owner, **fields})


def until(condition, deadline_s=DEADLINE_S):
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.005)
    return found


def uninterrupted(recipe=RECIPE, changes=(), architecture=NET):
    """Return the events and the final weights of a run that nothing disturbs."""
    training = Training(architecture, load("mnist"), recipe)
    training.replay([Applied.model_validate(change) for change in changes])
    events = [event for event in training.events() if event.kind != "look"]
    return events, training.state()
