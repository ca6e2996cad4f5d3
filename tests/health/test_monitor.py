"""The monitor: what it says against autograd and plain sums, that it changes nothing, and that it leaves nothing behind."""

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import (
    BatchNorm2d,
    Dropout,
    Flatten,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from cnnlab.build import Network
from cnnlab.errors import RunError
from cnnlab.health.history import History
from cnnlab.health.monitor import MOST_LOOKS, Monitor, cadence
from cnnlab.runs.snapshot import as_message
from cnnlab.training.events import HealthEvent, TrainEvent
from cnnlab.training.loop import Training
from cnnlab.training.losses import loss_of
from cnnlab.training.recipe import Recipe
from tests.health.makers import conv, dense, digits, network, small

MIXED = network(
    conv(6), BatchNorm2d(), ReLU(), MaxPool2d(), Dropout(p=0.2), Flatten(), dense(24), Tanh(), dense(16), Sigmoid(),
    dense(12), ReLU(), dense(10), Softmax(),
)  # fmt: skip
RECIPES = {
    "sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3},
    "adam, varied": {"optimizer": "adam", "lr": 1e-3, "augmentation": {"shift": 2}},
    "bfloat16": {"optimizer": "adam", "lr": 1e-3, "precision": "bfloat16"},
    "clipped": {"optimizer": "rmsprop", "lr": 1e-3, "clip_norm": 0.1},
}


def hooks(network: nn.Module) -> int:
    on_modules = sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in network.modules()
    )
    on_parameters = sum(
        len(p._post_accumulate_grad_hooks or ()) + len(p._backward_hooks or ()) for p in network.parameters()
    )
    return on_modules + on_parameters


def without(*kinds: str) -> Architecture:
    return network(*(layer for layer in MIXED.layers if layer.kind not in kinds))


def recipe_of(**fields: object) -> Recipe:
    return Recipe.of({"limit_train": 512, "batch_size": 64, "epochs": 2, **fields})


def watched(architecture: Architecture, recipe: Recipe, every: int = 1) -> Training:
    training = Training(architecture, digits(), recipe)
    training.monitor = Monitor(training.network, every)
    return training


class Oracle:
    """The same figures, from copies of the weights and one call of autograd."""

    def __init__(self, training: Training, x: Tensor, targets: Tensor) -> None:
        self.before = {name: p.detach().clone() for name, p in training.network.named_parameters()}
        module: Network = training.network
        self.outputs: dict[str, Tensor] = {}
        y = x
        for name, child in module.named_children():
            y = self.outputs[name] = child(y)
        scores = self.outputs[[*self.outputs][-2]] if module.architecture.ends_in_softmax else y
        loss = loss_of(scores, targets, training.recipe, module.architecture.ends_in_softmax)
        parameters = dict(module.named_parameters())
        self.gradients = dict(zip(parameters, torch.autograd.grad(loss, [*parameters.values()])))
        self.scores = scores.detach()

    def norm(self, tensors: dict[str, Tensor], layer: str) -> float:
        parts = [tensor.double().flatten() for name, tensor in tensors.items() if name.startswith(f"{layer}.")]
        return torch.cat(parts).norm().item()


def seen_and_oracle(architecture: Architecture, **fields: object) -> tuple[HealthEvent, Oracle, Training]:
    training = watched(architecture, recipe_of(**fields))
    x, targets = training.input_of(training.images[:64]), training.targets[:64]
    for module in training.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0  # the oracle's own look must not move its running statistics
    oracle = Oracle(training, x, targets)
    monitor = training.monitor
    assert isinstance(monitor, Monitor)
    with monitor.look(1) as gradients:
        training.update(x, targets, gradients)
    seen = monitor.take()
    assert seen is not None and monitor.take() is None
    return seen, oracle, training


def test_norms_are_those_of_autograd() -> None:
    seen, oracle, training = seen_and_oracle(without("Dropout"), optimizer="sgd", lr=0.3)
    after = dict(training.network.named_parameters())
    moved = {name: after[name].detach() - tensor for name, tensor in oracle.before.items()}
    layers = {name.split(".")[0] for name in oracle.before}
    assert layers == {name for name, figures in seen.layers.items() if "grad_norm" in figures} and len(layers) == 6
    for layer in layers:
        figures = seen.layers[layer]
        weight = oracle.norm(oracle.before, layer)
        assert figures["grad_norm"] == pytest.approx(oracle.norm(oracle.gradients, layer), rel=2e-5)
        assert figures["weight_norm"] == pytest.approx(weight, rel=2e-5)
        assert figures["update_ratio"] == pytest.approx(oracle.norm(moved, layer) / weight, rel=2e-4)


