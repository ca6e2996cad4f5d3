"""The one list of attribution methods: commands, pages and tests take them from here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import Tensor

from cnnlab.attribution.problem import Problem
from cnnlab.i18n import N_
from cnnlab.lessons import lesson


@dataclass(frozen=True)
class Method:
    """An attribution method.

    Attributes:
        id: its name on the command line.
        title: its name for people, a marked id.
        source: the paper.
        url: where the paper is.
        signed: whether its values have a sign; else they are sizes, at least zero.
        complete: whether its values add up to the difference of the logits.
        needs_convolution: whether it works on the maps of the last convolution.
    """

    id: str
    title: str
    source: str
    url: str
    signed: bool = True
    complete: bool = False
    needs_convolution: bool = False

    def sentences(self, language: str | None = None) -> tuple[str, ...]:
        """Return three sentences: what it measures, how to read it, what to beware of."""
        text = lesson(f"attribution_{self.id}", language)
        return tuple(line.strip() for line in re.split(r"\n\s*\n", text) if line.strip())

    @property
    def run(self) -> Callable[[Problem], Tensor]:
        """The function that answers a problem: (1, C, H, W), or (1, 1, H, W) where it is one number a place.

        Found when first needed, because it imports Captum.
        """
        answer: Callable[[Problem], Tensor] = import_module(f"cnnlab.attribution.{self.id}").run
        return answer


_GRAD_CAM = "Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra 2017, Grad-CAM (ICCV)"

METHODS: dict[str, Method] = {
    method.id: method
    for method in (
        Method(
            "saliency",
            N_("Saliency"),
            "Simonyan, Vedaldi & Zisserman 2013, Deep Inside Convolutional Networks",
            "https://arxiv.org/abs/1312.6034",
            signed=False,
        ),
        Method(
            "input_x_gradient",
            N_("Input × Gradient"),
            "Shrikumar, Greenside, Shcherbina & Kundaje 2016, Not Just a Black Box",
            "https://arxiv.org/abs/1605.01713",
        ),
        Method(
            "integrated_gradients",
            N_("Integrated Gradients"),
            "Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks",
            "https://arxiv.org/abs/1703.01365",
            complete=True,
        ),
        Method(
            "guided_backprop",
            N_("Guided Backprop"),
            "Springenberg, Dosovitskiy, Brox & Riedmiller 2014, Striving for Simplicity",
            "https://arxiv.org/abs/1412.6806",
        ),
        Method(
            "deep_lift",
            N_("DeepLift"),
            "Shrikumar, Greenside & Kundaje 2017, Learning Important Features Through Propagating Activation Differences",
            "https://arxiv.org/abs/1704.02685",
            complete=True,
        ),
        Method(
            "occlusion",
            N_("Occlusion"),
            "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks",
            "https://arxiv.org/abs/1311.2901",
        ),
        Method("grad_cam", N_("Grad-CAM"), _GRAD_CAM, "https://arxiv.org/abs/1610.02391", needs_convolution=True),
        Method(
            "guided_grad_cam",
            N_("Guided Grad-CAM"),
            _GRAD_CAM,
            "https://arxiv.org/abs/1610.02391",
            needs_convolution=True,
        ),
    )
}
"""All methods by id, in the order in which people meet them."""
