"""Published weights for the full-size networks: fetched or read from a file, put in place by name, made into a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.zoo.names import NAMED, their_names
from cnnlab.build import Network
from cnnlab.data.progress import Report, silent
from cnnlab.description import ModelAbout, ModelDescription, Preprocessing
from cnnlab.errors import ModelError
from cnnlab.home import home
from cnnlab.model import Model
from cnnlab.weights import fetching
from cnnlab.weights.files import read_weights

__all__ = ["NAMES", "Published", "borrow", "fetch", "published", "read_weights", "saved", "state_for"]

NAMES = tuple(NAMED)
"""The networks that weights are published for."""

_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)")
_ASIDE = re.compile(r"aux[12]\..*")
"""GoogLeNet's classifiers on the way, which the network has only while it is trained."""


@dataclass(frozen=True)
class Published:
    """What torchvision says of the weights of one network.

    Attributes:
        address: where the file is.
        class_names: ImageNet's, in the order of the outputs.
        mean, std: what the pictures are normalised with, for each channel in [0, 1] units.
        num_params: how many parameters the network has.
        acc: the share of ImageNet's validation pictures that it names, in [0, 1].
    """

    address: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_params: int
    acc: float


def published(name: str) -> Published:
    """Return what is published for the network ``name``: torchvision's first ImageNet weights.

    Raises:
        ModelError: nothing is; the sentence lists the networks that something is published for.
    """
    if name not in NAMES:
        raise ModelError(
            "{net}: no weights are published for it here; they are for {known}", net=name[:80], known=", ".join(NAMES)
        )
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(name)["IMAGENET1K_V1"]
    transforms = weights.transforms()
    mean, std = tuple(transforms.mean), tuple(transforms.std)
    if name == "googlenet":
        mean = std = (0.5, 0.5, 0.5)  # torchvision's own first step brings its pictures to these (transform_input)
    found = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100
    names = tuple(str(category)[:80] for category in weights.meta["categories"])
    return Published(weights.url, names, mean, std, weights.meta["num_params"], found)


def fetch(name: str, progress: Report = silent) -> Path:
    """Return the published file of the network ``name``, downloaded unless it is here; raises ModelError."""
    return fetching.fetch(name, published(name).address, progress)


def saved(name: str) -> Path:
    """Return where the model of the network ``name`` is kept unless somebody chooses another place."""
    return home() / "weights" / f"{name}.safetensors"


def borrow(name: str, path: Path | str) -> Model:
    """Return the network ``name`` with the weights in the file ``path``, which may come from anyone.

    Raises:
        ModelError: nothing is published for it, or the file is not one of its weights; both shapes are named.
    """
    facts = published(name)
    state = state_for(name, read_weights(path))
    architecture = PRESETS[name].architecture
    preprocessing = Preprocessing(
        data_shape=architecture.input_shape, input_shape=architecture.input_shape, mean=facts.mean, std=facts.std
    )
    about = ModelAbout(name=name, result={"weights": Path(path).name[:80]})
    description = ModelDescription(
        architecture=architecture, preprocessing=preprocessing, class_names=facts.class_names, about=about
    )
    return Model(description, state)


def state_for(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``tensors``, named as torchvision names them, under the names of our network ``name``.

    How many batches a normalisation has seen may be missing, as it is in old files; it plays no part in an answer.

    Raises:
        ModelError: one is missing, has another shape or kind, or is one too many.
    """
    architecture = PRESETS[name].architecture
    names = their_names(architecture)
    given = {_OLD_DENSENET.sub(r"\1\2", key): tensor for key, tensor in tensors.items() if not _ASIDE.fullmatch(key)}
    with torch.device("meta"):
        wanted = Network(architecture).state_dict()
    state: dict[str, Tensor] = {}
    for ours, blank in wanted.items():
        layer, _dot, kind = ours.rpartition(".")
        theirs = f"{names[layer]}.{kind}"
        tensor = given.pop(theirs, torch.zeros((), dtype=torch.long) if kind == "num_batches_tracked" else None)
        if tensor is None or tensor.shape != blank.shape or tensor.is_floating_point() != blank.is_floating_point():
            raise _misfit(name, theirs, blank, tensor)
        state[ours] = tensor
    for theirs in given:
        raise _misfit(name, theirs, None, given[theirs])
    return state


def _misfit(name: str, theirs: str, wanted: Tensor | None, given: Tensor | None) -> ModelError:
    tensor = theirs[:120]
    if given is None:
        return ModelError(
            "{tensor}: {net} needs {wanted}, the file has no such tensor",
            tensor=tensor,
            net=name,
            wanted=_written(wanted),
        )
    if wanted is None:
        return ModelError(
            "{tensor}: the file has {given}, {net} has no such tensor", tensor=tensor, net=name, given=_written(given)
        )
    return ModelError(
        "{tensor}: {net} needs {wanted}, the file has {given}",
        tensor=tensor,
        net=name,
        wanted=_written(wanted),
        given=_written(given),
    )


def _written(tensor: Tensor | None) -> str:
    return "" if tensor is None else f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
