"""Small relatives of the classic networks that learn within a lesson: for 28x28 digits and for 32x32 colour pictures.

Each keeps the plan of its model and is narrow and shallow enough for two cores. Its recipe aims at 98.5 % of MNIST's test
digits within a minute, or at 70 % of the whole of CIFAR-10's test pictures within five; what it reaches is measured by
``python -m cnnlab bench zoo``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnnlab.architecture.network import Architecture
from cnnlab.architecture.preset import Preset
from cnnlab.architecture.zoo.densenet import small_densenet
from cnnlab.architecture.zoo.googlenet import small_googlenet
from cnnlab.architecture.zoo.lenet import lenet5
from cnnlab.architecture.zoo.light import small_mobilenet, small_shufflenet, small_squeezenet
from cnnlab.architecture.zoo.plain import small_alexnet, small_vgg
from cnnlab.architecture.zoo.resnet import resnet_cifar
from cnnlab.i18n import N_

Shape = tuple[int, int, int]
DIGITS: Shape = (1, 28, 28)
COLOUR: Shape = (3, 32, 32)
MNIST_RECIPE = {
    "optimizer": "adam",
    "schedule": "one_cycle",
    "batch_size": 128,
    "label_smoothing": 0.05,
    "augmentation": {"shift": 1},
}
CIFAR_RECIPE = {
    "optimizer": "adam",
    "schedule": "one_cycle",
    "batch_size": 128,
    "label_smoothing": 0.1,
    "augmentation": {"crop_padding": 2, "flip": True},
    "full_train": True,
}
GROUPED = {"precision": "float32", "memory_format": "channels_last"}
"""bfloat16 made convolutions in groups slower where it was timed."""


@dataclass(frozen=True)
class Family:
    """A kind of network and its two small ones.

    Attributes:
        key: what their names begin with.
        titles: for digits and for colour pictures (ids, as are the next three).
        sentence: what it is, in one sentence.
        source: where it comes from.
        note: what is different from the network at full size.
        card: the lesson that tells its story.
        year: when it was first described.
        make: gives the network of a name for an input shape.
        recipes: what the recipes for digits and for colour pictures have of their own.
    """

    key: str
    titles: tuple[str, str]
    sentence: str
    source: str
    note: str
    card: str
    year: int
    make: Callable[[str, Shape], Architecture]
    recipes: tuple[Mapping[str, Any], Mapping[str, Any]]

    def presets(self) -> tuple[Preset, Preset]:
        """Return the one for digits and the one for colour pictures."""
        digits, colour = f"{self.key}-mnist", f"{self.key}-cifar"
        common = (self.sentence, self.source, (self.note,))
        return (
            Preset(
                digits, self.titles[0], *common, self.make(digits, DIGITS), {**MNIST_RECIPE, **self.recipes[0]},
                "mnist", self.card, self.year,
            ),
            Preset(
                colour, self.titles[1], *common, self.make(colour, COLOUR), {**CIFAR_RECIPE, **self.recipes[1]},
                "cifar10", self.card, self.year,
            ),
        )  # fmt: skip


def _mobilenet(name: str, shape: Shape) -> Architecture:
    plan = ((1, 16, 1, 1), (4, 24, 2, 2), (4, 32, 2, 2))
    return small_mobilenet(name, shape, plan, last=128, stride=2 if shape == DIGITS else 1)


def _shufflenet(name: str, shape: Shape) -> Architecture:
    return small_shufflenet(name, shape, 24, ((48, 3), (96, 3)), last=128, stride=2 if shape == DIGITS else 1)


FAMILIES = (
    Family(
        key="alexnet",
        titles=(N_("AlexNet, small (28×28)"), N_("AlexNet, small (32×32, colour)")),
        sentence=N_(
            "Five convolutions, pooling windows that overlap, dropout: AlexNet's plan with less than a hundredth of its parameters."
        ),
        source=N_("This lab, after Krizhevsky, Sutskever & Hinton 2012"),
        note=N_(
            "The first window is 5x5 with stride 1 instead of 11x11 with stride 4, since the pictures are small; there are two dense "
            "layers of 256 instead of 4096, with less dropout, and no response normalisation. Add LocalResponseNorm after the first "
            "two ReLU and compare: it has nothing to learn, and each step takes longer."
        ),
        card="zoo/alexnet",
        year=2012,
        make=small_alexnet,
        recipes=({"lr": 1.5e-3, "epochs": 2}, {"lr": 1.5e-3, "epochs": 8}),
    ),
    Family(
        key="vgg",
        titles=(N_("VGG, small (28×28)"), N_("VGG, small (32×32, colour)")),
        sentence=N_("Three stages of two 3x3 convolutions: twice as many maps, half as large, each time."),
        source=N_("This lab, after Simonyan & Zisserman 2014, arXiv:1409.1556"),
        note=N_(
            "Three stages instead of five, since the pictures are small, with 16, 32 and 64 maps instead of 64 to 512, and one hidden dense layer "
            "of 128 instead of two of 4096. Two 3x3 windows, one behind the other, see 5x5 pixels with fewer weights: look at the receptive field."
        ),
        card="zoo/vgg",
        year=2014,
        make=small_vgg,
        recipes=({"lr": 2e-3, "epochs": 2}, {"lr": 2e-3, "epochs": 8}),
    ),
    Family(
        key="googlenet",
        titles=(N_("GoogLeNet, small (28×28)"), N_("GoogLeNet, small (32×32, colour)")),
        sentence=N_("Three inception modules: 1x1, 3x3 and 5x5 windows and pooling side by side."),
        source=N_("This lab, after Szegedy et al. 2014, arXiv:1409.4842"),
        note=N_(
            "Three modules instead of nine, and real 5x5 windows, as in the paper. Like torchvision's, it has batch normalisation, "
            "which the paper did not know yet."
        ),
        card="zoo/googlenet",
        year=2014,
        make=small_googlenet,
        recipes=({"lr": 1e-2, "epochs": 1}, {"lr": 1e-2, "epochs": 8}),
    ),
    Family(
        key="resnet",
        titles=(N_("ResNet-8 (28×28)"), N_("ResNet-8 (32×32, colour)")),
        sentence=N_("Three blocks with a shortcut around each: the smallest of the paper's family for small pictures."),
        source=N_("He, Zhang, Ren & Sun 2016, arXiv:1512.03385, section 4.2 with n = 1, option A"),
        note=N_(
            "The paper's plan has 6n + 2 layers and begins with n = 3; this is n = 1. Take the shortcuts away here and in "
            "resnet20-cifar: which of the two learns worse without them?"
        ),
        card="zoo/resnet",
        year=2015,
        make=lambda name, shape: resnet_cifar(name, 1, input_shape=shape),
        recipes=({"lr": 1e-2, "epochs": 1}, {"lr": 1e-2, "epochs": 6}),
    ),
    Family(
        key="densenet",
        titles=(N_("DenseNet, small (28×28)"), N_("DenseNet, small (32×32, colour)")),
        sentence=N_("Three dense blocks of four layers, each adding 12 maps to all that came before."),
        source=N_("This lab, after Huang et al. 2017, arXiv:1608.06993, with growth rate 12 as in its section 4"),
        note=N_(
            "Four layers in each block instead of 6 to 24, after a pooling that the paper's networks for small pictures do not have: "
            "it makes each step about four times as cheap."
        ),
        card="zoo/densenet",
        year=2016,
        make=lambda name, shape: small_densenet(name, shape, layers=4, growth=12),
        recipes=({"lr": 1e-2, "epochs": 1}, {"lr": 1e-2, "epochs": 4}),
    ),
    Family(
        key="squeezenet",
        titles=(N_("SqueezeNet, small (28×28)"), N_("SqueezeNet, small (32×32, colour)")),
        sentence=N_("Four fire modules, no dense layer: the mean of each of ten maps is a class's score."),
        source=N_("This lab, after Iandola et al. 2016, arXiv:1602.07360"),
        note=N_(
            "Four fire modules instead of eight, and none of the dropout before the last convolution. Its ReLU is left out as well, "
            "since a score may be below zero."
        ),
        card="zoo/squeezenet",
        year=2016,
        make=small_squeezenet,
        recipes=({"lr": 6e-3, "epochs": 4}, {"lr": 5e-3, "epochs": 20}),
    ),
    Family(
        key="mobilenet",
        titles=(N_("MobileNetV2, small (28×28)"), N_("MobileNetV2, small (32×32, colour)")),
        sentence=N_("Three inverted residuals: few multiply-adds, and yet not fast on every machine."),
        source=N_("This lab, after Sandler et al. 2018, arXiv:1801.04381"),
        note=N_(
            "Three blocks instead of seventeen, widened four times instead of six. Compare its multiply-adds and its images a second "
            "with those of the small VGG: a window for each channel by itself saves arithmetic and waits for memory instead."
        ),
        card="zoo/mobilenet_v2",
        year=2018,
        make=_mobilenet,
        recipes=({"lr": 1e-2, "epochs": 2, **GROUPED}, {"lr": 1e-2, "epochs": 3, **GROUPED}),
    ),
    Family(
        key="shufflenet",
        titles=(N_("ShuffleNetV2, small (28×28)"), N_("ShuffleNetV2, small (32×32, colour)")),
        sentence=N_("Six units: half of the channels pass by untouched, then all are shuffled like cards."),
        source=N_("This lab, after Ma et al. 2018, arXiv:1807.11164"),
        note=N_(
            "Two stages of three units instead of three of 4, 8 and 4, with 48 and 96 maps instead of 116 to 464. Take the "
            "ChannelShuffle layers away and train again: then half of the maps go through a stage untouched from end to end."
        ),
        card="zoo/shufflenet_v2",
        year=2018,
        make=_shufflenet,
        recipes=({"lr": 1e-2, "epochs": 2, **GROUPED}, {"lr": 1e-2, "epochs": 6, **GROUPED}),
    ),
)
"""The small ones, in the order of their years."""

LENET5 = Preset(
    name="lenet5-1998",
    title=N_("LeNet-5 of 1998"),
    sentence=N_(
        "As the paper has it: learned subsampling, the table of C3, and codes of digits instead of a dense layer."
    ),
    source=N_("LeCun, Bottou, Bengio & Haffner 1998, Proceedings of the IEEE 86(11), section II.B"),
    note=(
        N_(
            "The paper counts 60,000 trainable parameters, and here there are 60,000: 156 in C1, 12 in S2, 1,516 in C3, 32 in S4, "
            "48,120 in C5 and 10,164 in F6. Each filter of C3 sees 3, 4 or all 6 of the maps of S2, as the paper's table I says; "
            "each subsampling is the mean of 2x2 pixels, times one learned number for each map, plus another, through tanh."
        ),
        N_(
            "At the end no dense layer: the 84 numbers of F6 are compared with ten fixed codes, pictures of the digits in 12x7 pixels, "
            "and the nearest one wins. The pictures are drawn anew for this lab; the paper shows its own in figure 3."
        ),
        N_(
            "Different here: tanh is not stretched to 1.7159 tanh(2/3 x), the mean stands for the sum (the learned number takes up the "
            "factor), the distances have their sign turned so that the largest wins, cross-entropy leaves out the constant of the "
            "paper's equation (9), and it learns with Adam instead of the paper's own second-order method."
        ),
    ),
    architecture=lenet5(),
    recipe={**MNIST_RECIPE, **GROUPED, "label_smoothing": 0.0, "lr": 4e-3, "epochs": 5, "full_train": True},
    card="zoo/lenet5",
    year=1998,
)

SMALL = (LENET5, *(preset for family in FAMILIES for preset in family.presets()))
