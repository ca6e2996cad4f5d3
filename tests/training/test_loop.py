"""The loop: the same numbers to the bit, whatever happens beside it, and what torch's own loop would compute."""

import ast
import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import cnnlab
from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Softmax
from cnnlab.architecture.presets import PRESETS
from cnnlab.build import build
from cnnlab.data.loader import load
from cnnlab.errors import ArchitectureError, BudgetError, CnnLabError, RecipeError, RunError, ShapeError
from cnnlab.training.events import TestEvent, TrainEvent, ValEvent
from cnnlab.training.loop import Training, count_steps, generator_for, some, training_split
from cnnlab.training.recipe import Recipe

NET = Architecture(
    name="small",
    input_shape=(1, 28, 28),
    layers=(
        Conv2d(out_channels=4, kernel_size=5, stride=2), BatchNorm2d(), ReLU(), MaxPool2d(), Dropout(p=0.3),
        Flatten(), Linear(out_features=10),
    ),
)  # fmt: skip
RECIPE = Recipe(
    epochs=2, batch_size=32, limit_train=160, augmentation={"shift": 1, "rotate": 5}, precision="float32",
    memory_format="channels_last", threads=1, seed=11,
)  # fmt: skip


@pytest.fixture(scope="module")
def mnist():
    return load("mnist")


def _train_only(events):
    return [event for event in events if isinstance(event, TrainEvent)]


def _steps(architecture, dataset, recipe, count=None):
    training = Training(architecture, dataset, recipe)
    events = []
    for event in training.events():
        if isinstance(event, TrainEvent):
            events.append(event)
            if count is not None and len(events) == count:
                break
        elif len(events) == training.steps:
            break
    return events, training.state()


def _same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_the_same_recipe_gives_the_same_bits(mnist):
    first, second = _steps(NET, mnist, RECIPE), _steps(NET, mnist, RECIPE)
    assert first[0] == second[0]
    assert _same(first[1], second[1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_bits_beside_another_thread_that_trains_and_draws_random_numbers(mnist, precision):
    recipe = RECIPE.changed(precision=precision)
    alone = _steps(NET, mnist, recipe)
    stop = threading.Event()
    went = []

    def disturb():
        torch.set_num_threads(1)
        while not stop.is_set():
            _steps(NET, mnist, RECIPE.changed(seed=5), 2)
            torch.manual_seed(1)
            torch.rand(100)
            went.append(1)

    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    try:
        beside = _steps(NET, mnist, recipe)
    finally:
        stop.set()
        thread.join(30)
    assert went
    assert alone[0] == beside[0]
    assert _same(alone[1], beside[1])


def test_nothing_is_drawn_from_the_global_generator(mnist):
    torch.manual_seed(4)
    before = torch.get_rng_state()
    _steps(NET, mnist, RECIPE, 3)
    assert torch.equal(before, torch.get_rng_state())


def test_another_seed_gives_other_numbers(mnist):
    assert _steps(NET, mnist, RECIPE, 1)[0] != _steps(NET, mnist, RECIPE.changed(seed=12), 1)[0]


def test_a_generator_left_alone_for_a_while_goes_on_to_the_same_bits(mnist):
    whole = _steps(NET, mnist, RECIPE)
    training = Training(NET, mnist, RECIPE)
    events = training.events()
    first = [next(events) for _ in range(3)]
    _steps(NET, mnist, RECIPE, 2)
    torch.rand(7)
    rest = _train_only(
        event for event in events if training.step <= training.steps and not isinstance(event, TestEvent)
    )
    assert _train_only(first) + rest == whole[0]
    assert _same(training.state(), whole[1])


@pytest.mark.parametrize("last", [(), (Softmax(),)])
def test_the_steps_are_those_of_a_plain_torch_loop(mnist, last):
    net = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10), *last))
    recipe = Recipe(epochs=1, batch_size=20, limit_train=60, optimizer="sgd", lr=0.05, momentum=0.9, schedule="cosine")
    network = build(net, generator_for(0, "init"))
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
    images, targets = training_split(mnist, recipe)
    losses = []
    for index in torch.randperm(60, generator=generator_for(0, "order")).split(20):
        x = (images[index].float() / 255 - mnist.mean[0]) / mnist.std[0]
        loss = F.cross_entropy(network.logits(x), targets[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    events, state = _steps(net, mnist, recipe)
    assert [event.loss for event in events] == pytest.approx(losses, rel=1e-5)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-6)


def test_whole_validation_at_each_epoch_and_the_test_once_at_the_end(mnist):
    net = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    recipe = Recipe(epochs=2, batch_size=50, limit_train=2000)
    events = list(Training(net, mnist, recipe).events())
    vals = [event for event in events if isinstance(event, ValEvent)]
    assert [event.step for event in vals if event.whole] == [40, 80]
    assert len([event for event in vals if not event.whole]) >= 4
    assert {event.split for event in vals} == {"val"}
    assert [isinstance(event, TestEvent) for event in events].index(True) == len(events) - 1
    assert events[-1].acc > 0.6
    assert [event.step for event in _train_only(events)] == list(range(1, 81))


def test_a_recipe_that_trains_on_everything_says_that_its_curve_is_of_training_images(mnist):
    recipe = Recipe(epochs=1, batch_size=50, limit_train=400, full_train=True)
    training = Training(NET, mnist, recipe)
    vals = [event for event in _until_tested(training) if isinstance(event, ValEvent)]
    assert vals
    assert {(event.split, event.whole) for event in vals} == {("train", False)}


def _until_tested(training):
    for event in training.events():
        if training.step == training.steps and event.kind == "val":
            yield event
            return
        yield event


def test_the_final_accuracy_is_that_of_the_model_itself(mnist):
    net = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10), Softmax()))
    training = Training(net, mnist, Recipe(epochs=1, batch_size=50, limit_train=200, mirror=True))
    *_, last = training.events()
    probs = training.model().probs(mnist.test.images)
    assert training.model().about.mirror
    assert last.acc == pytest.approx((probs.argmax(1) == mnist.test.targets).double().mean().item())
    assert last.loss == pytest.approx(F.nll_loss(probs.double().log(), mnist.test.targets).item(), rel=1e-4)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize(("name", "data"), [("article-000-lenet5", "mnist"), ("cifar-blocks", "cifar10-sample")])
