"""Optimizers and schedules against torch's own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, CosineAnnealingLR, LinearLR, OneCycleLR, StepLR

from cnnlab.training.optim import add_l1, learning_rate, make_optimizer
from cnnlab.training.recipe import Recipe

ORACLES = {
    "sgd": (
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, foreach=False),
    ),
    "adam": ({"lr": 0.01, "weight_decay": 0.1}, lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1, foreach=False)),
    "adamw": ({"lr": 0.01, "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1, foreach=False)),
    "rmsprop": (
        {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1},
        lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, weight_decay=0.1, foreach=False),
    ),
    "adagrad": (
        {"lr": 0.1, "weight_decay": 0.1},
        lambda p: torch.optim.Adagrad(p, 0.1, weight_decay=0.1, foreach=False),
    ),
}


@pytest.mark.parametrize("name", ORACLES)
def test_five_steps_end_where_the_plain_optimizer_of_torch_ends(name):
    fields, oracle = ORACLES[name]
    start = torch.linspace(-1, 1, 12).view(3, 4)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizers = [make_optimizer([ours], Recipe(optimizer=name, **fields)), oracle([theirs])]
    for step in range(5):
        for parameter, optimizer in zip((ours, theirs), optimizers):
            optimizer.zero_grad()
            ((parameter - step) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert not torch.equal(ours, start)


def test_fixed_weights_are_left_out():
    fixed, free = nn.Parameter(torch.ones(2), requires_grad=False), nn.Parameter(torch.ones(2))
    groups = make_optimizer([fixed, free], Recipe(optimizer="sgd")).param_groups
    assert [id(p) for group in groups for p in group["params"]] == [id(free)]


def _rates(scheduler_of, steps, lr=0.1):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = scheduler_of(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@given(steps_per_epoch=st.integers(1, 9), epochs=st.integers(1, 6), every=st.integers(1, 3), factor=st.floats(0.1, 1))
def test_step_is_StepLR_by_epochs(steps_per_epoch, epochs, every, factor):
    steps = steps_per_epoch * epochs
    recipe = Recipe(lr=0.1, schedule="step", step_epochs=every, step_factor=factor)
    oracle = _rates(lambda o: StepLR(o, every * steps_per_epoch, factor), steps)
    assert [learning_rate(recipe, t, steps, steps_per_epoch) for t in range(steps)] == pytest.approx(oracle)


@given(steps=st.integers(1, 60))
def test_cosine_is_CosineAnnealingLR(steps):
    oracle = _rates(lambda o: CosineAnnealingLR(o, steps), steps)
    recipe = Recipe(lr=0.1, schedule="cosine")
    assert [learning_rate(recipe, t, steps, steps) for t in range(steps)] == pytest.approx(oracle, rel=1e-6, abs=1e-12)


@given(steps=st.integers(5, 80), warmup=st.floats(0.21, 0.9))
def test_one_cycle_is_OneCycleLR(steps, warmup):
    oracle = _rates(lambda o: OneCycleLR(o, 0.1, total_steps=steps, pct_start=warmup, cycle_momentum=False), steps)
    recipe = Recipe(lr=0.1, schedule="one_cycle", warmup=warmup)
    assert [learning_rate(recipe, t, steps, steps) for t in range(steps)] == pytest.approx(oracle, rel=1e-6, abs=1e-12)


@given(steps=st.integers(1, 80), warmup=st.floats(0.01, 0.99), schedule=st.sampled_from(["one_cycle", "triangular"]))
def test_however_short_the_run_the_rate_stays_between_zero_and_lr(steps, warmup, schedule):
    recipe = Recipe(lr=0.1, schedule=schedule, warmup=warmup)
    rates = [learning_rate(recipe, t, steps, steps) for t in range(steps)]
    assert all(0 < rate <= 0.1 * (1 + 1e-9) for rate in rates)


def test_triangular_by_hand():
    recipe = Recipe(lr=1.0, schedule="triangular", warmup=0.5)
    rates = [learning_rate(recipe, t, 8, 8) for t in range(8)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 0.75, 0.5, 0.25])


@given(steps_per_epoch=st.integers(1, 20), epochs=st.integers(1, 4), warm=st.floats(0.01, 5), every=st.integers(1, 2))
def test_warm_up_is_LinearLR_times_the_schedule(steps_per_epoch, epochs, warm, every):
    steps, width = steps_per_epoch * epochs, round(warm * steps_per_epoch)
    schedules = {
        "constant": [],
        "step": [lambda o: StepLR(o, every * steps_per_epoch, 0.5)],
        "cosine": [lambda o: CosineAnnealingLR(o, steps)],
    }
    for name, rest in schedules.items():
        recipe = Recipe(lr=0.1, schedule=name, warmup_epochs=warm, step_epochs=every, step_factor=0.5)
        rates = [learning_rate(recipe, t, steps, steps_per_epoch) for t in range(steps)]
        linear = [lambda o: LinearLR(o, 1 / (width + 1), total_iters=width)] if width else []
        oracle = _rates(lambda o, all=(*linear, *rest): _chained([make(o) for make in all], o), steps)
        assert rates == pytest.approx(oracle, rel=1e-6, abs=1e-12)


def _chained(schedulers, optimizer):
    """Return torch's product of ``schedulers``; of none, one that does nothing."""
    return ChainedScheduler(schedulers, optimizer) if schedulers else ConstantLR(optimizer, 1.0)


def test_warm_up_by_hand():
    recipe = Recipe(lr=1.0, warmup_epochs=0.5)
    assert [learning_rate(recipe, t, 12, 6) for t in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_l1_is_the_gradient_of_the_sum_of_the_weights_sizes_and_spares_biases():
    values = torch.tensor([[-2.0, 0.0, 0.5], [1.0, -0.1, 3.0]])
    ours = [nn.Parameter(values.clone()), nn.Parameter(torch.ones(3)), nn.Parameter(values.clone())]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    for parameters in (ours, theirs):
        sum((parameter**3).sum() for parameter in parameters[:2]).backward()
    (0.7 * theirs[0].abs().sum()).backward()
    add_l1(ours, 0.7)
    torch.testing.assert_close(ours[0].grad, theirs[0].grad)
    torch.testing.assert_close(ours[1].grad, theirs[1].grad)
    assert ours[2].grad is None
