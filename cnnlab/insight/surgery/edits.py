"""Operations on the weights of one channel or one connection, always on a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cnnlab.architecture import Address
from cnnlab.errors import ModelError
from cnnlab.i18n import Message
from cnnlab.insight.filters import Filters, filters
from cnnlab.insight.surgery.beginning import beginning
from cnnlab.insight.surgery.chain import norms
from cnnlab.model import Model

if TYPE_CHECKING:
    from cnnlab.insight.surgery.table import Effect

Do = Literal["silence", "scale", "flip", "rotate", "shuffle", "write", "sobel", "initial"]
OPERATIONS: tuple[Do, ...] = ("silence", "scale", "flip", "rotate", "shuffle", "write", "sobel", "initial")
KERNELS_ONLY = frozenset({"flip", "rotate", "sobel"})
"""Operations that a single weight of a dense layer knows no sense of."""
MOST_EDITS = 100

WRITTEN = "silence, scale=0.5, flip=rows, rotate=1, shuffle=7, sobel=columns, initial"
"""How operations are written on a command line."""

_SETTINGS = {"scale": "factor", "flip": "axis", "sobel": "axis", "rotate": "turns", "shuffle": "seed"}
_PAST = ("changes", "parent", "parent_step", "start")
"""What of a training's result is as true of a changed copy: how its weights came about, not how good they are."""
_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Edit(BaseModel):
    """One operation.

    Attributes:
        do: which one.
        layer: of which convolution or dense layer.
        unit: of which of its channels (a dense layer's units).
        source: one connection alone, by its place in the weight: the input channel, in a grouped convolution counted
            from the first that the channel sees; None: the whole channel.
        factor: what ``scale`` multiplies with, a channel's bias too.
        axis: ``flip``: which axis is turned over; ``sobel``: along which axis it takes the difference.
        turns: ``rotate``: quarter turns to the left.
        seed: ``shuffle``: of the new order.
        values: ``write``: the new kernel, row by row; 1 by 1 for a dense layer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    do: Do
    layer: str = Field(max_length=200)
    unit: int = Field(ge=0)
    source: int | None = Field(default=None, ge=0)
    factor: Number = 0.5
    axis: Literal["columns", "rows"] = "columns"
    turns: int = Field(default=1, ge=1, le=3)
    seed: int = Field(default=0, ge=0, le=2**31)
    values: tuple[tuple[Number, ...], ...] = Field(default=(), max_length=64)

    @classmethod
    def parse(cls, what: str, where: str) -> Edit:
        """Return the operation ``what`` (``silence``, ``scale=0.5``, ``flip=rows``, ``rotate=2``, ``shuffle=7``) on ``where``.

        Args:
            what: an operation, with its one setting behind ``=``; all but ``write``.
            where: an address: ``conv1[3]`` for a channel, ``conv2.weight[3,1]`` for a connection.

        Raises:
            ArchitectureError: ``where`` is no address.
            ModelError: it is not one of a channel or a connection, or there is no such operation or setting.
        """
        do, _equals, value = what.partition("=")
        address = Address.parse(where)
        wanted = 1 if address.tensor is None else 2 if address.tensor == "weight" else 0
        if not wanted or len(address.index) != wanted:
            raise ModelError(
                "{where}: write a channel as conv1[3], a connection as conv2.weight[3,1]", where=where[:60]
            )
        unit, *rest = address.index
        settings = {_SETTINGS[do]: value} if value and do in _SETTINGS else {}
        try:
            if do == "write" or (value and not settings):
                raise ValueError
            return cls.model_validate(
                {"do": do, "layer": address.layer, "unit": unit, "source": rest[0] if rest else None, **settings}
            )
        except ValueError as error:
            raise ModelError("{what}: not an operation; write one of {known}", what=what[:60], known=WRITTEN) from error

    @property
    def where(self) -> str:
        """Return the address of what is changed, as the lab writes it."""
        return (
            f"{self.layer}[{self.unit}]" if self.source is None else f"{self.layer}.weight[{self.unit},{self.source}]"
        )

    @property
    def said(self) -> Message:
        """Return what is done, with its numbers."""
        if self.do == "scale":
            return Message("times {factor:g}", factor=self.factor)
        if self.do == "rotate":
            return Message("turned to the left by {degrees}°", degrees=90 * self.turns)
        by_axis = {
            ("flip", "columns"): Message("turned over, left and right"),
            ("flip", "rows"): Message("turned over, top and bottom"),
            ("sobel", "columns"): Message("Sobel, left to right"),
            ("sobel", "rows"): Message("Sobel, top to bottom"),
        }
        plain = {
            "silence": Message("silenced"),
            "shuffle": Message("shuffled"),
            "write": Message("written by hand"),
            "initial": Message("as it was before training"),
        }
        return by_axis.get((self.do, self.axis)) or plain[self.do]


def operated(model: Model, edits: Sequence[Edit], initial: Mapping[str, Tensor] | None = None) -> Model:
    """Return a new model after ``edits``, one after the other; ``model`` stays as it is.

    A channel is silenced by zeros in its filter, its bias and the scale and shift of the batch normalisations behind
    it, so that nothing of it arrives at the next layer (through Sigmoid, a silent channel says 0.5).

    Args:
        initial: the weights before training, for ``initial``; None: ``beginning(model)``.

    Raises:
        ModelError: no such layer, channel or connection, or an operation that makes no sense there.
    """
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    for edit in edits:
        if edit.do == "initial" and initial is None:
            initial = beginning(model)
        _operate(model, state, edit, initial or {})
    done = [edit.model_dump(mode="json", exclude_defaults=True) for edit in edits]
    origin, result = model.about.name or model.architecture.name, model.about.result
    past = {name: result[name] for name in _PAST if name in result}
    result = {**past, "made_from": origin, "surgery": done}
    about = model.about.model_copy(update={"name": f"{origin[:70]}-cut", "result": result})
    return Model(model.description.model_copy(update={"about": about}), state)


def named(model: Model, name: str, effect: Effect | None = None) -> Model:
    """Return ``model`` under another name, with what was measured of it on a part of the test images."""
    about = model.about
    clean = "".join(ch for ch in name if ch.isprintable()).strip()[:60] or about.name
    measured = {} if effect is None else {"measured": {"images": effect.images, "acc": effect.acc_after}}
    about = about.model_copy(update={"name": clean, "result": {**about.result, **measured}})
    return Model(model.description.model_copy(update={"about": about}), model.state)


def _operate(model: Model, state: dict[str, Tensor], edit: Edit, initial: Mapping[str, Tensor]) -> None:
    found = filters(model, edit.layer)
    place = _place(found, edit)
    weight, name = state[f"{edit.layer}.weight"], f"{edit.layer}.bias"
    weight[place] = _changed(weight[place], edit, initial.get(f"{edit.layer}.weight", weight)[place])
    if edit.source is not None:
        return
    if name in state:
        bias = state[name]
        if edit.do in ("silence", "scale"):
            bias[edit.unit] *= edit.factor if edit.do == "scale" else 0.0
        elif edit.do == "initial":
            bias[edit.unit] = initial.get(name, bias)[edit.unit]
    if edit.do == "silence":
        for row in norms(model.architecture, edit.layer):
            state[f"{row.name}.weight"][edit.unit] = 0.0
            state[f"{row.name}.bias"][edit.unit] = 0.0


def _place(found: Filters, edit: Edit) -> tuple[int, ...]:
    """Return where in the weights the edit works: (unit,) or (unit, place of the source)."""
    count = found.weight.shape[0]
    if edit.unit >= count:
        raise ModelError(
            "{where}: {layer} has the channels 0 to {last}", where=edit.where, layer=edit.layer, last=count - 1
        )
    if not found.is_conv and edit.do in KERNELS_ONLY:
        raise ModelError("{where}: only a kernel of a convolution can be turned or become Sobel", where=edit.where)
    if edit.source is None:
        if edit.do == "write":
            raise ModelError("{where}: choose one connection to write its numbers by hand", where=edit.where)
        return (edit.unit,)
    sources = found.weight.shape[1]
    if edit.source >= sources:
        raise ModelError("{where}: there are the connections 0 to {last}", where=edit.where, last=sources - 1)
    return (edit.unit, edit.source)


def _changed(old: Tensor, edit: Edit, first: Tensor) -> Tensor:
    """Return the new numbers for ``old``: (C_in, k, k), (k, k), (F_in,) or a single one."""
    if edit.do == "silence":
        return torch.zeros_like(old)
    if edit.do == "scale":
        return old * edit.factor
    if edit.do == "flip":
        return old.flip(-1 if edit.axis == "columns" else -2)
    if edit.do == "rotate":
        return old.rot90(edit.turns, (-2, -1))
    if edit.do == "shuffle":
        order = torch.randperm(old.numel(), generator=torch.Generator().manual_seed(edit.seed))
        return old.flatten()[order].reshape(old.shape)
    if edit.do == "sobel":
        return _sobel(old, edit)
    return first if edit.do == "initial" else _written(old, edit)


def _written(old: Tensor, edit: Edit) -> Tensor:
    wanted = tuple(old.shape) or (1, 1)
    given = (len(edit.values), *{len(row) for row in edit.values})
    if given != wanted:
        raise ModelError(
            "{where}: {wanted} numbers are needed, {given} are given",
            where=edit.where, wanted="×".join(map(str, wanted)), given="×".join(map(str, given)),
        )  # fmt: skip
    return torch.tensor(edit.values, dtype=old.dtype).reshape(old.shape)


def _sobel(old: Tensor, edit: Edit) -> Tensor:
    """Return a Sobel kernel in the middle of each kernel of ``old``, with the norm of the one whose place it takes."""
    size = old.shape[-1]
    if size < 3:
        raise ModelError(
            "{where}: a Sobel kernel needs 3×3 pixels, this one has {size}×{size}", where=edit.where, size=size
        )
    edge = torch.tensor(_SOBEL, dtype=old.dtype)
    kernel = torch.zeros(size, size, dtype=old.dtype)
    first = (size - 3) // 2
    kernel[first : first + 3, first : first + 3] = edge if edit.axis == "columns" else edge.T
    norm = old.square().sum((-2, -1), keepdim=True).sqrt()
    return kernel / kernel.square().sum().sqrt() * norm