def test_activations_are_summed_up_as_they_are() -> None:
    seen, oracle, _training = seen_and_oracle(without("Dropout"), optimizer="sgd", lr=0.3)
    assert {"pool1", "flatten", "softmax"}.isdisjoint(seen.layers) and len(seen.layers) == 10
    for layer, figures in seen.layers.items():
        y = oracle.outputs[layer].detach().double()
        assert figures["mean"] == pytest.approx(y.mean().item(), rel=1e-4, abs=1e-6)
        assert figures["std"] == pytest.approx(y.std(correction=0).item(), rel=1e-4)
    tanh, sigmoid = oracle.outputs["tanh1"], oracle.outputs["sigmoid1"]
    assert seen.layers["tanh1"]["saturated"] == pytest.approx((tanh.abs() > 0.97).double().mean().item(), abs=1e-6)
    assert seen.layers["sigmoid1"]["saturated"] == pytest.approx(
        ((2 * sigmoid - 1).abs() > 0.97).double().mean().item()
    )
    assert seen.predicted == tuple(torch.bincount(oracle.scores.argmax(1), minlength=10).tolist())


def test_units_that_no_image_wakes_are_dead() -> None:
    training = watched(small(), recipe_of())
    weights = dict(training.network.named_parameters())
    with torch.no_grad():
        weights["conv1.bias"][:3] = -100.0  # three filters of eight, and a quarter of the dense units
        weights["fc1.bias"][:8] = -1000.0
    x, targets = training.input_of(training.images[:64]), training.targets[:64]
    maps = training.network.relu1(training.network.conv1(x))
    assert int((maps.amax((0, 2, 3)) <= 0).sum()) == 3
    monitor = training.monitor
    assert isinstance(monitor, Monitor)
    with monitor.look(1) as gradients:
        training.update(x, targets, gradients)
    seen = monitor.take()
    assert seen is not None
    assert seen.layers["relu1"]["dead"] == 3 / 8
    hidden = seen.layers["relu3"]["dead"]
    assert hidden is not None and hidden >= 8 / 32 and "dead" not in seen.layers["conv1"]


def test_dead_for_good_is_dead_in_each_of_the_last_five_looks() -> None:
    training = watched(small(), recipe_of())
    monitor, bias = training.monitor, dict(training.network.named_parameters())["conv1.bias"]
    assert isinstance(monitor, Monitor)
    x, targets = training.input_of(training.images[:64]), training.targets[:64]
    asleep = [(0, 1), (0, 1), (0,), (0, 2), (0,), (0,), (0,), ()]
    told = []
    for step, units in enumerate(asleep, 1):
        with torch.no_grad():
            bias.fill_(5.0)
            bias[[*units]] = -100.0
        with monitor.look(step) as gradients:
            training.update(x, targets, gradients)
        seen = monitor.take()
        assert seen is not None
        told.append((seen.layers["relu1"]["dead"], seen.layers["relu1"].get("dead_window")))
    window = [len(set.intersection(*map(set, asleep[i - 4 : i + 1]))) / 8 for i in range(4, len(asleep))]
    assert told == list(zip([len(units) / 8 for units in asleep], [None] * 4 + window))


def test_a_large_mean_does_not_swallow_the_spread() -> None:
    training = watched(small(), recipe_of())
    with torch.no_grad():
        dict(training.network.named_parameters())["fc2.bias"].fill_(3e4)
    x, targets = training.input_of(training.images[:64]), training.targets[:64]
    monitor = training.monitor
    assert isinstance(monitor, Monitor)
    y = training.network.logits(x).detach().double()
    with monitor.look(1) as gradients:
        training.update(x, targets, gradients)
    seen = monitor.take()
    assert seen is not None and seen.layers["fc2"]["std"] == pytest.approx(y.std(correction=0).item(), rel=0.02)


