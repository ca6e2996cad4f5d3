"""What a loss comes to without looking, and below which it cannot fall: plain arithmetic."""

from __future__ import annotations

import math

from cnnlab.training.recipe import Recipe


def blind_loss(recipe: Recipe, classes: int) -> float:
    """Return the loss of a network that says 1/K to each of the K ``classes``, whatever it sees.

    cross_entropy  -sum_k q_k log(1/K) = log K, with or without label smoothing
    mse            ((1 - 1/K)^2 + (K - 1) / K^2) / K = (K - 1) / K^2, for images that are not blended (mixup)
    """
    return math.log(classes) if recipe.loss == "cross_entropy" else (classes - 1) / classes**2


def least_loss(recipe: Recipe, classes: int) -> float:
    """Return the loss of a network that is right about every image: no weights can make it smaller.

    It is 0, except for cross-entropy with label smoothing s, where the answer to be given is the share q of each class,
    and the least loss its entropy:

        -q log q - (K - 1) r log r,    q = 1 - s + s / K,  r = s / K

    Blended images (mixup) keep the training loss above it; the validation images are not blended.
    """
    s = recipe.label_smoothing
    if recipe.loss != "cross_entropy" or s == 0:
        return 0.0
    q, r = 1 - s + s / classes, s / classes
    return -q * math.log(q) - (classes - 1) * r * math.log(r)
