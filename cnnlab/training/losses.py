"""The losses, on logits: cross-entropy with label smoothing, and the mean squared error, for classes or shares; their bounds."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from cnnlab.training.recipe import Recipe


def loss_of(logits: Tensor, targets: Tensor, recipe: Recipe, softmax: bool) -> Tensor:
    """Return the mean loss of a batch.

        cross_entropy  -sum_k q_k log p_k,  p = softmax(logits), q = (1 - s) * onehot + s / K, s = label_smoothing
        mse            mean over images and classes of (output - onehot)^2

    For a network that ends in Softmax the cross-entropy is the negative log-likelihood of its output, taken from the
    logits (what arrives at the Softmax), where log softmax is exact and never log 0. The mean squared error compares
    the network's own output: probabilities where it ends in Softmax, else the logits.

    Shape:
        logits: (N, K) float.
        targets: (N,) int64; or (N, K) float, the share of each class, which then takes the place of onehot.
    """
    if recipe.loss == "cross_entropy":
        return F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
    output = logits.softmax(1) if softmax else logits
    shares = F.one_hot(targets, logits.shape[1]) if targets.dim() == 1 else targets
    return F.mse_loss(output, shares.to(output.dtype))


def blind_loss(recipe: Recipe, classes: int) -> float:
    """Return the loss of a network that says 1/K to each of the K ``classes``, whatever it sees.

    cross_entropy  -sum_k q_k log(1/K) = log K, with or without label smoothing
    mse            ((1 - 1/K)^2 + (K - 1) / K^2) / K = (K - 1) / K^2
    """
    if recipe.loss == "cross_entropy":
        return math.log(classes)
    return (classes - 1) / classes**2


def least_loss(recipe: Recipe, classes: int) -> float:
    """Return the loss of a network that is right about every image: no weights can make it smaller.

    It is 0, except for cross-entropy with label smoothing s, where the answer to be given is the share q of each class,
    and the least loss its entropy:

        -q log q - (K - 1) r log r,    q = 1 - s + s / K,  r = s / K
    """
    s = recipe.label_smoothing
    if recipe.loss != "cross_entropy" or s == 0:
        return 0.0
    q, r = 1 - s + s / classes, s / classes
    return -q * math.log(q) - (classes - 1) * r * math.log(r)
