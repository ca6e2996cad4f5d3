"""Grad-CAM: the maps of the last convolution, each weighed by how much the logit wants it."""

from __future__ import annotations

from torch import Tensor

from cnnlab.attribution.problem import Problem


def run(problem: Problem) -> Tensor:
    """Return the weighed sum of the last convolution's maps, stretched to the picture.

        w[k] = mean over positions of  d logit[target] / d A[k];   cam = sum over k of  w[k] * A[k]

    A are the maps as they leave the convolution's activation. Stretched bilinearly to the size of the input.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, section 3. Deviation: the paper cuts negative values off with a
    ReLU (Captum's ``relu_attributions=True``); here the sign stays, because what speaks against a class is an answer too.

    Shape:
        returned: (1, 1, H, W)

    Raises:
        ModelError: the network has no convolution with a map.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    method = LayerGradCam(problem.network, problem.map_module)
    cam: Tensor = method.attribute(problem.x, target=problem.target, relu_attributions=False)  # (1, 1, h, w)
    values: Tensor = LayerAttribution.interpolate(cam, tuple(problem.x.shape[2:]), interpolate_mode="bilinear")
    return values
