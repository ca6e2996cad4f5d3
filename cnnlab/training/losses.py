"""The losses, on logits: cross-entropy with label smoothing, and the mean squared error, for classes or shares."""

from __future__ import annotations

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
