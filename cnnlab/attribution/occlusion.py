"""Occlusion: cover a patch with black, and see how far the logit falls."""

from __future__ import annotations

from torch import Tensor

from cnnlab.attribution.problem import Problem

_BATCH = 64


def window(height: int, width: int) -> tuple[int, int]:
    """Return (side, stride) of the black patch, in pixels: an eighth of the picture's side, moved by half of that."""
    side = max(1, min(round(min(height, width) / 8), height, width))
    return side, max(1, side // 2)


def run(problem: Problem) -> Tensor:
    """Return how far the logit falls when a black patch covers a place, mean over the patches that cover it.

        A[place] = mean over patches P that hold the place of  logit(x) - logit(x with P black)

    All channels are covered together, so this is one number a place.

    Source: Zeiler & Fergus 2014, arXiv:1311.2901, section 4.2; there the patch is grey and the class probability is
    drawn. Units: logits.

    Shape:
        returned: (1, 1, H, W)
    """
    from captum.attr import Occlusion

    _one, channels, height, width = problem.x.shape
    side, stride = window(height, width)
    places = (-(-(height - side) // stride) + 1) * (-(-(width - side) // stride) + 1)
    method = Occlusion(problem.watched(1 + -(-places // _BATCH)))
    values: Tensor = method.attribute(
        problem.x.detach(),
        sliding_window_shapes=(channels, side, side),
        strides=(channels, stride, stride),
        baselines=problem.baseline,
        target=problem.target,
        perturbations_per_eval=_BATCH,
    )
    return values[:, :1]
