"""``Checkpoint``: all of a run between two events, so that it can go on from there to the same bits.

One safetensors file: the tensors by name, and one JSON document of plain values in its metadata. Nothing in it is ever
executed, so that a file may come from anyone.

    weights/NAME                parameters and buffers
    optimizer/PARAMETER/KEY     what the optimizer remembers of a parameter, under torch's own keys
    best/NAME                   the same, of the step that the validation set has liked best (early stopping)
    watched/NAME                what the watcher of the steps remembers (``Watcher.memory``), if there is one
    generator/PURPOSE           the state of a generator; that of "order" is the one the present epoch was drawn from,
                                so that its order of images is drawn again instead of kept
    generator/order-next        what the next epochs are drawn from, in a branch that has another seed since this one
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from torch import Tensor

from cnnlab.errors import RunError
from cnnlab.training.change import Applied, Share
from cnnlab.training.patience import Verdict
from cnnlab.training.recipe import Recipe
from cnnlab.validation import first_finding

FORMAT = "cnnlab.checkpoint"
VERSION = "1"
MAX_BYTES = 1_500_000_000
"""Above any network that the lab builds: weights, the best weights, and two numbers of the optimizer for each."""

_MAX_HEADER_BYTES = 8_000_000
_MAX_BRACKETS = 100_000

Count = Annotated[int, Field(ge=0, le=2**53)]


class Standing(BaseModel):
    """Where a run stands, without its tensors.

    Attributes:
        data, data_hash: what it learns from.
        recipe: as the run was begun; ``changes`` say what was changed since, and when.
        dropout, frozen: what is in force of the changes that no recipe holds.
        step: optimizer updates done.
        epoch: epochs begun.
        position: how many images of the present epoch's order are used up, of the ``planned`` ones.
        due: the look at validation images that follows the last step and is not finished: none, some or all of them.
        verdict: what the looks at the validation images have decided.
        tested: the final test is done, nothing follows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["cnnlab.checkpoint"] = FORMAT  # type: ignore[assignment]
    version: Literal["1"] = VERSION  # type: ignore[assignment]
    data: str = Field("", max_length=80)
    data_hash: str = Field("", max_length=128)
    recipe: Recipe
    changes: tuple[Applied, ...] = ()
    dropout: dict[str, Share] = {}
    frozen: tuple[str, ...] = ()
    step: Count = 0
    epoch: Count = 0
    position: Count = 0
    planned: Count = 0
    due: Literal["none", "some", "all"] = "none"
    verdict: Verdict = Verdict()
    tested: bool = False


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run at one moment: plain values and copies of its tensors, which training does not change any more."""

    standing: Standing
    tensors: Mapping[str, Tensor] = field(repr=False)

    @property
    def step(self) -> int:
        """Optimizer updates done."""
        return self.standing.step

    @property
    def epoch(self) -> int:
        """Epochs begun."""
        return self.standing.epoch

    @property
    def recipe(self) -> Recipe:
        """The recipe in force: the one that the run was begun with, and every change since."""
        recipe = self.standing.recipe
        for applied in self.standing.changes:
            recipe = applied.change.recipe(recipe)
        return recipe

    @property
    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers under their names in the network: what a model of this moment is made of."""
        return self.under("weights")

    def under(self, kind: str) -> dict[str, Tensor]:
        """Return the tensors whose name begins with ``kind/``, without it."""
        return {name[len(kind) + 1 :]: tensor for name, tensor in self.tensors.items() if name.startswith(kind + "/")}

    def to_bytes(self) -> bytes:
        """Return the checkpoint as the bytes of one safetensors file."""
        return safetensors.torch.save(dict(self.tensors), {FORMAT: self.standing.model_dump_json()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """Return the checkpoint that ``to_bytes`` wrote; the bytes may come from anyone.

        Whether its tensors are those of a network is found out when a run is restored from it.

        Raises:
            RunError: too large, damaged, of another kind or version.
        """
        if len(data) > MAX_BYTES:
            raise RunError("this checkpoint is larger than {limit} MB", limit=MAX_BYTES // 1_000_000)
        document = _document(data)
        try:
            standing = Standing.model_validate_json(document)
        except ValidationError as error:
            raise RunError("this checkpoint is not understood: {finding}", finding=first_finding(error)) from error
        try:
            tensors = safetensors.torch.load(data)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:  # also element types that torch lacks
            raise RunError("this checkpoint is damaged: it is not a whole safetensors file") from error
        return cls(standing, tensors)


def _document(data: bytes) -> str:
    """Return the JSON document in the metadata, without trusting anything around it."""
    length = int.from_bytes(data[:8], "little")
    header: Any = None
    if 2 <= length <= min(_MAX_HEADER_BYTES, len(data) - 8):
        text = data[8 : 8 + length]
        try:
            header = json.loads(text) if text.count(b"[") + text.count(b"{") < _MAX_BRACKETS else None
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        raise RunError("this checkpoint is damaged: it is not a whole safetensors file")
    metadata = header.get("__metadata__")
    document = metadata.get(FORMAT) if isinstance(metadata, dict) else None
    if not isinstance(document, str):
        raise RunError("this file is no checkpoint of CNN Lab: its metadata has no entry {entry}", entry=FORMAT)
    return document


def check_tensors(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise RunError unless ``given`` has just the names, shapes and element types of ``wanted``."""
    for name in sorted(given.keys() | wanted.keys()):
        found, needed = (_written(tensors.get(name)) for tensors in (given, wanted))
        if found != needed:
            raise RunError(
                "{name}: this run needs {wanted}, the checkpoint has {given}; restore it with the network that it is of",
                name=name[:80],
                wanted=needed,
                given=found,
            )


def _written(tensor: Tensor | None) -> str:
    if tensor is None:
        return "-"
    return f"{str(tensor.dtype).removeprefix('torch.')} [{', '.join(map(str, tensor.shape))}]"


def set_generator(generator: torch.Generator, state: Tensor | None) -> None:
    """Set ``generator`` to ``state``; raises RunError where that is none."""
    try:
        if state is None or state.dtype != torch.uint8 or state.dim() != 1:
            raise RuntimeError("no state")
        generator.set_state(state)
    except RuntimeError as error:
        raise RunError("this checkpoint is damaged: the state of a random generator is not one") from error
