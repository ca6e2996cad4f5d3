"""A batch that is shared out among threads: the gradient of the whole batch, and the same bits every time."""

import threading

import pytest
import torch
import torch.nn.functional as F

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU
from cnnlab.build import build
from cnnlab.data.loader import load
from cnnlab.health.monitor import Monitor
from cnnlab.training.checks import LEAST_SHARE, shares
from cnnlab.training.events import HealthEvent, TrainEvent
from cnnlab.training.images import generator_for
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

_CONV = (Conv2d(out_channels=4, kernel_size=5, stride=2), ReLU(), MaxPool2d())
_HEAD = (Flatten(), Linear(out_features=10))
NET = Architecture(name="small", input_shape=(1, 28, 28), layers=(*_CONV, *_HEAD))
RECIPE = Recipe(
    epochs=2, batch_size=32, limit_train=160, augmentation={"shift": 1, "rotate": 5}, precision="float32",
    memory_format="channels_last", threads=2, seed=11,
)  # fmt: skip


@pytest.fixture(scope="module")
def mnist():
    return load("mnist")


def _run(dataset, recipe, monitor=False, steps=10):
    training = Training(NET, dataset, recipe)
    if monitor:
        training.monitor = Monitor(training.network, 1)
    losses, looks = [], []
    for event in training.events():
        if isinstance(event, TrainEvent):
            losses.append(event.loss)
        if isinstance(event, HealthEvent):
            looks.append(event)
        if len(losses) == steps:
            break
    return losses, training.state(), looks


def _same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("layers", "images", "threads", "expected"),
    [
        ((), 64, 2, 2),
        ((), 64, 1, 1),
        ((), 64, 4, 4),
        ((), 3 * LEAST_SHARE, 8, 3),  # no share below 8 images
        ((), 1, 2, 1),
        ((BatchNorm2d(),), 64, 2, 1),  # looks at the whole batch
        ((Dropout(p=0.5),), 64, 2, 1),  # draws from one generator
    ],
)
def test_what_needs_the_whole_batch_is_not_shared_out(layers, images, threads, expected):
    assert shares(Architecture(input_shape=(1, 28, 28), layers=(*_CONV, *layers, *_HEAD)), images, threads) == expected


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_shares_give_the_same_bits_every_time_and_beside_others(mnist, precision):
    recipe = RECIPE.changed(precision=precision)
    alone = _run(mnist, recipe)
    found = {}
    threads = [threading.Thread(target=lambda n=n: found.setdefault(n, _run(mnist, recipe))) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for losses, state, _looks in found.values():
        assert losses == alone[0]
        assert _same(state, alone[1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_look_at_every_step_changes_no_bit(mnist, precision):
    recipe = RECIPE.changed(precision=precision)
    plain, watched = _run(mnist, recipe), _run(mnist, recipe, monitor=True)
    assert len(watched[2]) >= 9 and not plain[2]
    assert plain[0] == watched[0]
    assert _same(plain[1], watched[1])


@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_a_look_sees_the_whole_batch_in_its_pieces(mnist, clip_norm):
    """Against one pass of the whole batch through the same weights, and its gradient before it is clipped."""
    recipe = RECIPE.changed(threads=3, clip_norm=clip_norm)
    training = Training(NET, mnist, recipe)
    x, targets = training.input_of(training.images[:50]), training.targets[:50]
    oracle = build(NET, generator_for(recipe.seed, "init"))
    maps: dict[str, torch.Tensor] = {}
    oracle.run(x, seen=maps.__setitem__)
    F.cross_entropy(maps["fc1"], targets).backward()
    monitor = Monitor(training.network)
    with monitor.look(1) as gradients:
        training.update(x, targets, gradients)
    seen = monitor.take()
    assert seen.predicted == tuple(torch.bincount(maps["fc1"].argmax(1), minlength=10).tolist())
    for name in ("conv1", "relu1", "fc1"):
        assert seen.layers[name]["mean"] == pytest.approx(maps[name].mean().item(), rel=1e-4, abs=1e-6)
        assert seen.layers[name]["std"] == pytest.approx(maps[name].std(correction=0).item(), rel=1e-4)
    for name in ("conv1", "fc1"):
        parts = [parameter.grad.flatten() for parameter in oracle.get_submodule(name).parameters()]
        assert seen.layers[name]["grad_norm"] == pytest.approx(torch.cat(parts).norm().item(), rel=1e-4)
    dead = (maps["relu1"].amax((0, 2, 3)) == 0).float().mean().item()
    assert seen.layers["relu1"]["dead"] == pytest.approx(dead)


def test_the_shares_make_the_step_of_the_whole_batch(mnist):
    """Against torch's own step on the whole batch, in float64 so that only a wrong sum can differ."""
    recipe = Recipe(optimizer="sgd", lr=0.1, batch_size=50, precision="float32", memory_format="contiguous", threads=3)
    training = Training(NET, mnist, recipe)
    training.network.double()
    x, targets = training.input_of(training.images[:50]).double(), training.targets[:50]
    loss, acc = training.update(x, targets)
    oracle = build(NET, generator_for(recipe.seed, "init")).double()
    optimizer = torch.optim.SGD(oracle.parameters(), 0.1)
    logits = oracle(x)
    expected = F.cross_entropy(logits, targets)
    expected.backward()
    optimizer.step()
    assert loss == pytest.approx(expected.item(), rel=1e-6)  # the lab judges in float32
    assert acc == pytest.approx((logits.argmax(1) == targets).double().mean().item())
    for name, parameter in oracle.named_parameters():
        torch.testing.assert_close(training.network.state_dict()[name], parameter.detach(), rtol=1e-6, atol=1e-8)


def test_another_number_of_threads_is_another_run_but_hardly(mnist):
    one, two = _run(mnist, RECIPE.changed(threads=1)), _run(mnist, RECIPE)
    assert not _same(one[1], two[1])
    for name in one[1]:
        torch.testing.assert_close(one[1][name], two[1][name], rtol=1e-3, atol=1e-4)


def test_a_frozen_layer_stands_still_in_shares_too(mnist):
    training = Training(NET, mnist, RECIPE)
    steps = (event for event in training.events() if isinstance(event, TrainEvent))
    next(steps)
    training.apply({"frozen": ["conv1"]})
    before = training.state()
    next(steps)
    after = training.state()
    assert torch.equal(before["conv1.weight"], after["conv1.weight"])
    assert not torch.equal(before["fc1.weight"], after["fc1.weight"])


def test_the_threads_end_with_the_run(mnist):
    before = threading.active_count()
    _run(mnist, RECIPE, steps=3)
    alive = [thread for thread in threading.enumerate() if thread.name.startswith("share")]
    for thread in alive:
        thread.join(10)
    assert threading.active_count() <= before