def test_a_batch_in_parts_is_summed_up_as_one() -> None:
    looks = []
    for part in (64, 24):
        training = watched(without("Dropout", "BatchNorm2d"), recipe_of(optimizer="sgd"))
        training._part = part
        monitor = training.monitor
        assert isinstance(monitor, Monitor)
        with monitor.look(1) as gradients:
            training.learn(torch.arange(64), 0.1, gradients)
        looks.append(monitor.take())
    whole, parts = looks
    assert whole is not None and parts is not None and whole.predicted == parts.predicted
    for layer, figures in whole.layers.items():
        assert parts.layers[layer] == pytest.approx(figures, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("fields", RECIPES.values(), ids=RECIPES)
def test_a_run_has_the_same_bits_with_and_without(fields: dict[str, object]) -> None:
    alone, seen = Training(MIXED, digits(), recipe_of(**fields)), watched(MIXED, recipe_of(**fields))
    events = [event for event in seen.events() if not isinstance(event, HealthEvent)]
    assert [*alone.events()] == events
    assert all(torch.equal(tensor, seen.state()[name]) for name, tensor in alone.state().items())
    assert hooks(seen.network) == 0


def test_it_looks_when_it_should_and_tells_after_the_step() -> None:
    training = watched(small(), recipe_of(limit_train=640, epochs=12), every=50)
    events = [event for event in training.events() if isinstance(event, (TrainEvent, HealthEvent))]
    looks = [event.step for event in events if isinstance(event, HealthEvent)]
    assert looks == [1, 2, 4, 8, 16, 32, 50, 100]
    for before, event in zip(events, events[1:]):
        assert not isinstance(event, HealthEvent) or (isinstance(before, TrainEvent) and before.step == event.step)
    told = [event.as_dict() for event in events if isinstance(event, HealthEvent)]
    assert json.loads(json.dumps(told)) == [{**values, "predicted": [*values["predicted"]]} for values in told]


def test_no_hook_is_on_between_two_looks() -> None:
    training = watched(small(), recipe_of(), every=3)
    counts = {event.step: hooks(training.network) for event in training.events() if isinstance(event, TrainEvent)}
    assert set(counts.values()) == {0}
    monitor = training.monitor
    assert isinstance(monitor, Monitor)
    with monitor.look(1):
        assert hooks(training.network) == 8  # one for each layer that is watched, one more for the answers


def test_a_step_that_fails_leaves_nothing_behind() -> None:
    training = watched(small(), recipe_of())
    monitor = training.monitor
    assert isinstance(monitor, Monitor)
    with pytest.raises(ZeroDivisionError), monitor.look(1):
        raise ZeroDivisionError
    assert hooks(training.network) == 0 and monitor.take() is None


def test_a_run_that_ends_in_no_number_is_told_so() -> None:
    training = watched(network(Flatten(), dense(10)), recipe_of(optimizer="sgd", lr=10.0, loss="mse", epochs=20))
    events: list[Any] = []
    with pytest.raises(RunError) as failure:
        events.extend(event for event in training.events())
    history = History.of(events, failure.value)
    assert history.diverged and not History.of(events).diverged
    assert History.of(events, as_message(failure.value)).diverged  # as it is kept with the run
    assert not History.of(events, RunError("{loss} is no loss", loss="x")).diverged
    assert all(value is None or math.isfinite(value) for _step, value in history.series("fc1", "grad_norm"))
    assert 0 < history.steps < 160 and hooks(training.network) == 0


def test_a_frozen_layer_has_no_gradient_and_the_others_do() -> None:
    training = watched(small(), recipe_of())
    training.apply({"frozen": ["conv1"]})
    seen = next(event for event in training.events() if isinstance(event, HealthEvent))
    assert "grad_norm" not in seen.layers["conv1"] and "mean" in seen.layers["conv1"]
    assert all("update_ratio" in seen.layers[name] for name in ("conv2", "fc1", "fc2"))


def test_long_runs_are_looked_at_less_often() -> None:
    assert cadence(100) == cadence(20_000) == 50
    for steps in (30_000, 10_000_000):
        assert steps / cadence(steps) <= MOST_LOOKS
    with pytest.raises(ValueError, match="every=0"):
        Monitor(Training(small(), digits(), recipe_of()).network, 0)


def test_what_the_engine_hands_out_makes_the_same_history() -> None:
    events = [*watched(small(), recipe_of()).events()]
    assert History.of(events) == History.of(json.loads(json.dumps([event.as_dict() for event in events])))


def test_a_memory_that_fits_no_layer_is_forgotten() -> None:
    """A checkpoint may come from anyone."""
    training = watched(small(), recipe_of())
    shapes = [torch.ones(8), torch.ones(2, 8, dtype=torch.bool), torch.ones(3, dtype=torch.bool), torch.ones(8).bool()]
    memory = {f"relu1/{at}": tensor for at, tensor in enumerate(shapes)} | {"nowhere/0": torch.ones(8).bool()}
    monitor = Monitor(training.network, 1, memory)
    x, targets = training.input_of(training.images[:64]), training.targets[:64]
    with monitor.look(1) as gradients:
        training.update(x, targets, gradients)
    assert set(monitor.memory()) == {"relu1/0", "relu2/0", "relu3/0"}
    assert monitor.memory()["relu1/0"].shape == (8,)
