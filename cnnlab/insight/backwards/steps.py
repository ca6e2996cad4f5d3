"""One optimizer step on one weight, line by line: from the gradient and what is remembered to the new weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnnlab.i18n import Formula, Message
from cnnlab.insight.backwards.line import Line
from cnnlab.insight.backwards.shaping import shaped
from cnnlab.training.recipe import Recipe

BETAS = (0.9, 0.999)
EPS = 1e-8
ALPHA = 0.99
ADAGRAD_EPS = 1e-10
"""torch's own defaults, which the recipes keep."""


@dataclass(frozen=True)
class Step:
    """What an optimizer does to one weight.

    Attributes:
        optimizer: its name in the recipe.
        lr: the learning rate.
        before, gradient, after: the weight, dL/dw, the new weight.
        remembered: what it knew from the steps before, by torch's names; empty at the first step.
        remembers: what it knows after this one.
        number: which step it is, from 1.
        lines: the arithmetic, in order.
    """

    optimizer: str
    lr: float
    before: float
    gradient: float
    after: float
    remembered: Mapping[str, float]
    remembers: Mapping[str, float]
    number: int
    lines: tuple[Line, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the step in JSON's words."""
        return {
            "optimizer": self.optimizer,
            "lr": self.lr,
            "number": self.number,
            "before": self.before,
            "gradient": self.gradient,
            "after": self.after,
            "remembered": dict(self.remembered),
            "remembers": dict(self.remembers),
            "lines": [line.to_json() for line in self.lines],
        }


def step_of(
    recipe: Recipe, weight: float, gradient: float, remembered: Mapping[str, float] | None = None, number: int = 1,
    lr: float | None = None, *, penalised: bool = True, length: float | None = None,
) -> Step:  # fmt: skip
    """Return one step of ``recipe``'s optimizer on one weight, as torch carries it out.

        first    g = g + l1 * sign(w);  g = g * min(1, clip_norm / (length + 1e-6)), where the recipe asks for them
        SGD      d = g + decay * w;  b = momentum * b + d;  w = w - lr * b   (Nesterov: lr * (d + momentum * b))
        Adam     g = g + decay * w;  m = 0.9 m + 0.1 g;  v = 0.999 v + 0.001 g^2;
                 w = w - lr * (m / (1 - 0.9^t)) / (sqrt(v / (1 - 0.999^t)) + 1e-8)
        AdamW    w = w - lr * decay * w first, then as Adam without decay in g
        RMSprop  s = 0.99 s + 0.01 g^2;  w = w - lr * g / (sqrt(s) + 1e-8)   (with momentum b = momentum * b + that quotient)
        Adagrad  s = s + g^2;  w = w - lr * g / (sqrt(s) + 1e-10)

    Args:
        remembered: what the optimizer knows of this weight, by torch's names (``momentum_buffer``, ``exp_avg``, ...).
        number: which step it is, from 1; Adam's two moments are corrected by it.
        lr: the learning rate of this step; None: the recipe's.
        penalised: whether the L1 penalty counts for this weight; biases and scales are spared.
        length: of the gradient of all weights together, which clipping measures; None: this weight is all there is.

    Source: torch.optim.SGD, Adam, AdamW, RMSprop, Adagrad (their documentation's algorithms), with their defaults.
    """
    known = dict(remembered or {})
    rate = recipe.lr if lr is None else lr
    rule = _RULES[recipe.optimizer]
    shaping, given = shaped(recipe, weight, gradient, penalised=penalised, length=length)
    lines, remembers = rule(recipe, weight, given, known, number, rate)
    after = lines[-1].value
    return Step(recipe.optimizer, rate, weight, gradient, after, known, remembers, number, (*shaping, *lines))


def stand_still(recipe: Recipe, weight: float, gradient: float, number: int) -> Step:
    """Return the step that a weight does not take, since its layer is frozen or whitening has fixed it."""
    says = Message("this weight stands still: its layer is frozen, or whitening has fixed its filters")
    return Step(recipe.optimizer, 0.0, weight, gradient, weight, {}, {}, number, (Line("weight", weight, says),))


Rule = Callable[[Recipe, float, float, dict[str, float], int, float], tuple[list[Line], dict[str, float]]]


def _decayed(recipe: Recipe, weight: float, gradient: float) -> tuple[list[Line], float]:
    decay = recipe.weight_decay
    if not decay:
        return [], gradient
    d = gradient + decay * weight
    says = Formula("g + decay · w = {g:.4g} + {decay:.4g} · {w:.4g} = {d:.4g}", g=gradient, decay=decay, w=weight, d=d)
    return [Line("gradient", d, says)], d


def _new_weight(weight: float, lr: float, by: float, name: Message) -> Line:
    after = weight - lr * by
    return Line("weight", after, Formula("w - lr · {name} = {w:.6g} - {lr:.4g} · {by:.4g} = {after:.6g}",
                                         name=name, w=weight, lr=lr, by=by, after=after))  # fmt: skip


def _sgd(
    recipe: Recipe, w: float, g: float, known: dict[str, float], number: int, lr: float
) -> tuple[list[Line], dict[str, float]]:
    lines, d = _decayed(recipe, w, g)
    if not recipe.momentum:
        return [*lines, _new_weight(w, lr, d, Message("gradient"))], {}
    momentum, old = recipe.momentum, known.get("momentum_buffer")
    if old is None:
        b = d
        lines.append(Line("momentum", b, Formula("the first step: momentum begins as the gradient, {b:.4g}", b=b)))
    else:
        b = momentum * old + d
        lines.append(Line("momentum", b, Formula("momentum = {momentum:.4g} · {old:.4g} + {d:.4g} = {b:.4g}",
                                                 momentum=momentum, old=old, d=d, b=b)))  # fmt: skip
    by = b
    if recipe.nesterov:
        by = d + momentum * b
        lines.append(Line("ahead", by, Formula("Nesterov looks ahead: {d:.4g} + {momentum:.4g} · {b:.4g} = {by:.4g}",
                                               d=d, momentum=momentum, b=b, by=by)))  # fmt: skip
    return [*lines, _new_weight(w, lr, by, Message("momentum"))], {"momentum_buffer": b}


def _adam(
    recipe: Recipe, w: float, g: float, known: dict[str, float], number: int, lr: float
) -> tuple[list[Line], dict[str, float]]:
    if recipe.optimizer == "adamw":
        lines, d = [], g
        if recipe.weight_decay:
            shrunk = w * (1 - lr * recipe.weight_decay)
            lines.append(Line("decayed", shrunk, Formula("first the weight shrinks: w · (1 - lr · decay) = {w:.6g} · (1 - {lr:.4g} · {decay:.4g}) = {shrunk:.6g}",
                                                         w=w, lr=lr, decay=recipe.weight_decay, shrunk=shrunk)))  # fmt: skip
            w = shrunk
    else:
        lines, d = _decayed(recipe, w, g)
    (one, two), m0, v0 = BETAS, known.get("exp_avg", 0.0), known.get("exp_avg_sq", 0.0)
    m, v = one * m0 + (1 - one) * d, two * v0 + (1 - two) * d * d
    lines.append(Line("m", m, Formula("first moment m = 0.9 · {m0:.4g} + 0.1 · {d:.4g} = {m:.4g}", m0=m0, d=d, m=m)))
    lines.append(
        Line("v", v, Formula("second moment v = 0.999 · {v0:.4g} + 0.001 · ({d:.4g})² = {v:.4g}", v0=v0, d=d, v=v))
    )
    mean, spread = m / (1 - one**number), v / (1 - two**number)
    lines.append(Line("corrected", mean, Formula("both were pulled towards 0 at the start: m / (1 - 0.9^{t}) = {mean:.4g}, v / (1 - 0.999^{t}) = {spread:.4g}",
                                                 t=number, mean=mean, spread=spread)))  # fmt: skip
    by = mean / (math.sqrt(spread) + EPS)
    lines.append(Line("step", by, Formula("m / (√v + 1e-8) = {mean:.4g} / {root:.4g} = {by:.4g}",
                                          mean=mean, root=math.sqrt(spread) + EPS, by=by)))  # fmt: skip
    return [*lines, _new_weight(w, lr, by, Message("step"))], {"exp_avg": m, "exp_avg_sq": v, "step": float(number)}


def _rmsprop(
    recipe: Recipe, w: float, g: float, known: dict[str, float], number: int, lr: float
) -> tuple[list[Line], dict[str, float]]:
    lines, d = _decayed(recipe, w, g)
    s0 = known.get("square_avg", 0.0)
    s = ALPHA * s0 + (1 - ALPHA) * d * d
    lines.append(
        Line("s", s, Formula("mean square s = 0.99 · {s0:.4g} + 0.01 · ({d:.4g})² = {s:.4g}", s0=s0, d=d, s=s))
    )
    by = d / (math.sqrt(s) + EPS)
    lines.append(
        Line(
            "step",
            by,
            Formula("g / (√s + 1e-8) = {d:.4g} / {root:.4g} = {by:.4g}", d=d, root=math.sqrt(s) + EPS, by=by),
        )
    )
    remembers = {"square_avg": s, "step": float(number)}
    if not recipe.momentum:
        return [*lines, _new_weight(w, lr, by, Message("step"))], remembers
    old = known.get("momentum_buffer", 0.0)
    b = recipe.momentum * old + by
    lines.append(Line("momentum", b, Formula("momentum = {momentum:.4g} · {old:.4g} + {d:.4g} = {b:.4g}",
                                             momentum=recipe.momentum, old=old, d=by, b=b)))  # fmt: skip
    return [*lines, _new_weight(w, lr, b, Message("momentum"))], {**remembers, "momentum_buffer": b}


def _adagrad(
    recipe: Recipe, w: float, g: float, known: dict[str, float], number: int, lr: float
) -> tuple[list[Line], dict[str, float]]:
    lines, d = _decayed(recipe, w, g)
    s0 = known.get("sum", 0.0)
    s = s0 + d * d
    lines.append(Line("s", s, Formula("sum of squares s = {s0:.4g} + ({d:.4g})² = {s:.4g}", s0=s0, d=d, s=s)))
    by = d / (math.sqrt(s) + ADAGRAD_EPS)
    lines.append(
        Line(
            "step",
            by,
            Formula("g / (√s + 1e-10) = {d:.4g} / {root:.4g} = {by:.4g}", d=d, root=math.sqrt(s) + ADAGRAD_EPS, by=by),
        )
    )
    return [*lines, _new_weight(w, lr, by, Message("step"))], {"sum": s, "step": float(number)}


_RULES: dict[str, Rule] = {"sgd": _sgd, "adam": _adam, "adamw": _adam, "rmsprop": _rmsprop, "adagrad": _adagrad}
