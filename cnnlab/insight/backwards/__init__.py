"""Every gradient as the sum that it is, and the optimizer's step with its numbers."""

from cnnlab.insight.backwards.gradients import explain_gradient
from cnnlab.insight.backwards.passes import Backward, backward_of
from cnnlab.insight.backwards.steps import Line, Step, step_of
from cnnlab.insight.backwards.walk import Walk, recipe_of, walk

__all__ = ["Backward", "Line", "Step", "Walk", "backward_of", "explain_gradient", "recipe_of", "step_of", "walk"]
