"""Every gradient as the sum that it is, and the optimizer's step with its numbers."""

from cnnlab.insight.backwards.gradients import explain_gradient
from cnnlab.insight.backwards.line import Line
from cnnlab.insight.backwards.memory import Memory, memory_of
from cnnlab.insight.backwards.passes import Backward, backward_of
from cnnlab.insight.backwards.steps import Step, step_of
from cnnlab.insight.backwards.walk import Walk, recipe_of, walk

__all__ = [
    "Backward",
    "Line",
    "Memory",
    "Step",
    "Walk",
    "backward_of",
    "explain_gradient",
    "memory_of",
    "recipe_of",
    "step_of",
    "walk",
]