def test_the_network_is_fed_what_the_model_will_feed_it_to_the_bit(name, data, memory_format):
    recipe = Recipe(memory_format=memory_format, limit_train=9)
    training = Training(PRESETS[name].architecture, load(data), recipe)
    before = training.images.clone()
    assert torch.equal(training.input_of(training.images), training.preprocessing.apply(training.images))
    assert torch.equal(training.images, before)


def test_copies_do_not_follow_the_training(mnist):
    training = Training(NET, mnist, RECIPE)
    events = training.events()
    next(events)
    model, state = training.model(), training.state()
    kept = {name: value.clone() for name, value in state.items()}
    for _ in range(4):
        next(events)
    assert _same(state, kept)
    assert _same(dict(model.state), kept)
    assert not torch.equal(training.state()["bn1.running_mean"], kept["bn1.running_mean"])
    assert model.about.result["step"] == 1
    assert model.about.data_hash == mnist.hash


def test_a_loss_that_is_no_number_ends_with_what_to_change(mnist):
    recipe = Recipe(optimizer="sgd", lr=10, loss="mse", batch_size=32, limit_train=640, epochs=5)
    net = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    with pytest.raises(RunError) as caught:
        list(Training(net, mnist, recipe).events())
    assert "Try a smaller learning rate, for example 1 instead of 10" in str(caught.value)
    assert "学习率" in caught.value.text("zh_CN")


@pytest.mark.parametrize("count", [1, 7, 450])
def test_a_limit_keeps_every_class_and_the_same_images(count):
    split = load("cifar10-sample").fit  # classes dealt round: every tenth image is of one class
    chosen = some(split, count)
    assert len(chosen) == count
    assert torch.equal(chosen.images, some(split, count).images)
    if count == 450:
        assert chosen.counts(10) == pytest.approx([45] * 10, abs=25)


def test_steps_are_known_before(mnist):
    for recipe in (RECIPE, Recipe(limit_train=3, batch_size=8), Recipe(full_train=True, batch_size=4096)):
        assert count_steps(mnist, recipe) == Training(NET, mnist, recipe).steps


