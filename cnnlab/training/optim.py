"""Optimizers and schedules: the recipe's words as torch's classes, and the learning rate as a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from cnnlab.errors import RunError
from cnnlab.training.recipe import Recipe

_ONE_CYCLE_START = 1 / 25
_ONE_CYCLE_END = 1 / 25 / 1e4
_TRIANGLE_START = 0.2


def make_optimizer(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """Return torch's optimizer for ``recipe`` over the parameters that take gradients, fused where torch has it.

    Its learning rate is the recipe's; ``learning_rate`` says what each step should use instead.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    lr, decay = recipe.lr, recipe.weight_decay
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(
                trained, lr, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=decay, fused=True
            )
        case "adam":
            return torch.optim.Adam(trained, lr, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(trained, lr, weight_decay=decay, fused=True)
        case "rmsprop":  # torch has no fused one
            return torch.optim.RMSprop(trained, lr, momentum=recipe.momentum, weight_decay=decay)
        case "adagrad":
            return torch.optim.Adagrad(trained, lr, weight_decay=decay, fused=True)


_REMEMBERED: dict[str, tuple[set[str], set[str]]] = {
    "sgd": (set(), {"momentum_buffer"}),
    "adam": ({"step", "exp_avg", "exp_avg_sq"}, set()),
    "adamw": ({"step", "exp_avg", "exp_avg_sq"}, set()),
    "rmsprop": ({"step", "square_avg"}, {"momentum_buffer"}),
    "adagrad": ({"step", "sum"}, set()),
}
"""What each optimizer remembers of a parameter once it has moved it: always, and with momentum."""


def remembered(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what ``optimizer`` remembers, as ``PARAMETER/KEY``: its own tensors, no copies."""
    return {
        f"{name}/{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def remember(
    network: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, tensors: Mapping[str, Tensor]
) -> None:
    """Let ``optimizer`` go on from what another of its kind remembered of the same network, such as one in a checkpoint.

    Args:
        network: whose parameters it moves.
        optimizer: as ``make_optimizer`` gave it for ``recipe``; what it remembered of these parameters is replaced.
        recipe: names the optimizer, and so what there has to be of each parameter that learns.
        tensors: by ``PARAMETER/KEY``, such as ``conv1.weight/exp_avg``, as ``remembered`` returns them. They are copied,
            each laid out in memory as its parameter.

    Shape:
        tensors: float32, of the parameter's own shape; () where the key is ``step``

    Raises:
        RunError: a tensor that this optimizer does not keep of this network, or one too few.
    """
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        owner, _slash, key = name.rpartition("/")
        states.setdefault(owner, {})[key] = tensor
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    always, with_momentum = _REMEMBERED[recipe.optimizer]
    for name, state in states.items():
        if name not in trained or not always <= state.keys() <= always | with_momentum:
            raise _not_its_memory(name)
        parameter = trained[name]
        for key, tensor in state.items():
            shape = () if key == "step" else parameter.shape
            if tensor.shape != shape or tensor.dtype != torch.float32:
                raise _not_its_memory(f"{name}/{key}")
        optimizer.state[parameter] = {
            key: tensor.clone() if key == "step" else torch.empty_like(parameter.data).copy_(tensor)
            for key, tensor in state.items()
        }


def _not_its_memory(name: str) -> RunError:
    return RunError(
        "{name}: the checkpoint's optimizer does not fit this run; restore it with the recipe that it is of",
        name=name[:80],
    )


def set_layer_rates(optimizer: torch.optim.Optimizer, network: nn.Module, recipe: Recipe) -> None:
    """Let the parameters of each layer have the ``factor`` that ``recipe.layer_lr`` gives it, in groups of their own.

    A group's learning rate is to be the step's times its ``factor``. What the optimizer remembers stays. Without a
    factor there is one group, in the network's order.
    """
    factors = {
        id(parameter): factor
        for name, factor in recipe.layer_lr.items()
        for parameter in network.get_submodule(name).parameters()
    }
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in (one for one in network.parameters() if id(one) in held):
        groups.setdefault(factors.get(id(parameter), 1.0), []).append(parameter)
    common = {name: value for name, value in optimizer.param_groups[0].items() if name not in ("params", "factor")}
    optimizer.param_groups[:] = [{"params": some, "factor": factor, **common} for factor, some in groups.items()]


def follow(optimizer: torch.optim.Optimizer, recipe: Recipe) -> None:
    """Let ``optimizer`` go on with the momentum and weight decay of ``recipe``.

    torch makes a momentum buffer at a parameter's first step only. Here, with momentum switched on later, every
    parameter that has moved gets one of zeros, which is what the first step would make of it; switched off, the
    buffers are forgotten, so that no old direction comes back.
    """
    for group in optimizer.param_groups:
        group["weight_decay"] = recipe.weight_decay
        if "momentum" not in group:
            continue
        group["momentum"] = recipe.momentum
        if "nesterov" in group:
            group["nesterov"] = recipe.nesterov
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if recipe.momentum == 0:
                state.pop("momentum_buffer", None)
            elif state or recipe.optimizer == "sgd":
                state.setdefault("momentum_buffer", torch.zeros_like(parameter.data))


def learning_rate(recipe: Recipe, step: int, steps: int, steps_per_epoch: int) -> float:
    """Return the learning rate of ``step`` (counted from 0) of a run of ``steps`` steps.

    With t = step, T = steps and the recipe's lr:

        constant    lr
        step        lr * step_factor ** (t // (step_epochs * steps_per_epoch))
        cosine      lr * (1 + cos(pi * t / T)) / 2
        one_cycle   a cosine from lr/25 up to lr at warmup * T, then a cosine down to lr/250,000
        triangular  a line from 0.2 lr up to lr at warmup * T, then a line down to 0 at T
        reduce_on_plateau   lr; the loop multiplies it by what the validation set has decided (``patience.Verdict``)

    The first three and the last are multiplied by (t + 1) / (W + 1) in the first W = round(warmup_epochs *
    steps_per_epoch) steps: a line that would reach 1 at step W.

    Source: torch.optim.lr_scheduler.StepLR, CosineAnnealingLR and OneCycleLR (Smith & Topin 2018, arXiv:1708.07120;
    here without the cycled momentum); the triangle is that of Jordan 2024, arXiv:2404.00498; warm-up is LinearLR
    (Goyal et al. 2017, arXiv:1706.02677, section 2.2), multiplied with the schedule, which begins at step 0 as well.
    """
    lr = recipe.lr
    if recipe.warmup_epochs:
        warm = round(recipe.warmup_epochs * steps_per_epoch)
        lr *= min(1.0, (step + 1) / (warm + 1))
    match recipe.schedule:
        case "constant" | "reduce_on_plateau":
            return lr
        case "step":
            stairs: int = step // (recipe.step_epochs * steps_per_epoch)
            return lr * recipe.step_factor**stairs
        case "cosine":
            return lr * (1 + math.cos(math.pi * step / steps)) / 2
        case "one_cycle":
            return lr * _one_cycle(step, steps, recipe.warmup)
        case "triangular":
            return lr * _triangle(step, steps, recipe.warmup)


def _one_cycle(step: int, steps: int, warmup: float) -> float:
    top, last = warmup * steps - 1, steps - 1
    if step <= top:
        return _cosine_between(_ONE_CYCLE_START, 1.0, step / top if top > 0 else 1.0)
    return _cosine_between(1.0, _ONE_CYCLE_END, (step - top) / (last - top))


def _triangle(step: int, steps: int, warmup: float) -> float:
    top = warmup * steps
    if step <= top:
        return _TRIANGLE_START + (1 - _TRIANGLE_START) * step / top
    return (steps - step) / (steps - top)


def _cosine_between(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


def shape_gradients(parameters: Sequence[nn.Parameter], recipe: Recipe) -> None:
    """Make the gradients what the optimizer is to get: add the L1 penalty's, then shorten the whole to ``clip_norm``.

    Source: torch.nn.utils.clip_grad_norm_; the length is that of all gradients together.
    """
    if recipe.l1:
        add_l1(parameters, recipe.l1)
    if recipe.clip_norm:
        nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)


def add_l1(parameters: Iterable[nn.Parameter], strength: float) -> None:
    """Add the gradient of ``strength * sum |w|`` to that of each weight; biases and scales (one axis) are spared.

    d/dw |w| = sign(w), and 0 at 0, as torch has it.

    Source: Tibshirani 1996 (the lasso); here by subgradient, so that a weight swings around zero by about a step.
    """
    for parameter in parameters:
        if parameter.dim() > 1 and parameter.grad is not None:
            parameter.grad.add_(parameter.detach().sign(), alpha=strength)
