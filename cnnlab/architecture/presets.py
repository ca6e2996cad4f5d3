"""Networks to start from: those of the five articles, as printed and mended, and a few that they are measured against.

Each brings where it comes from, what its source said and what is true (every claim here is one that a test runs or that
was measured, with its recipe), its own recipe as plain fields, and the data set that it is made for.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from cnnlab.architecture.layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
    ReLU,
    Softmax,
)
from cnnlab.architecture.network import MAX_JSON_BYTES, Architecture
from cnnlab.architecture.preset import Preset
from cnnlab.architecture.share import Shared
from cnnlab.architecture.zoo import ZOO
from cnnlab.errors import ArchitectureError
from cnnlab.i18n import N_


def _network(name: str, input_shape: tuple[int, int, int], *layers: LayerSpec) -> Architecture:
    return Architecture(name=name, input_shape=input_shape, layers=layers)


def _lenet(name: str, in_channels: int) -> Architecture:
    """Return the network that articles 000, 001 and 002 share: LeNet's sizes with ReLU and max-pooling."""
    return _network(
        name,
        (in_channels, 32, 32),
        Conv2d(in_channels=in_channels, out_channels=6, kernel_size=5),
        ReLU(),
        MaxPool2d(kernel_size=2, stride=2),
        Conv2d(in_channels=6, out_channels=16, kernel_size=5),
        ReLU(),
        MaxPool2d(kernel_size=2, stride=2),
        Flatten(),
        Linear(in_features=16 * 5 * 5, out_features=120),
        ReLU(),
        Linear(in_features=120, out_features=84),
        ReLU(),
        Linear(in_features=84, out_features=10),
    )


def _article_004(name: str, in_features: int) -> Architecture:
    return _network(
        name,
        (3, 32, 32),
        Conv2d(in_channels=3, out_channels=32, kernel_size=3, stride=1, padding=1),
        ReLU(),
        MaxPool2d(kernel_size=2, stride=2),
        Conv2d(in_channels=32, out_channels=64, kernel_size=3, stride=1, padding=1),
        ReLU(),
        MaxPool2d(kernel_size=2, stride=2),
        Flatten(),
        Linear(in_features=in_features, out_features=128),
        ReLU(),
        Linear(in_features=128, out_features=10),
    )


def _cifar_blocks() -> Architecture:
    """Return a whitening 2x2 convolution and three blocks of conv-pool-bn-gelu-conv-bn-gelu.

    The running statistics follow quickly (momentum 0.4), as a run of few steps needs; the mean over the last 3x3
    maps keeps the dense layer's inputs small, so that one learning rate suits it and the convolutions.
    """
    layers: list[LayerSpec] = [Conv2d(out_channels=24, kernel_size=2), GELU()]
    for width in (64, 96, 128):
        layers += [Conv2d(out_channels=width, kernel_size=3, padding=1, bias=False), MaxPool2d(kernel_size=2)]
        layers += [BatchNorm2d(momentum=0.4), GELU()]
        layers += [Conv2d(out_channels=width, kernel_size=3, padding=1, bias=False), BatchNorm2d(momentum=0.4), GELU()]
    layers += [AvgPool2d(kernel_size=3), Flatten(), Linear(out_features=10)]
    return _network("cifar-blocks", (3, 32, 32), *layers)


