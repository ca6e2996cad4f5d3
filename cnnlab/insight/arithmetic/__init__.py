"""Every number of a network, forward, as the sum that it is."""

from cnnlab.insight.arithmetic.batches import Batch, batch_around
from cnnlab.insight.arithmetic.passes import Pass, pass_of, training_pass
from cnnlab.insight.arithmetic.registry import RULES, explain
from cnnlab.insight.arithmetic.terms import Explanation, Sum, Term
from cnnlab.insight.arithmetic.trail import Hop, trail

__all__ = [
    "RULES", "Batch", "Explanation", "Hop", "Pass", "Sum", "Term", "batch_around", "explain", "pass_of", "trail",
    "training_pass",
]  # fmt: skip
