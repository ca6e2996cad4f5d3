"""Checkpoints: a run that was left and taken up again is, to the bit, the run that was never left."""

import json
import struct
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import (
    GELU,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Dropout2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
)
from cnnlab.data.loader import load
from cnnlab.errors import CnnLabError, RecipeError, RunError
from cnnlab.training.checkpoint import FORMAT, Checkpoint
from cnnlab.training.events import LookEvent, TestEvent, TrainEvent
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

NET = Architecture(
    name="small",
    input_shape=(1, 28, 28),
    layers=(
        Conv2d(out_channels=4, kernel_size=5, stride=2), BatchNorm2d(), ReLU(), MaxPool2d(), Dropout2d(p=0.2),
        Conv2d(out_channels=6, kernel_size=3), GELU(), Flatten(), Dropout(p=0.3), Linear(out_features=10),
    ),
)  # fmt: skip
RECIPE = Recipe(
    epochs=2, batch_size=16, limit_train=83, lr=0.01, schedule="one_cycle", precision="float32",
    augmentation={"shift": 1, "rotate": 5, "flip": True}, memory_format="channels_last", threads=1, seed=3,
)  # fmt: skip
VARIANTS = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    "nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "memory_format": "contiguous"},
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "precision": "bfloat16"},
    "rmsprop": {"optimizer": "rmsprop"},
    "rmsprop-momentum": {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "step"},
    "whiten-full": {"whiten": True, "full_train": True, "mirror": True, "label_smoothing": 0.1},
    "adagrad": {"optimizer": "adagrad", "weight_decay": 0.01, "schedule": "constant", "warmup_epochs": 0.7},
    "l1-clip": {"optimizer": "sgd", "momentum": 0.9, "l1": 0.001, "clip_norm": 0.5, "schedule": "cosine"},
    "mixup": {"mixup": 0.4, "augmentation": {"shear": 10, "cutout": 6, "noise": 0.1}, "label_smoothing": 0.1},
    "plateau": {"schedule": "reduce_on_plateau", "plateau_patience": 0, "lr": 0.5, "epochs": 5},
    "early": {"early_stopping": 1, "schedule": "constant", "lr": 0.3, "epochs": 6},
    "mse": {"loss": "mse", "schedule": "triangular"},
    "one-image": {"batch_size": 1, "limit_train": 7},
}


@pytest.fixture(scope="module")
def mnist():
    """Return the first few hundred images: a look at all of them takes no time."""
    whole = load("mnist")
    return replace(whole, train=whole.train[:400], test=whole.test[:50])


def said(events):
    """Return the events that are noted: a look that was under way is begun anew after a restore."""
    return [event for event in events if not isinstance(event, LookEvent)]


def walk(training, count=None, changes=None):
    """Go on to the end (or for ``count`` steps), making ``changes`` at their steps.

    Returns the noted events and, for each step, the checkpoint right after it.
    """
    kept, events = {training.step: training.checkpoint()}, []
    for change in (changes or {}).get(0, ()):
        training.apply(change)
    for event in training.events():
        if isinstance(event, TrainEvent):
            kept[event.step] = training.checkpoint()
            for change in (changes or {}).get(event.step, ()):
                training.apply(change)
        events += said([event])
        if training.step == count:
            break
    return events, {**kept, "end": training.checkpoint()}


def _steps(events):
    return [event for event in events if isinstance(event, TrainEvent)]


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def sent(checkpoint):
    """Return the checkpoint as it comes back from a file."""
    return Checkpoint.from_bytes(checkpoint.to_bytes())