@pytest.mark.parametrize(
    ("architecture", "recipe", "kind", "told"),
    [
        (PRESETS["article-004-cnn"].architecture, Recipe(), ShapeError, "fc1"),
        (PRESETS["article-002-cifar"].architecture, Recipe(), ShapeError, "mnist"),
        (NET.replace(6, Linear(out_features=7)), Recipe(), ArchitectureError, "out_features=10"),
        (Architecture(input_shape=(1, 28, 28), layers=(Flatten(),)), Recipe(), CnnLabError, "784"),
        (NET.replace(0, Conv2d(out_channels=3000, kernel_size=3)), Recipe(batch_size=4096), BudgetError, "batch size"),
        (NET.replace(6, Linear(out_features=10)), Recipe(whiten=True, limit_train=9, batch_size=2), None, ""),
        (NET.remove(0), Recipe(whiten=True), RecipeError, "switch whiten off"),
        (
            Architecture(
                input_shape=(1, 28, 28), layers=(Conv2d(out_channels=10, kernel_size=28), BatchNorm2d(), Flatten())
            ),
            Recipe(batch_size=1),
            RecipeError,
            "batch_size >= 2",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(mnist, architecture, recipe, kind, told):
    if kind is None:
        assert Training(architecture, mnist, recipe).steps
        return
    with pytest.raises(kind, match=told):
        Training(architecture, mnist, recipe)


@pytest.mark.parametrize("recipe", [{"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}, {"clip_norm": 0.1, "l1": 1e-3}])
def test_a_batch_taken_in_parts_is_one_batch(mnist, recipe, monkeypatch):
    net = Architecture(
        input_shape=(1, 28, 28),
        layers=(Conv2d(out_channels=4, kernel_size=5), ReLU(), MaxPool2d(), Flatten(), Linear(out_features=10)),
    )
    recipe = Recipe(
        epochs=4, batch_size=10_000_000, limit_train=300, precision="float32", label_smoothing=0.1, **recipe
    )
    whole = _steps(net, mnist, recipe)
    assert [event.images for event in whole[0]] == [300] * 4
    monkeypatch.setattr("cnnlab.training.checks.PART_BYTES", 4 * net.trace().activation_elements * 70)
    parts = _steps(net, mnist, recipe)
    for one, other in zip(whole[0], parts[0]):
        assert one.loss == pytest.approx(other.loss, abs=1e-6)
        assert one.acc == pytest.approx(other.acc)
    for name in whole[1]:
        torch.testing.assert_close(parts[1][name], whole[1][name], rtol=1e-5, atol=1e-6)


def test_the_whole_set_at_once_stays_within_memory_or_is_refused(mnist):
    lenet = PRESETS["article-000-lenet5"].architecture
    recipe = Recipe(batch_size=10_000_000, epochs=3)
    training = Training(lenet, mnist, recipe)
    assert (training.batch_size, training.steps, training.steps_per_epoch) == (54_000, 3, 1)
    assert 4 * lenet.trace().activation_elements * training._part <= 128_000_000
    with pytest.raises(BudgetError, match="use a batch size of"):
        Training(PRESETS["mnist-sprint"].architecture, mnist, recipe)


def test_clipping_and_l1_are_those_of_a_plain_torch_loop(mnist):
    net = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    recipe = Recipe(
        epochs=1, batch_size=20, limit_train=100, optimizer="sgd", lr=0.5, l1=0.01, clip_norm=0.8, precision="float32"
    )
    network = build(net, generator_for(0, "init"))
    optimizer = torch.optim.SGD(network.parameters(), 0.5)
    images, targets = training_split(mnist, recipe)
    norms = []
    for index in torch.randperm(100, generator=generator_for(0, "order")).split(20):
        x = (images[index].float() / 255 - mnist.mean[0]) / mnist.std[0]
        loss = F.cross_entropy(network.logits(x), targets[index]) + 0.01 * network.fc1.weight.abs().sum()
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(network.parameters(), 0.8)))
        optimizer.step()
    assert max(norms) > 0.8
    _, state = _steps(net, mnist, recipe)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-6)


def test_mixup_learns_soft_targets(mnist):
    recipe = Recipe(epochs=1, batch_size=25, limit_train=500, mixup=1.0, optimizer="sgd", lr=0.1, precision="float32")
    net = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    events, _ = _steps(net, mnist, recipe)
    plain, _ = _steps(net, mnist, recipe.changed(mixup=0))
    assert sum(event.loss for event in events[-5:]) > 1.2 * sum(event.loss for event in plain[-5:])  # a harder question
    assert sum(event.acc for event in events[-5:]) / 5 > 0.4


def test_no_data_loader_stands_in_the_training_path():
    for folder in ("training", "runs", "data"):
        for path in (Path(cnnlab.__file__).parent / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
                assert not {"DataLoader", "torch.utils.data"} & {*names, getattr(node, "module", None)}, path
