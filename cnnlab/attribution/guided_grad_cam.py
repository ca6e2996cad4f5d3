"""Guided Grad-CAM: Guided Backprop's fine lines, kept where Grad-CAM says the class is."""

from __future__ import annotations

from torch import Tensor

from cnnlab.attribution.problem import Problem, quiet


def run(problem: Problem) -> Tensor:
    """Return the product of Guided Backprop and the positive part of Grad-CAM.

        A = guided_backprop * max(0, cam), the latter stretched bilinearly to the picture

    Source: Selvaraju et al. 2017, arXiv:1610.02391, section 3.2. Here the ReLU belongs to the method and stays.

    Shape:
        returned: (1, C, H, W)

    Raises:
        ModelError: the network has no convolution with a map.
    """
    from captum.attr import GuidedGradCam

    module = problem.map_module
    quiet()
    values: Tensor = GuidedGradCam(problem.network, module).attribute(
        problem.x, target=problem.target, interpolate_mode="bilinear"
    )
    return values
