"""What the validation set decides, against torch's own scheduler, and in real runs."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Flatten, Linear
from cnnlab.data.loader import load
from cnnlab.training.events import TestEvent, TrainEvent, ValEvent
from cnnlab.training.loop import Training
from cnnlab.training.patience import Verdict
from cnnlab.training.recipe import Recipe

LINEAR = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
LOSSES = st.lists(st.floats(0, 3) | st.sampled_from([1.0, 0.99995, 0.9998, math.nan, math.inf]), max_size=25)


@pytest.fixture(scope="module")
def mnist():
    whole = load("mnist")
    return replace(whole, train=whole.train[:600], test=whole.test[:200])


@given(losses=LOSSES, patience=st.integers(0, 4), factor=st.floats(0.05, 0.9))
def test_stuck_is_torchs_ReduceLROnPlateau(losses, patience, factor):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = ReduceLROnPlateau(optimizer, factor=factor, patience=patience, eps=0)
    recipe = Recipe(schedule="reduce_on_plateau", plateau_factor=factor, plateau_patience=patience)
    verdict = Verdict()
    for step, loss in enumerate(losses):
        verdict = verdict.after(loss, step, recipe)
        oracle.step(loss)
        assert verdict.scale == pytest.approx(max(optimizer.param_groups[0]["lr"], 1e-8))
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@given(losses=LOSSES, patience=st.integers(1, 5))
def test_early_stopping_by_its_rule(losses, patience):
    recipe = Recipe(early_stopping=patience)
    verdict = Verdict()
    for step, loss in enumerate(losses):
        verdict = verdict.after(loss, step, recipe)
        seen = [one if math.isfinite(one) else math.inf for one in losses[: step + 1]]
        best = min(seen)
        assert verdict.best_step == (seen.index(best) if best < math.inf else None)
        since = step - seen.index(best) if best < math.inf else step + 1
        assert verdict.ended == (since >= patience)
        if verdict.ended:
            break


def test_a_recipe_without_either_decides_nothing():
    assert Verdict().after(0.5, 3, Recipe()) == Verdict()


def _run(training):
    events, states = [], {}
    for event in training.events():
        events.append(event)
        if isinstance(event, ValEvent) and event.whole:
            states[event.step] = (event.loss, training.checkpoint().weights)
    return events, states


def test_the_run_ends_early_and_is_tested_with_the_weights_that_val_chose(mnist):
    recipe = Recipe(epochs=40, batch_size=54, optimizer="sgd", lr=0.4, momentum=0.9, early_stopping=3)
    training = Training(LINEAR, mnist, recipe)
    assert training.steps == 400
    events, states = _run(training)
    losses = {step: loss for step, (loss, _) in states.items()}
    chosen = min(losses, key=losses.get)
    assert training.step == training.steps == max(losses) == chosen + 3 * 10 < 400
    assert training.verdict.ended
    assert training.weights_step == chosen == training.model().about.result["step"]
    assert all(torch.equal(tensor, states[chosen][1][name]) for name, tensor in training.state().items())
    assert not torch.equal(training.state()["fc1.weight"], states[training.step][1]["fc1.weight"])
    assert isinstance(events[-1], TestEvent)
    assert events[-1].step == chosen
    right = training.model().probs(mnist.test.images).argmax(1) == mnist.test.targets
    assert events[-1].acc == right.double().mean().item()


def test_the_test_set_chooses_nothing(mnist):
    recipe = Recipe(epochs=8, batch_size=54, optimizer="sgd", lr=0.4, momentum=0.9, early_stopping=2)
    other = replace(mnist, test=replace(mnist.test, targets=mnist.test.targets.flip(0)))
    first, second = Training(LINEAR, mnist, recipe), Training(LINEAR, other, recipe)
    (one, _), (two, _) = _run(first), _run(second)
    assert one[-1].acc != two[-1].acc
    assert first.weights_step == second.weights_step
    assert [e for e in one if isinstance(e, TrainEvent)] == [e for e in two if isinstance(e, TrainEvent)]


def test_a_run_that_is_never_stuck_keeps_its_rate_and_one_that_is_takes_the_factor(mnist):
    recipe = Recipe(epochs=12, batch_size=54, optimizer="sgd", lr=0.4, momentum=0.9, schedule="reduce_on_plateau")
    recipe = recipe.changed(plateau_patience=1, plateau_factor=0.5)
    training = Training(LINEAR, mnist, recipe)
    events, _ = _run(training)
    verdict, scales = Verdict(), {}
    for event in events:
        if isinstance(event, ValEvent) and event.whole:
            verdict = verdict.after(event.loss, event.step, recipe)
            scales[event.step] = verdict.scale
    rates = [event.lr for event in events if isinstance(event, TrainEvent)]
    assert rates[0] == 0.4
    for step, scale in scales.items():
        assert rates[step : step + 10] == pytest.approx([0.4 * scale] * len(rates[step : step + 10]))
    assert len(set(rates)) > 2
    assert training.weights_step == training.step  # no early stopping: the last weights


def test_a_branch_of_a_run_that_ended_goes_on_and_is_tested(mnist):
    recipe = Recipe(epochs=40, batch_size=54, optimizer="sgd", lr=0.4, momentum=0.9, early_stopping=2)
    training = Training(LINEAR, mnist, recipe)
    _run(training)
    branch = Training.restore(
        LINEAR, mnist, training.checkpoint(), recipe.changed(early_stopping=0, epochs=training.epoch + 1)
    )
    events, _ = _run(branch)
    assert branch.step == training.step + 10
    assert events[-1].step == branch.step
    assert isinstance(events[-1], TestEvent)
