"""What becomes of a gradient before the optimizer gets it: the L1 penalty is added, and a long one is shortened."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from torch import Tensor

from cnnlab.i18n import Formula
from cnnlab.insight.backwards.line import Line
from cnnlab.training.recipe import Recipe

CLIP_EPS = 1e-6
"""What torch.nn.utils.clip_grad_norm_ adds to the length, so that nothing is divided by 0."""


def whole_length(
    gradients: Mapping[str, Tensor], weights: Mapping[str, Tensor], recipe: Recipe, still: Collection[str] = ()
) -> float:
    """Return the length of the gradient of all weights together, the L1 penalty's part included, in float64.

        sqrt( sum of (g + l1 * sign(w))^2 ) over all weights that learn; l1 counts for those with more than one axis

    Args:
        gradients, weights: of each parameter by name.
        still: the names of those that stand still.
    """
    squares = 0.0
    for name, gradient in gradients.items():
        if name not in still:
            whole = gradient.double()
            if recipe.l1 and gradient.dim() > 1:
                whole = whole + recipe.l1 * weights[name].double().sign()
            squares += float(whole.square().sum())
    return math.sqrt(squares)


def shaped(
    recipe: Recipe, weight: float, gradient: float, *, penalised: bool, length: float | None
) -> tuple[list[Line], float]:
    """Return what the optimizer gets for a weight's ``gradient``, and how that comes about.

        g + l1 * sign(w),  then  g * min(1, clip_norm / (length + 1e-6))

    Args:
        penalised: whether the L1 penalty counts for this weight; biases and scales are spared.
        length: of the whole gradient, as ``whole_length`` gives it; None: this weight is all there is.

    Source: ``cnnlab.training.optim.shape_gradients``; torch.nn.utils.clip_grad_norm_ (Pascanu, Mikolov & Bengio 2013,
    arXiv:1211.5063, section 3.2).
    """
    lines = []
    if recipe.l1 and penalised:
        sign = (weight > 0) - (weight < 0)
        pulled = gradient + recipe.l1 * sign
        lines.append(Line("l1", pulled, Formula("L1 penalty: g + l1 · sign(w) = {g:.4g} + {l1:.4g} · {sign} = {pulled:.4g}",
                                                g=gradient, l1=recipe.l1, sign=sign, pulled=pulled)))  # fmt: skip
        gradient = pulled
    if recipe.clip_norm:
        whole = abs(gradient) if length is None else length
        factor = min(1.0, recipe.clip_norm / (whole + CLIP_EPS))
        short = gradient * factor
        facts = {"length": whole, "most": recipe.clip_norm, "factor": factor, "g": gradient, "short": short}
        lines.append(Line("clipped", short, _told(factor < 1, facts)))
        gradient = short
    return lines, gradient


def _told(shortened: bool, facts: Mapping[str, float]) -> Formula:
    if shortened:
        return Formula(
            "clipping: the gradient of all weights together is {length:.4g} long; shortened to {most:.4g} it is multiplied by "
            "{most:.4g} / ({length:.4g} + 1e-6) = {factor:.4g}: {g:.4g} · {factor:.4g} = {short:.4g}",
            **facts,
        )
    return Formula(
        "clipping: the gradient of all weights together is {length:.4g} long, no longer than {most:.4g}; it stays as it is",
        **facts,
    )
