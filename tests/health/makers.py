"""Small networks, real digits, short trainings: each run is made once and shared by the tests."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Tanh,
)
from cnnlab.data.dataset import DataSet, Split
from cnnlab.data.loader import load
from cnnlab.errors import RunError
from cnnlab.health.case import Finding
from cnnlab.health.facts import DataFacts
from cnnlab.health.history import History
from cnnlab.health.monitor import Monitor
from cnnlab.health.rules import diagnose
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

EVERY = 25
SOUND = {"optimizer": "adam", "lr": 1e-3, "batch_size": 64, "epochs": 3}


def network(*layers: LayerSpec) -> Architecture:
    return Architecture(name="small", input_shape=(1, 28, 28), layers=layers)


def conv(out_channels: int, kernel_size: int = 3, stride: int = 2, **fields: Any) -> Conv2d:
    return Conv2d(out_channels=out_channels, kernel_size=kernel_size, stride=stride, **fields)


def dense(out_features: int) -> Linear:
    return Linear(out_features=out_features)


def small(act: type[LayerSpec] = ReLU) -> Architecture:
    """Return a network that is right in nine of ten digits after 250 steps, in half a second."""
    return network(conv(8), act(), conv(16), act(), Flatten(), dense(32), act(), dense(10))


def deep(act: type[LayerSpec], depth: int = 6) -> Architecture:
    hidden: list[LayerSpec] = [layer for _ in range(depth) for layer in (dense(32), act())]
    return network(conv(8), act(), MaxPool2d(), Flatten(), *hidden, dense(10))


@cache
def digits() -> DataSet:
    """Return MNIST's first 6,000 training images (5,400 to learn from, 600 to judge by) and 500 to test."""
    whole = load("mnist")
    return replace(whole, train=whole.train[:6000], test=whole.test[:500])


@cache
def shuffled_digits() -> DataSet:
    order = torch.randperm(6000, generator=torch.Generator().manual_seed(0))
    images, targets = digits().train
    return replace(digits(), train=Split(images, targets[order]))


@cache
def without_most_sevens() -> DataSet:
    images, targets = digits().train
    keep = torch.ones(len(targets), dtype=torch.bool)
    keep[(targets == 7).nonzero().squeeze(1)[10:]] = False
    return replace(digits(), train=Split(images[keep].contiguous(), targets[keep]))


@dataclass(frozen=True)
class Trained:
    architecture: Architecture
    recipe: Recipe
    facts: DataFacts
    history: History
    findings: tuple[Finding, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(finding.rule for finding in self.findings)

    def finding(self, rule: str) -> Finding:
        return next(finding for finding in self.findings if finding.rule == rule)


def described(architecture: Architecture, recipe: Recipe, dataset: DataSet) -> Trained:
    """Return what the rules say before a run."""
    facts = DataFacts.of(dataset, recipe)
    history = History()
    return Trained(architecture, recipe, facts, history, tuple(diagnose(history, architecture, recipe, facts)))


def trained(architecture: Architecture, recipe: Recipe, dataset: DataSet) -> Trained:
    """Return a real run with what was seen of it, and what the rules say."""
    training = Training(architecture, dataset, recipe)
    training.monitor = Monitor(training.network, EVERY)
    events, error = [], None
    try:
        for event in training.events():
            events.append(event)
    except RunError as failure:
        error = failure
    facts, history = DataFacts.of(dataset, recipe), History.of(events, error)
    return Trained(architecture, recipe, facts, history, tuple(diagnose(history, architecture, recipe, facts)))


_DATA = {"digits": digits, "shuffled": shuffled_digits, "no sevens": without_most_sevens}

_RUNS: dict[str, tuple[Architecture, dict[str, Any], str]] = {
    # healthy ones
    "healthy": (small(), SOUND, "digits"),
    "healthy sgd": (small(), {**SOUND, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9}, "digits"),
    "healthy tanh": (small(Tanh), SOUND, "digits"),
    "slow start": (small(), {**SOUND, "optimizer": "sgd", "lr": 0.01}, "digits"),
    # what flows
    "steps too long": (small(), {**SOUND, "lr": 0.05}, "digits"),
    "steps much too long": (small(), {**SOUND, "optimizer": "sgd", "lr": 10.0, "epochs": 2}, "digits"),
    "no number": (network(Flatten(), dense(10)), {**SOUND, "optimizer": "sgd", "lr": 10.0, "loss": "mse"}, "digits"),
    "steps too short": (small(), {**SOUND, "lr": 1e-6, "epochs": 2}, "digits"),
    "sigmoids": (deep(Sigmoid), {**SOUND, "epochs": 2}, "digits"),
    "tanh, steps too long": (small(Tanh), {**SOUND, "lr": 0.1, "epochs": 2}, "digits"),
    "strong decay": (small(), {**SOUND, "optimizer": "sgd", "lr": 0.1, "weight_decay": 0.1}, "digits"),
    # how it goes
    "by heart": (
        small(),
        {**SOUND, "limit_train": 200, "epochs": 40, "batch_size": 32, "lr": 3e-3},
        "digits",
    ),
    "too narrow": (
        network(conv(2, 5), ReLU(), AdaptiveAvgPool2d(output_size=2), Flatten(), dense(10)),
        {**SOUND, "lr": 1e-2, "epochs": 5},
        "digits",
    ),
    "shuffled": (small(), SOUND, "shuffled"),
    "no sevens": (small(), SOUND, "no sevens"),
    "dropout": (
        network(
            conv(8), ReLU(), conv(16), ReLU(), Flatten(), Dropout(p=0.6), dense(32), ReLU(), Dropout(p=0.6), dense(10)
        ),
        SOUND,
        "digits",
    ),
    "stairs": (small(), {**SOUND, "schedule": "step", "step_factor": 0.05}, "digits"),
}


@cache
def run(name: str) -> Trained:
    """Return one of the shared runs."""
    architecture, recipe, data = _RUNS[name]
    return trained(architecture, Recipe.of(recipe), _DATA[data]())
