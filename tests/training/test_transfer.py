"""Borrowed weights: what is taken, what begins anew and why; hypothesis draws the networks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU
from cnnlab.build import build
from cnnlab.data.loader import load
from cnnlab.description import ModelRef
from cnnlab.errors import RecipeError
from cnnlab.runs import resolve
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe
from cnnlab.training.transfer import borrow, plan
from tests.architecture.strategies import networks, running

SPRINT = resolve(ModelRef("bundled:mnist-sprint"))
RECIPE = Recipe(
    epochs=1, batch_size=20, limit_train=60, precision="float32", memory_format="contiguous", threads=1, seed=4
)

NETWORKS = networks().map(running).filter(lambda network: network.layers)


def training(network=SPRINT.architecture, data="fashion_mnist-sample", recipe=RECIPE):
    return Training(network, load(data), recipe)


def test_every_layer_of_the_same_network_is_taken_with_its_running_statistics():
    run, new = training(), training().state()
    found = borrow(run, SPRINT)
    assert found.taken == ("conv1", "bn1", "conv2", "bn2", "fc1") and not found.fresh
    assert all(torch.equal(tensor, SPRINT.state[name]) for name, tensor in run.state().items())
    assert not torch.equal(new["bn1.running_mean"], run.state()["bn1.running_mean"])


def test_a_layer_asked_for_keeps_its_new_weights_which_the_seed_makes():
    run, new = training(), training().state()
    found = borrow(run, SPRINT, fresh=["fc1", "bn2"])
    assert found.fresh == ("bn2", "fc1") and [one.reason for one in found.layers if not one.taken] == ["asked"] * 2
    for name, tensor in run.state().items():
        theirs = new if name.startswith(("fc1", "bn2")) else SPRINT.state
        assert torch.equal(tensor, theirs[name])
    again = training()
    assert borrow(again, SPRINT, fresh=["bn2", "fc1"]).weights == found.weights != borrow(training(), SPRINT).weights


def test_another_number_of_classes_is_said_with_both_shapes():
    layers = (*SPRINT.architecture.layers[:-1], Linear(out_features=2), ReLU(), Linear(out_features=2))
    found = plan(SPRINT.architecture.with_layers(layers), SPRINT.architecture)
    reasons = {one.layer: (one.reason, str(one.why)) for one in found.layers if not one.taken}
    assert reasons == {
        "fc1": ("shape", "other shape: weight is 10×512 in the model and 2×512 here"),
        "fc2": ("absent", "the model has no layer of this name"),
    }
    assert found.taken == ("conv1", "bn1", "conv2", "bn2")


@settings(max_examples=25)
@given(NETWORKS, NETWORKS, st.data())
def test_what_is_taken_is_what_torch_would_load(one, other, data):
    """The judge is torch's own state: names and shapes; a network borrows from itself all that was not asked to be new."""
    ours, theirs = build(one).state_dict(), build(other).state_dict()
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in ours))
    fresh = data.draw(st.sets(st.sampled_from(layers))) if layers else set()

    def tensors(state, layer):
        return {name: tensor.shape for name, tensor in state.items() if name.rpartition(".")[0] == layer}

    fits = [layer for layer in layers if layer not in fresh and tensors(ours, layer) == tensors(theirs, layer)]
    assert list(plan(one, other, fresh).taken) == fits
    assert set(plan(one, one, fresh).taken) == set(layers) - fresh


def test_learning_begins_ahead_of_new_weights():
    def first_loss(model):
        run = training(data="mnist")
        if model is not None:
            borrow(run, model)
        return next(event for event in run.events() if event.kind == "train").loss

    assert first_loss(SPRINT) < 0.2 < 1.5 < first_loss(None)


def test_a_checkpoint_of_the_beginning_goes_on_to_the_same_bits():
    run = training()
    borrow(run, SPRINT, fresh=["fc1"])
    run.apply({"frozen": ["conv1", "bn1"]})
    again = Training.restore(run.architecture, run.dataset, run.checkpoint())
    for one in (run, again):
        for _event in one.events():
            pass
    assert all(torch.equal(tensor, again.state()[name]) for name, tensor in run.state().items())
    assert torch.equal(run.state()["conv1.weight"], SPRINT.state["conv1.weight"])
    assert torch.equal(run.state()["bn1.running_mean"], SPRINT.state["bn1.running_mean"])
    assert not torch.equal(run.state()["conv2.weight"], SPRINT.state["conv2.weight"])


def test_a_model_is_not_changed_by_who_borrows_from_it():
    before = {name: tensor.clone() for name, tensor in SPRINT.state.items()}
    run = training()
    borrow(run, SPRINT)
    next(event for event in run.events() if event.kind == "train")
    assert all(torch.equal(tensor, before[name]) for name, tensor in SPRINT.state.items())


@pytest.mark.parametrize("name", ["conv9", "relu1"])
def test_a_layer_that_is_not_there_is_refused_with_those_there_are(name):
    with pytest.raises(RecipeError, match=f"fresh: {name} is no layer.*conv1, bn1, conv2, bn2, fc1"):
        borrow(training(), SPRINT, fresh=[name])


def test_a_model_of_which_nothing_fits_is_refused_with_the_first_shapes_and_what_to_do():
    layers = (Conv2d(out_channels=3), BatchNorm2d(), ReLU(), MaxPool2d(), Flatten(), Linear(out_features=10))
    run = training(Architecture(name="other", input_shape=(1, 28, 28), layers=layers))
    with pytest.raises(RecipeError, match=r"conv1: other shape: weight is 16×1×5×5 .* 3×1×3×3 here.*new last layer"):
        borrow(run, SPRINT)
    with pytest.raises(RecipeError, match="every layer is to be new"):
        borrow(training(), SPRINT, fresh=["conv1", "bn1", "conv2", "bn2", "fc1"])


def test_a_run_that_has_begun_borrows_nothing():
    run = training()
    next(event for event in run.events() if event.kind == "train")
    with pytest.raises(RecipeError, match="begun already"):
        borrow(run, SPRINT)
