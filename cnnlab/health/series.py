"""What a monitor measures, in words, and the bounds that it is judged by (no torch here: pages read it too)."""

from __future__ import annotations

from cnnlab.i18n import N_

SATURATED = 0.97
"""A tanh beyond this, up or down, has less than 6 % of its slope left: 1 - 0.97^2 = 0.059. For a sigmoid, |2y - 1|."""

WINDOW = 5
"""Over how many looks a unit has to be silent to count as dead for good."""

SERIES: dict[str, str] = {
    "grad_norm": N_("Gradient"),
    "weight_norm": N_("Weights"),
    "update_ratio": N_("Update per weight"),
    "mean": N_("Mean"),
    "std": N_("Spread"),
    "dead": N_("Dead units"),
    "dead_window": N_("Units that stay dead"),
    "saturated": N_("Saturated"),
    "loss": N_("Loss"),
    "acc": N_("Accuracy"),
    "val_loss": N_("Validation loss"),
    "val_acc": N_("Validation accuracy"),
    "lr": N_("Learning rate"),
}
"""What a person reads for each series; the first eight are a layer's, the rest the run's."""

EXPLAINED: dict[str, str] = {
    "grad_norm": N_("How strongly this layer is told to change: the length of the gradient, before any clipping."),
    "weight_norm": N_("The length of all of the layer's weights and biases taken together."),
    "update_ratio": N_("How far one step moves the weights, as a part of their length. About a thousandth is usual."),
    "mean": N_("The mean of the layer's output over a batch."),
    "std": N_("How far the layer's outputs lie apart. Near 0, all pictures look the same to the next layer."),
    "dead": N_("The share of the layer's maps or units that stayed at zero for every picture of a batch."),
    "dead_window": N_("The share that stayed at zero at each of the last five looks: they hardly come back."),
    "saturated": N_("The share of outputs at the flat ends of the curve, where nearly no gradient comes through."),
}
"""What each series of a layer says, in one sentence."""

LOGARITHMIC = ("grad_norm", "weight_norm", "update_ratio", "std")
"""Series that are drawn by their powers of ten."""

SHARES = ("dead", "dead_window", "saturated", "acc", "val_acc")
"""Series that lie in [0, 1] and are shown as percent."""
