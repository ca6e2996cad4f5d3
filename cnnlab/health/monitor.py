"""``Monitor``: looks at every layer of a network in some of its training steps, and leaves nothing behind in the others.

The loop asks before each step (``wants``), lets the step run inside ``look`` and takes what was seen (``take``). The
looks read only: a run has the same bits with a monitor and without (tested). Between two looks no hook is on.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.build import Network
from cnnlab.health.series import SATURATED, WINDOW
from cnnlab.training.events import HealthEvent
from cnnlab.training.watching import PIECE

EVERY = 50
"""After how many steps a layer is looked at again, once the dense start is over."""

DENSE = 32
"""Up to this step the looks are at 1, 2, 4, 8, ...: most of what goes wrong goes wrong there."""

MOST_LOOKS = 400
"""A longer run is looked at less often, so that its events stay small."""

_SEEN = (
    nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.ReLU, nn.ReLU6,
    nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU, nn.Hardswish,
)  # fmt: skip


def cadence(steps: int, every: int = EVERY) -> int:
    """Return how often a run of ``steps`` steps is looked at: each ``every`` steps, less often where that is too much."""
    return max(every, -(-steps // MOST_LOOKS))


class Monitor:
    """Measures, at some steps, what goes on in each layer.

    For each layer with parameters that learn (their entries taken together, weights and biases)

        grad_norm     ||g||, the gradient of the loss before any clipping
        weight_norm   ||w||, before the step
        update_ratio  ||w_after - w_before|| / ||w_before||

    and for the output of each convolution, dense layer, normalisation and activation

        mean, std     over the batch and all units (std divides by n)
        dead          ReLU: the share of units that were zero for every image of the batch. A unit is a map (all of its
                      positions: a filter is dead, not a corner of the picture) or a number of a vector
        dead_window   the share that was so in every one of the last 5 looks, this one included; from the fifth look on
        saturated     Tanh: the share of outputs with |y| > 0.97, Sigmoid: with |2y - 1| > 0.97. There the slope is below
                      6 % of its largest

    Source: the ratio of updates to weights and the dead ReLU are those of the notes to Stanford's CS231n, "Learning";
    0.97 is the bound that A. Karpathy draws in "makemore", part 3 (activations and gradients).

    Args:
        network: the one that learns.
        every: look at each multiple of this step, after 1, 2, 4, 8, 16 and 32.
        memory: what ``memory`` of an earlier one of the same run gave; what fits no layer is left out.

    Raises:
        ValueError: ``every`` is below 1.
    """

    def __init__(self, network: Network, every: int = EVERY, memory: Mapping[str, Tensor] | None = None) -> None:
        if every < 1:
            raise ValueError(f"every={every}: the steps between two looks are 1 or more")
        self.every = every
        self._network = network
        layers = network.leaves()
        scored = layers[:-1] if network.architecture.ends_in_softmax else layers
        self._last = scored[-1][1] if scored else None
        self._watched: dict[str, nn.Module] = {name: m for name, m in layers if isinstance(m, _SEEN)}
        self._silent: dict[str, deque[Tensor]] = {name: deque(maxlen=WINDOW) for name in self._watched}
        for key, silent in sorted((memory or {}).items()):
            if silent.dtype == torch.bool and silent.dim() == 1 and (name := key.rpartition("/")[0]) in self._silent:
                self._silent[name].append(silent)
        self._seen: HealthEvent | None = None

    def wants(self, step: int) -> bool:
        """Return whether ``step`` (counted from 1) is one to look at."""
        return step % self.every == 0 or (step <= DENSE and step & (step - 1) == 0)

    def take(self) -> HealthEvent | None:
        """Return what the last look saw, once."""
        seen, self._seen = self._seen, None
        return seen

    def memory(self) -> dict[str, Tensor]:
        """Return which units of each ReLU were silent in the last looks, the oldest first: NAME/NUMBER, (C,) or (F,) bool."""
        return {f"{name}/{at}": silent for name, window in self._silent.items() for at, silent in enumerate(window)}

    @contextmanager
    def look(self, step: int) -> Iterator[Callable[[], None]]:
        """Watch what happens inside, which is one step of training; a step that raises leaves no hook and no event.

        It gives what the step calls when all gradients are there, before they are clipped.
        """
        view = _View(self._watched, self._last)
        try:
            yield view.gradients
        finally:
            view.close()
        layers = view.layers()
        for name, silent in view.silent().items():
            window = self._silent[name]
            if any(one.shape != silent.shape for one in window):  # a memory that came from elsewhere
                window.clear()
            window.append(silent)
            layers[name]["dead"] = _plain(silent.float().mean())
            if len(window) == WINDOW:
                layers[name]["dead_window"] = _plain(torch.stack([*window]).all(0).float().mean())
        self._seen = HealthEvent(step, layers, view.predicted)


class _View:
    """One look: hooks from ``__init__`` to ``close``, sums in between."""

    def __init__(self, watched: dict[str, nn.Module], last: nn.Module | None) -> None:
        self._outputs = {name: _Output(module) for name, module in watched.items()}
        self._gradients: dict[str, float] = {}
        self._learning = {
            name: {key: p for key, p in module.named_parameters() if p.requires_grad}
            for name, module in watched.items()
        }
        self._before = {
            name: {key: parameter.detach().clone() for key, parameter in parameters.items()}
            for name, parameters in self._learning.items()
        }
        self._counts: list[list[int]] = []
        self._handles = [module.register_forward_hook(self._outputs[name].add) for name, module in watched.items()]
        if last is not None:
            self._handles.append(last.register_forward_hook(self._count))

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()

    @torch.no_grad()
    def _count(self, module: nn.Module, args: Any, output: Tensor) -> None:
        if output.dim() != 2:
            return
        self._counts.append(torch.bincount(output.argmax(1), minlength=output.shape[1]).tolist())

    @property
    def predicted(self) -> tuple[int, ...]:
        """How often each class was the answer."""
        return tuple(map(sum, zip(*self._counts)))

    def gradients(self) -> None:
        """Take in the gradients, which are all there and not yet clipped."""
        for name, parameters in self._learning.items():
            there = (parameter.grad for parameter in parameters.values() if parameter.grad is not None)
            self._gradients[name] = _norm_of(torch.linalg.vector_norm(gradient) for gradient in there)

    @torch.no_grad()
    def layers(self) -> dict[str, dict[str, float | None]]:
        """Return what was seen of each layer; call it after the step."""
        return {name: {**self._learned(name), **output.figures()} for name, output in self._outputs.items()}

    def silent(self) -> dict[str, Tensor]:
        """Return which units of each ReLU were zero throughout: (C,) or (F,) bool."""
        found = {name: output.silent() for name, output in self._outputs.items()}
        return {name: silent for name, silent in found.items() if silent is not None}

    def _learned(self, name: str) -> dict[str, float | None]:
        parameters, before = self._learning[name], self._before[name]
        if not parameters:
            return {}
        weight = _norm_of(torch.linalg.vector_norm(tensor) for tensor in before.values())
        moved = _norm_of(torch.linalg.vector_norm(parameters[key].detach() - before[key]) for key in parameters)
        return {
            "grad_norm": _plain(self._gradients.get(name, 0.0)),
            "weight_norm": _plain(weight),
            "update_ratio": _plain(moved / weight) if weight > 0 else None,
        }


class _Output:
    """What comes out of a layer; a batch may come in several parts, and each of them in pieces side by side."""

    def __init__(self, module: nn.Module) -> None:
        self._relu = isinstance(module, nn.ReLU)
        self._bounds = _BOUNDS.get(type(module))
        self._pieces: dict[int, _Sums] = {}

    @torch.no_grad()
    def add(self, module: nn.Module, args: Any, output: Tensor) -> None:
        """Take one output in: a forward hook."""
        y, sums = output.detach().float(), self._pieces.setdefault(PIECE.get(), _Sums())
        mean, count = y.mean().item(), y.numel()
        sums.take(count, mean, count * _variance(y, mean))
        if self._bounds is not None:
            centre, reach = self._bounds
            sums.extreme += torch.count_nonzero((y - centre).abs_() > reach).item()
        if self._relu:  # nothing is negative: a sum of zero is zero throughout, and much faster than a maximum
            silent = y.sum((0, 2, 3) if y.dim() == 4 else 0) == 0
            sums.silent = silent if sums.silent is None else sums.silent & silent

    def silent(self) -> Tensor | None:
        """Return which units of a ReLU were zero throughout: (C,) or (F,) bool."""
        found = [sums.silent for sums in self._pieces.values() if sums.silent is not None]
        return torch.stack(found).all(0) if found else None

    def figures(self) -> dict[str, float | None]:
        """Return what the sums say, the pieces taken in their order."""
        if not self._pieces:
            return {}
        whole = _Sums()
        for _number, sums in sorted(self._pieces.items()):
            whole.take(sums.count, sums.mean, sums.squares)
            whole.extreme += sums.extreme
        figures = {"mean": _plain(whole.mean), "std": _plain((whole.squares / whole.count) ** 0.5)}
        if self._bounds is not None:
            figures["saturated"] = _plain(whole.extreme / whole.count)
        return figures


@dataclass
class _Sums:
    """How many numbers, their mean, the sum of their squared distances from it, how many are extreme, who is silent."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    extreme: float = 0.0
    silent: Tensor | None = None

    def take(self, count: int, mean: float, squares: float) -> None:
        """Take in ``count`` numbers more."""
        total, apart = self.count + count, mean - self.mean
        self.squares += squares + apart * apart * self.count * count / total
        self.mean += apart * count / total
        self.count = total


_BOUNDS: dict[type[nn.Module], tuple[float, float]] = {nn.Tanh: (0.0, SATURATED), nn.Sigmoid: (0.5, SATURATED / 2)}
"""The middle of what comes out, and how far from it an output is saturated."""


def _variance(y: Tensor, mean: float) -> float:
    """Return the variance of ``y`` (dividing by n): E[y^2] - mean^2, or E[(y - mean)^2] where that would cancel."""
    square = float(torch.linalg.vector_norm(y)) ** 2 / y.numel()
    variance = square - mean * mean
    if variance < 1e-2 * square:
        variance = float(torch.linalg.vector_norm(y - mean)) ** 2 / y.numel()
    return variance


def _norm_of(norms: Any) -> float:
    """Return the norm of all tensors together from the norm of each."""
    return math.sqrt(sum(float(norm) ** 2 for norm in norms))


def _plain(value: Any) -> float | None:
    """Return a number with six digits, as JSON can hold it; None for what is no number."""
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else None
