"""Which weights are the smallest: masks for pruning by magnitude, and how the share grows when it is done bit by bit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Linear
from cnnlab.errors import RecipeError


def weight_names(architecture: Architecture) -> tuple[str, ...]:
    """Return the names of the filters and dense weights; biases and the scales of normalisations are none."""
    rows = architecture.trace().rows
    return tuple(f"{row.name}.weight" for row in rows if isinstance(row.layer, (Conv2d, Linear)))


def weight_masks(architecture: Architecture, state: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return for each filter and dense weight which of its numbers stay: all but the ``share`` nearest to zero.

    The numbers of all layers are ranked together, so that a layer with many small ones loses more of them. Exactly
    ``round(share * count)`` are marked; of equals, those that come first.

    Shape:
        returns: bool tensors, shaped as the weights.

    Source: Han et al. 2015, arXiv:1506.02626 (there by a threshold for each layer).

    Raises:
        RecipeError: ``share`` is not in [0, 1), or the network has no weights.
    """
    check_share(share)
    names = weight_names(architecture)
    if not names:
        raise RecipeError("this network has no filters or dense weights; there is nothing to prune")
    sizes = torch.cat([state[name].abs().flatten() for name in names])
    keep = torch.ones(len(sizes), dtype=torch.bool)
    keep[sizes.sort(stable=True).indices[: round(share * len(sizes))]] = False
    parts = keep.split([state[name].numel() for name in names])
    return {name: part.view(state[name].shape) for name, part in zip(names, parts)}


def masked(state: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``state`` with zeros where a mask says that a number does not stay."""
    return {name: tensor * masks[name] if name in masks else tensor for name, tensor in state.items()}


def growing_shares(share: float, steps: int) -> tuple[float, ...]:
    """Return the share after each of ``steps`` steps: fast at first, while much is superfluous, then ever slower.

        s_i = s * (1 - (1 - i/n)^3),  i = 1..n

    Source: Zhu & Gupta 2017, arXiv:1710.01878, equation 1 (from a share of 0).

    Raises:
        RecipeError: ``share`` is not in [0, 1), or there is no step.
    """
    check_share(share)
    if not 1 <= steps <= 100:
        raise RecipeError("--steps: {given} is not between 1 and 100", given=steps)
    return tuple(share * (1 - (1 - step / steps) ** 3) for step in range(1, steps + 1))


def check_share(share: float) -> None:
    """Raise RecipeError unless ``share`` leaves something."""
    if not 0 <= share < 1:
        raise RecipeError(
            "--prune: {given} is not a share; use a number from 0 to less than 1, such as 0.5", given=share
        )
