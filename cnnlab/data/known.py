"""The data sets the lab knows by name: bundled ones, and public ones that can be fetched or imported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cnnlab.errors import DataError
from cnnlab.home import ASSETS
from cnnlab.i18n import N_

FOLDER = ASSETS / "datasets"
"""The folder of the bundled data sets."""


@dataclass(frozen=True)
class Known:
    """What is known of a data set before it is here.

    Args:
        name: how commands call it.
        title: how people call it.
        about: one sentence, an id to translate.
        class_names: in the order of the targets.
        image_shape: (C, H, W).
        splits: sizes of the published training and test sets.
        licence: under which terms it may be passed on, as its authors state them.
        source: who made it and where it is described.
        bundled: whether it comes with the lab.
        writing: whether it is handwriting prepared as MNIST's is: bright ink, centred on black.
        relative: the smaller or larger set with the same classes, offered where this one is absent.
        torchvision: the class in ``torchvision.datasets`` that knows its address; empty if it cannot be fetched.
        hash: content hash of the published set, where it has been computed; else empty.
    """

    name: str
    title: str
    about: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    splits: tuple[int, int]
    licence: str
    source: str
    bundled: bool = False
    writing: bool = False
    relative: str = ""
    torchvision: str = ""
    hash: str = ""


DIGITS = tuple("0123456789")
CIFAR10_CLASSES = (
    N_("airplane"), N_("automobile"), N_("bird"), N_("cat"), N_("deer"),
    N_("dog"), N_("frog"), N_("horse"), N_("ship"), N_("truck"),
)  # fmt: skip
FASHION_CLASSES = (
    N_("T-shirt/top"), N_("Trouser"), N_("Pullover"), N_("Dress"), N_("Coat"),
    N_("Sandal"), N_("Shirt"), N_("Sneaker"), N_("Bag"), N_("Ankle boot"),
)  # fmt: skip
KMNIST_CLASSES = ("お o", "き ki", "す su", "つ tsu", "な na", "は ha", "ま ma", "や ya", "れ re", "を wo")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
CIFAR100_CLASSES = (
    N_("apple"), N_("aquarium_fish"), N_("baby"), N_("bear"), N_("beaver"), N_("bed"), N_("bee"), N_("beetle"),
    N_("bicycle"), N_("bottle"), N_("bowl"), N_("boy"), N_("bridge"), N_("bus"), N_("butterfly"), N_("camel"),
    N_("can"), N_("castle"), N_("caterpillar"), N_("cattle"), N_("chair"), N_("chimpanzee"), N_("clock"),
    N_("cloud"), N_("cockroach"), N_("couch"), N_("crab"), N_("crocodile"), N_("cup"), N_("dinosaur"),
    N_("dolphin"), N_("elephant"), N_("flatfish"), N_("forest"), N_("fox"), N_("girl"), N_("hamster"), N_("house"),
    N_("kangaroo"), N_("keyboard"), N_("lamp"), N_("lawn_mower"), N_("leopard"), N_("lion"), N_("lizard"),
    N_("lobster"), N_("man"), N_("maple_tree"), N_("motorcycle"), N_("mountain"), N_("mouse"), N_("mushroom"),
    N_("oak_tree"), N_("orange"), N_("orchid"), N_("otter"), N_("palm_tree"), N_("pear"), N_("pickup_truck"),
    N_("pine_tree"), N_("plain"), N_("plate"), N_("poppy"), N_("porcupine"), N_("possum"), N_("rabbit"),
    N_("raccoon"), N_("ray"), N_("road"), N_("rocket"), N_("rose"), N_("sea"), N_("seal"), N_("shark"), N_("shrew"),
    N_("skunk"), N_("skyscraper"), N_("snail"), N_("snake"), N_("spider"), N_("squirrel"), N_("streetcar"),
    N_("sunflower"), N_("sweet_pepper"), N_("table"), N_("tank"), N_("telephone"), N_("television"), N_("tiger"),
    N_("tractor"), N_("train"), N_("trout"), N_("tulip"), N_("turtle"), N_("wardrobe"), N_("whale"),
    N_("willow_tree"), N_("wolf"), N_("woman"), N_("worm"),
)  # fmt: skip

_NO_LICENCE = "none stated by the authors; published for research and teaching, with the request to cite the report"
_KRIZHEVSKY = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images (https://www.cs.toronto.edu/~kriz/cifar.html)"
_FASHION = "Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747 (https://github.com/zalandoresearch/fashion-mnist)"

_SETS = (
    Known(
        "mnist", "MNIST", N_("Handwritten digits, 28x28 grey pixels: the classic."), DIGITS, (1, 28, 28), (60000, 10000),
        "Creative Commons Attribution-Share Alike 3.0",
        "LeCun, Cortes & Burges, The MNIST database of handwritten digits (http://yann.lecun.com/exdb/mnist/)",
        bundled=True, writing=True, hash="e60f19b2ff0898f7d58c405c8c4e876915c918ec6a7f45d1236769eddf90d169",
    ),
    Known(
        "fashion_mnist-sample", N_("Fashion-MNIST sample"),
        N_("Clothes, 28x28 grey pixels: the first 500 training and 100 test images of each class."),
        FASHION_CLASSES, (1, 28, 28), (5000, 1000), "MIT, Copyright 2017 Zalando SE", _FASHION,
        bundled=True, relative="fashion_mnist", hash="bcfc839af0a183bcef0115297888387138a2743fe5db8ba1510882bb94a2eba7",
    ),
    Known(
        "cifar10-sample", N_("CIFAR-10 sample"),
        N_("Small colour photographs, 32x32 pixels: the first 500 training and 100 test images of each class."),
        CIFAR10_CLASSES, (3, 32, 32), (5000, 1000), _NO_LICENCE, _KRIZHEVSKY,
        bundled=True, relative="cifar10", hash="6a498c40063a33d3231dca2937b6ef579e9b061fdf602b202be7d32fd19be659",
    ),
    Known(
        "cifar10", "CIFAR-10", N_("Small colour photographs of ten kinds, 32x32 pixels."), CIFAR10_CLASSES,
        (3, 32, 32), (50000, 10000), _NO_LICENCE, _KRIZHEVSKY, relative="cifar10-sample", torchvision="CIFAR10", hash="2e4ad14d066dc4e59adf11b8762bf4264bec0981bb86d65e0604b5c30383012c",
    ),
    Known(
        "cifar100", "CIFAR-100", N_("Small colour photographs of a hundred kinds, 32x32 pixels."), CIFAR100_CLASSES,
        (3, 32, 32), (50000, 10000), _NO_LICENCE, _KRIZHEVSKY, torchvision="CIFAR100",
    ),
    Known(
        "fashion_mnist", "Fashion-MNIST", N_("Clothes from a shop's catalogue, 28x28 grey pixels."), FASHION_CLASSES,
        (1, 28, 28), (60000, 10000), "MIT, Copyright 2017 Zalando SE", _FASHION,
        relative="fashion_mnist-sample", torchvision="FashionMNIST", hash="1e9560b2316c56b6e4e27827c09669218c5c59917c46e517890a3ce097fa7590",
    ),
    Known(
        "kmnist", "Kuzushiji-MNIST", N_("Old Japanese handwriting, ten syllables, 28x28 grey pixels."), KMNIST_CLASSES,
        (1, 28, 28), (60000, 10000), "Creative Commons Attribution-Share Alike 4.0",
        "Clanuwat et al. 2018, arXiv:1812.01718 (http://codh.rois.ac.jp/kmnist/)", torchvision="KMNIST", writing=True,
    ),
    Known(
        "emnist_letters", N_("EMNIST letters"), N_("Handwritten letters a to z, upper and lower case together, 28x28 grey pixels."),
        LETTERS, (1, 28, 28), (124800, 20800), "none stated; a work of the United States government (NIST)",
        "Cohen, Afshar, Tapson & van Schaik 2017, arXiv:1702.05373", torchvision="EMNIST", writing=True,
    ),
)  # fmt: skip

KNOWN: dict[str, Known] = {known.name: known for known in _SETS}
"""The known data sets by name, bundled ones first."""

FETCHABLE: tuple[str, ...] = tuple(name for name, known in KNOWN.items() if known.torchvision)
"""The names that :func:`cnnlab.data.sources.fetch` takes."""


@lru_cache(maxsize=4)
def manifest(folder: Path = FOLDER) -> dict[str, Any]:
    """Return ``{name: {"hash": content hash, "files": {file: sha256 of its content}}}`` of the bundled packs.

    Raises:
        DataError: the bundled data is missing or its manifest cannot be read.
    """
    path = folder / "manifest.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(
            "the bundled data sets are not in {folder}; the copy of the lab is incomplete, download it again",
            folder=str(folder),
        ) from error