@pytest.mark.parametrize("name", VARIANTS)
def test_from_every_step_the_run_goes_on_to_the_same_bits(mnist, name):
    recipe = RECIPE.changed(**VARIANTS[name])
    events, kept = walk(Training(NET, mnist, recipe))
    last = kept["end"].step
    verdict = kept["end"].standing.verdict
    assert (verdict.scale < 1) == (name == "plateau")
    assert verdict.ended == (name == "early")
    assert last == sum(isinstance(event, TrainEvent) for event in events) > 8
    for step in (0, 1, last // 2, last // 2 + 1, last - 1, last):
        training = Training.restore(NET, mnist, sent(kept[step]))
        assert training.step == step
        rest, again = walk(training)
        assert rest == events[len(events) - len(rest) :]
        assert sum(isinstance(event, TrainEvent) for event in rest) == last - step
        assert isinstance(rest[-1], TestEvent)
        assert same(dict(again["end"].tensors), dict(kept["end"].tensors))
        assert again["end"].standing == kept["end"].standing


def test_what_the_optimizer_remembers_is_under_the_parameters_name(mnist):
    _, kept = walk(Training(NET, mnist, RECIPE), 3)
    assert {"step", "exp_avg", "exp_avg_sq"} == {n.split("/")[1] for n in kept[3].under("optimizer")}
    assert kept[3].under("optimizer")["fc1.bias/step"] == 3
    assert kept[0].under("optimizer") == {}
    assert set(kept[3].under("generator")) == {"order", "augmentation", "dropout"}


def test_in_the_middle_of_a_look_it_is_begun_anew(mnist):
    training = Training(NET, mnist, RECIPE)
    whole, middle = [], None
    for event in training.events():
        whole.append(event)
        if middle is None and isinstance(event, LookEvent):
            middle, at = training.checkpoint(), len(said(whole))
        if isinstance(event, TestEvent):
            break
    rest = list(Training.restore(NET, mnist, sent(middle)).events())
    assert isinstance(rest[0], LookEvent)
    assert said(rest) == said(whole)[at:]
    assert isinstance(rest[-1], TestEvent)
    assert list(Training.restore(NET, mnist, sent(training.checkpoint())).events()) == []


def test_taking_a_checkpoint_leaves_no_trace_and_copies(mnist):
    alone = [event for event, _ in zip(Training(NET, mnist, RECIPE).events(), range(4))]
    training = Training(NET, mnist, RECIPE)
    events, first = [], None
    for event, _ in zip(training.events(), range(4)):
        events.append(event)
        first = first or training.checkpoint()
    assert events == alone
    before = {name: tensor.clone() for name, tensor in first.tensors.items()}
    next(training.events())
    assert same(before, dict(first.tensors))
    assert not torch.equal(before["weights/conv1.weight"], training.state()["conv1.weight"])


CHANGES = {
    0: [{"lr": 0.02}],
    1: [{"batch_size": 7, "augmentation": {"shift": 2, "crop_padding": 1}}],
    3: [{"frozen": ["conv1", "bn1"], "dropout": {"drop1": 0.0, "drop2": 0.6}}, {"weight_decay": 0.1}],
    5: [{"momentum": 0.8}],
    6: [{"frozen": []}],
    9: [{"batch_size": 40, "lr": 0.001}],
    10: [{"momentum": 0.0}],
}


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_the_same_changes_at_the_same_steps_give_the_same_bits(mnist, optimizer):
    recipe = RECIPE.changed(optimizer=optimizer, schedule="cosine")
    events, kept = walk(Training(NET, mnist, recipe), changes=CHANGES)
    log = kept["end"].standing.changes
    assert [applied.step for applied in log] == [0, 1, 3, 3, 5, 6, 9, 10]
    again = Training(NET, mnist, recipe)
    again.replay(log)
    events_again, kept_again = walk(again)
    assert events_again == events
    assert same(dict(kept_again["end"].tensors), dict(kept["end"].tensors))
    for step in (1, 2, 4, 6, 9, 11):
        resumed = Training.restore(NET, mnist, sent(kept[step]))
        resumed.replay(log)
        rest, states = walk(resumed)
        assert rest == events[len(events) - len(rest) :]
        assert same(dict(states["end"].tensors), dict(kept["end"].tensors))
    assert kept["end"].recipe.lr == 0.001
    assert kept["end"].recipe.batch_size == 40


def test_changes_of_another_run_are_not_replayed(mnist):
    events, kept = walk(Training(NET, mnist, RECIPE), 4, {2: [{"lr": 0.5}]})
    log = kept[4].standing.changes
    for training, changes in (
        (Training.restore(NET, mnist, kept[4]), ()),
        (Training.restore(NET, mnist, kept[4]), [*log, *log]),
        (
            Training.restore(
                NET, mnist, Checkpoint(kept[4].standing.model_copy(update={"changes": ()}), kept[4].tensors)
            ),
            log,
        ),
    ):
        with pytest.raises(RunError, match="the run itself"):
            training.replay(changes)


def test_a_branch_keeps_weights_and_order_and_goes_its_own_way(mnist):
    events, kept = walk(Training(NET, mnist, RECIPE))
    branch = Training.restore(NET, mnist, kept[3], RECIPE.changed(lr=0.1, epochs=4, weight_decay=0.01))
    assert same(branch.state(), kept[3].weights)
    assert branch.steps == 2 * RECIPE.epochs * 5
    assert branch.begun_with.lr == 0.1
    assert branch.changes == ()
    first = _steps(branch.events())[0]
    assert first.step == 4
    assert (
        first.loss == _steps(events)[3].loss
    )  # the same images, varied and dropped out the same way, by the same weights
    other = Training.restore(NET, mnist, kept[3], RECIPE.changed(optimizer="sgd", momentum=0.9, seed=8))
    assert other.checkpoint().under("optimizer").keys() == {
        f"{n}/momentum_buffer" for n, _ in other.network.named_parameters()
    }
    later = Training.restore(NET, mnist, Checkpoint.from_bytes(other.checkpoint().to_bytes()))
    assert _steps(later.events()) == (mine := _steps(other.events()))  # the new chance is kept, too
    assert mine[0].loss != _steps(events)[3].loss


@pytest.mark.parametrize(
    ("recipe", "told"),
    [({"limit_train": 50}, "limit_train"), ({"full_train": True}, "full_train"), ({"epochs": 1}, "use 2 or more")],
)
def test_a_branch_that_cannot_be_is_refused(mnist, recipe, told):
    _, kept = walk(Training(NET, mnist, RECIPE))
    with pytest.raises(RecipeError, match=told) as caught:
        Training.restore(NET, mnist, kept["end"], RECIPE.changed(**recipe))
    assert caught.value.text("zh_CN") != str(caught.value)


@pytest.fixture(scope="module")
def checkpoint(mnist):
    return walk(Training(NET, mnist, RECIPE), 3)[1][3]


def test_other_data_or_another_network_is_refused(mnist, checkpoint):
    with pytest.raises(RunError, match="mnist"):
        Training.restore(NET, replace(mnist, hash="0" * 64), checkpoint)
    wider = NET.replace(0, Conv2d(out_channels=5, kernel_size=5, stride=2))
    with pytest.raises(RunError, match=r"bn1.bias.*5.*4"):
        Training.restore(wider, mnist, checkpoint)


def _spoiled(checkpoint, standing=None, **tensors):
    values = {**json.loads(checkpoint.standing.model_dump_json()), **(standing or {})}
    kept = {name: tensor for name, tensor in {**checkpoint.tensors, **tensors}.items() if tensor is not None}
    return safetensors.torch.save(kept, {FORMAT: json.dumps(values)})


@pytest.mark.parametrize(
    "standing",
    [
        {"version": "2"},
        {"format": "x"},
        {"step": -1},
        {"recipe": {"lr": 0}},
        {"position": 84},
        {"planned": 999},
        {"epoch": 9},
        {"epoch": 0},
        {"frozen": ["conv9"]},
        {"frozen": ["conv1", "bn1", "conv2", "fc1"]},
        {"dropout": {"fc1": 0.5}},
        {"dropout": {"drop1": 1.5}},
        {"changes": [{"step": 1, "change": {}}]},
        {"changes": [{"step": 1, "change": {"lr": -1}}]},
        {"due": "never"},
        {"code": "import os"},
    ],
)
def test_a_standing_that_cannot_be_is_one_sentence(mnist, checkpoint, standing):
    _refused(mnist, _spoiled(checkpoint, standing))


@pytest.mark.parametrize(
    "tensors",
    [
        {"weights/conv1.weight": None},
        {"weights/more": torch.zeros(1)},
        {"weights/conv1.bias": torch.zeros(4, dtype=torch.float64)},
        {"optimizer/conv1.bias/exp_avg": None},
        {"optimizer/conv1.bias/exp_avg": torch.zeros(5)},
        {"optimizer/conv1.bias/momentum_buffer": torch.zeros(4)},
        {"optimizer/nothing/step": torch.zeros(())},
        {"optimizer/step": torch.zeros(())},
        {"generator/order": None},
        {"generator/dropout": torch.zeros(3, dtype=torch.uint8)},
        {"generator/dropout": torch.full((5056,), 255, dtype=torch.uint8)},
        {"generator/augmentation": torch.zeros(5056)},
    ],
)
def test_tensors_that_are_not_the_runs_are_one_sentence(mnist, checkpoint, tensors):
    _refused(mnist, _spoiled(checkpoint, **tensors))


def _refused(dataset, data):
    with pytest.raises((RunError, RecipeError)) as caught:
        Training.restore(NET, dataset, Checkpoint.from_bytes(data))
    assert "\n" not in str(caught.value)
    assert caught.value.text("zh_CN") != str(caught.value)


def test_bytes_that_are_no_checkpoint(checkpoint):
    data = checkpoint.to_bytes()
    header = struct.unpack("<Q", data[:8])[0]
    strange = b'{"t":{"dtype":"F99","shape":[1],"data_offsets":[0,4]},"__metadata__":{"%s":"{}"}}' % FORMAT.encode()
    for bad in (
        b"",
        b"\x80\x04K\x01.",  # a pickle
        data[:100],
        data[:-1],
        data[:8] + b"[" * header + data[8 + header :],
        struct.pack("<Q", 2**63) + data[8:],
        struct.pack("<Q", len(strange)) + strange + b"0000",
        safetensors.torch.save({"a": torch.zeros(1)}),
        safetensors.torch.save({"a": torch.zeros(1)}, {FORMAT: "[" * 5000}),
    ):
        with pytest.raises(RunError) as caught:
            Checkpoint.from_bytes(bad)
        assert "\n" not in str(caught.value)


@settings(max_examples=40)
@given(place=st.integers(0, 6000), value=st.integers(0, 255), cut=st.integers(0, 9))
def test_a_flipped_byte_is_refused_or_does_no_harm(mnist, checkpoint, place, value, cut):
    data = bytearray(checkpoint.to_bytes())
    data[place] = value
    if cut == 0:
        del data[place:]
    try:
        training = Training.restore(NET, mnist, Checkpoint.from_bytes(bytes(data)))
    except CnnLabError as error:
        assert "\n" not in str(error)
    else:
        assert 0 <= training.step <= training.steps