_PRESETS = (
    Preset(
        name="article-000-lenet5",
        title=N_("LeNet-5 of article 000"),
        sentence=N_("Two convolutions, two poolings, three dense layers: the classic to begin with."),
        source=N_("Article 000, section 4 (PyTorch)"),
        note=(
            N_(
                "The article calls it the classic LeNet-5 and praises it on MNIST. MNIST images are 28x28, but "
                "`fc1 = Linear(16 * 5 * 5, 120)` needs maps of 5x5 after the second pooling: 32 -> 28 -> 14 -> 10 -> 5. From 28 "
                "pixels only 4x4 is left, 256 numbers where 400 are expected. So the lab pads MNIST with two rows and "
                "columns of zeros on each side to 32x32, as LeCun et al. did in 1998."
            ),
            N_(
                "It is LeNet-5 in its sizes only: the network of 1998 has tanh, average pooling with learned scales and another "
                "last layer; see lenet5-1998. The article gives no training recipe; the one here is the lab's."
            ),
        ),
        architecture=_lenet("article-000-lenet5", 1),
        recipe={"optimizer": "adam", "lr": 1e-3, "batch_size": 64, "epochs": 5},
    ),
    Preset(
        name="article-001-cnn",
        title=N_("CNN of article 001"),
        sentence=N_("The same network written with pooling modules and `view(-1, 16 * 5 * 5)`."),
        source=N_("Article 001, section 4 (PyTorch)"),
        note=(
            N_(
                "Number for number the network of article 000. The article never says how large its pictures are; "
                "`16 * 5 * 5` decides it: one channel, 32x32."
            ),
            N_(
                "`view(-1, 16 * 5 * 5)` hides a wrong size: fed with 28x28 images it raises an error at batch 64, but at "
                "batch 25 it silently cuts 25 images into 16 rows. Flatten keeps one row for each image, and the error "
                "shows at once. The article names SGD and cross-entropy without numbers; those here are the lab's."
            ),
        ),
        architecture=_lenet("article-001-cnn", 1),
        recipe={"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "batch_size": 64, "epochs": 5},
    ),
    Preset(
        name="article-002-cifar",
        title=N_("CIFAR-10 network of article 002"),
        sentence=N_("LeNet's sizes on colour pictures, and a promise that it cannot keep."),
        source=N_("Article 002, section 4 (PyTorch)"),
        note=(
            N_(
                "The article promises more than 90 % on CIFAR-10 with SGD and cross-entropy. A network of this size does not "
                "get there: on the whole of CIFAR-10, 20 epochs of the recipe here end at 64 % of the test images, while 89 % of the "
                "training images are already right. Longer training mostly widens that gap."
            ),
            N_(
                "cifar-blocks passes 90 %: wider layers, batch normalisation, and pictures shifted and mirrored while it learns."
            ),
        ),
        architecture=_lenet("article-002-cifar", 3),
        recipe={
            "optimizer": "sgd",
            "lr": 0.01,
            "momentum": 0.9,
            "schedule": "cosine",
            "batch_size": 64,
            "epochs": 20,
        },  # fmt: skip
        data="cifar10-sample",
    ),
    Preset(
        name="article-003-keras",
        title=N_("Keras network of article 003"),
        sentence=N_("Three 3x3 convolutions made for 28x28 digits, with softmax as the last layer."),
        source=N_("Article 003, section 4 (TensorFlow, Keras)"),
        note=(
            N_(
                "Softmax stands in the network, and Keras' sparse categorical cross-entropy expects just that: probabilities. "
                "In PyTorch, `CrossEntropyLoss` applies softmax itself, so the same network with that loss would apply "
                "it twice and learn slowly. The lab sees the Softmax at the end and takes the negative log-likelihood of its output."
            ),
            N_(
                "The article writes its maps as large as their input; without padding its own code shrinks them: "
                "28 -> 26 -> 13 -> 11 -> 5 -> 3. Keras counts the same 93,322 parameters; only the order of the 576 flattened "
                "numbers differs (Keras keeps the channels last). Batch 32 is Keras' default; the article names Adam and 5 epochs."
            ),
        ),
        architecture=_network(
            "article-003-keras",
            (1, 28, 28),
            Conv2d(out_channels=32, kernel_size=3),
            ReLU(),
            MaxPool2d(kernel_size=2),
            Conv2d(out_channels=64, kernel_size=3),
            ReLU(),
            MaxPool2d(kernel_size=2),
            Conv2d(out_channels=64, kernel_size=3),
            ReLU(),
            Flatten(),
            Linear(out_features=64),
            ReLU(),
            Linear(out_features=10),
            Softmax(),
        ),
        recipe={"optimizer": "adam", "lr": 1e-3, "batch_size": 32, "epochs": 5},
    ),
    Preset(
        name="article-004-cnn",
        title=N_("CNN of article 004, as printed"),
        sentence=N_("It cannot run: find out why, and mend it with one click."),
        source=N_("Article 004, section 4 (PyTorch)"),
        note=(
            N_(
                "`fc1 = Linear(64 * 7 * 7, 128)` expects 3136 numbers, but 32x32 pictures arrive there as 64 maps of 8x8: 4096 "
                "numbers. 7x7 would be right for 28x28 pictures; the article feeds 3x32x32."
            ),
            N_(
                "The article flattens with `view(-1, 64 * 7 * 7)`. With its own batch of 64 images that raises an error, since "
                "`64 * 4096` is no multiple of 3136. With 49 images it runs and silently makes 64 rows of them (and 128 of 98), "
                "48 of the 64 pieced together from two pictures; only the loss then complains that 64 answers do not match "
                "49 labels. The article's test batch of 16 raises, too."
            ),
            N_(
                "The article's training is ten steps on one batch of random numbers with random labels: there is nothing in it to learn."
            ),
        ),
        architecture=_article_004("article-004-cnn", 64 * 7 * 7),
        recipe={"optimizer": "sgd", "lr": 0.01, "batch_size": 64, "epochs": 10},
        data="cifar10-sample",
    ),
    Preset(
        name="article-004-cnn-fixed",
        title=N_("CNN of article 004, mended"),
        sentence=N_("The same network with the 4096 numbers that really arrive at fc1."),
        source=N_("Article 004, section 4, one number changed"),
        note=(
            N_(
                "`Linear(64 * 8 * 8, 128)` instead of `Linear(64 * 7 * 7, 128)`, and Flatten instead of `view`. The recipe is the article's: "
                "SGD with learning rate 0.01, batch 64, ten epochs, here on real pictures. SGD without momentum is slow; try 0.9."
            ),
        ),
        architecture=_article_004("article-004-cnn-fixed", 64 * 8 * 8),
        recipe={"optimizer": "sgd", "lr": 0.01, "batch_size": 64, "epochs": 10},
        data="cifar10-sample",
    ),
    Preset(
        name="mnist-sprint",
        title=N_("MNIST sprint"),
        sentence=N_("Made for speed: 99 % of the test digits after a single epoch."),
        source=N_("This lab; one-cycle schedule after arXiv:1708.07120 (Smith & Topin 2017)"),
        note=(
            N_(
                "Batch normalisation lets the learning rate rise to 0.02 without harm; the one-cycle schedule brings it "
                "down again before the epoch ends; each digit is shifted by up to one pixel; label smoothing keeps the "
                "answers from growing overconfident."
            ),
        ),
        architecture=_network(
            "mnist-sprint",
            (1, 28, 28),
            Conv2d(out_channels=16, kernel_size=5),
            MaxPool2d(kernel_size=2),
            BatchNorm2d(),
            ReLU(),
            Conv2d(out_channels=32, kernel_size=5),
            MaxPool2d(kernel_size=2),
            BatchNorm2d(),
            ReLU(),
            Flatten(),
            Linear(out_features=10),
        ),
        recipe={
            "optimizer": "adam",
            "lr": 0.02,
            "schedule": "one_cycle",
            "label_smoothing": 0.05,
            "batch_size": 128,
            "epochs": 1,
            "augmentation": {"shift": 1},
            "full_train": True,
        },  # fmt: skip
    ),
    Preset(
        name="cifar-blocks",
        title=N_("CIFAR blocks"),
        sentence=N_("Three blocks of convolutions with batch normalisation: the one that passes 90 % on CIFAR-10."),
        source=N_("After the airbench94 recipe, Jordan 2024, arXiv:2404.00498, with narrower blocks"),
        note=(
            N_(
                "The first convolution is fixed to filters that whiten the pictures; the pictures are mirrored and shifted while it "
                "learns; when tested, a picture and its mirror image are averaged. The 90 % need all 50,000 training images; on "
                "cifar10-sample, a tenth of them, it ends far lower."
            ),
        ),
        architecture=_cifar_blocks(),
        recipe={
            "optimizer": "sgd",
            "lr": 0.25,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 2e-3,
            "schedule": "triangular",
            "warmup": 0.23,
            "label_smoothing": 0.2,
            "batch_size": 512,
            "epochs": 8,
            "augmentation": {"crop_padding": 2, "flip": True},
            "whiten": True,
            "mirror": True,
            "full_train": True,
        },  # fmt: skip
        data="cifar10",
    ),
    Preset(
        name="mlp-lenet",
        title=N_("Dense network, as large as LeNet"),
        sentence=N_("No convolution at all, with about as many parameters as LeNet: what does convolution buy?"),
        source=N_("This lab, for comparison"),
        note=(
            N_(
                "61,842 parameters against LeNet's 61,706, but 61,696 multiply-adds instead of 416,520: a dense layer uses each weight "
                "once, a filter uses it at every position. Shift the digits by a few pixels and compare the two."
            ),
        ),
        architecture=_network(
            "mlp-lenet",
            (1, 28, 28),
            Flatten(),
            Linear(out_features=72),
            ReLU(),
            Linear(out_features=64),
            ReLU(),
            Linear(out_features=10),
        ),
        recipe={"optimizer": "adam", "lr": 1e-3, "batch_size": 64, "epochs": 5},
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (*_PRESETS, *ZOO)}
"""Every preset by its name, in the order in which the cards stand."""


def load_network(net: str) -> Architecture:
    """Return the network that ``net`` names: a preset, or the path of an architecture's JSON file.

    Raises:
        ArchitectureError: neither a preset nor a readable file, or a file that holds no network.
    """
    if net in PRESETS:
        return PRESETS[net].architecture
    path = Path(net).expanduser()
    try:
        with path.open("rb") as file:
            document = file.read(MAX_JSON_BYTES + 1)  # from_json refuses the one byte too many
    except (OSError, ValueError) as error:
        close = difflib.get_close_matches(net[:80], PRESETS, n=1, cutoff=0.5)
        if close:
            raise ArchitectureError(
                "{net}: neither a preset nor a readable file; did you mean {close}?", net=net[:80], close=close[0]
            ) from error
        raise ArchitectureError(
            "{net}: neither a preset nor a readable file; the presets: {presets}",
            net=net[:80],
            presets=", ".join(PRESETS),
        ) from error
    return Shared.from_json(document).architecture
