"""What holds layers: in order, with a shortcut around them, in branches, densely connected; and the base of all blocks.

Look for them in :mod:`cnnlab.architecture.blocks`, where every kind of block stands.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from cnnlab.architecture import tape as tapes
from cnnlab.architecture.joins import Add, Chunk, Concat, JoinSpec, Multiply, PadShortcut, written
from cnnlab.architecture.layers import BatchNorm2d, Conv2d
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import MAX_KERNEL, MAX_LAYERS, LayerSpec
from cnnlab.architecture.tape import Here, Signal, Tape
from cnnlab.errors import ArchitectureError, ShapeError
from cnnlab.i18n import N_, Message

if TYPE_CHECKING:
    from cnnlab.architecture.blocks import AnyLayer

_B = TypeVar("_B", bound="Block")

MAX_NESTING = 12
MAX_UNROLLED = 2000
MAX_BRANCHES = 64
MAX_REPEAT = 1000

TORCH_NAMES = frozenset(
    """T_destination add_module apply architecture bfloat16 bias buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu leaves
    load_state_dict logits modules mtia named_buffers named_children named_modules named_parameters parameters
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ running_mean running_var
    num_batches_tracked set_extra_state set_submodule share_memory state_dict to to_empty train training type
    use_generator weight xpu zero_grad input run replace_leaf drop_softmax""".split()
)
"""What a block may not be called, because torch's modules or the addresses of numbers use the word themselves."""


class _Refused(ArchitectureError, ValueError):
    """A sentence of ours that pydantic hands on as its finding."""


def check_size(layers: Collection[LayerSpec]) -> None:
    """Raise unless ``layers``, all repeats counted, stay within what is unrolled here; nothing is unrolled for that.

    Raises:
        ArchitectureError: too many layers, or blocks inside each other too deep. (A ValueError, too, for pydantic.)
    """
    if (deepest := max((layer.nesting for layer in layers), default=0)) > MAX_NESTING:
        raise _Refused(
            "blocks stand inside each other {depth} deep; {limit} at most are taken", depth=deepest, limit=MAX_NESTING
        )
    if (size := sum(layer.unrolled_size for layer in layers)) > MAX_UNROLLED:
        raise _Refused(
            "all repeats counted, these are {count:,} layers and blocks; a network may have {limit:,} at most",
            count=size,
            limit=MAX_UNROLLED,
        )


class Block(LayerSpec):
    """Several layers that act as one; see the module's words.

    Args:
        name: what it is called in the network's names; empty for the kind's own word.
    """

    group: ClassVar[str] = "block"

    name: str = Field(
        "",
        max_length=40,
        pattern=r"^([A-Za-z][A-Za-z0-9_]*)?$",
        description=N_("What the block is called in the names of its layers; empty for the usual word and a number."),
    )

    @field_validator("name")
    @classmethod
    def _free_word(cls, name: str) -> str:
        if name in TORCH_NAMES or keyword.iskeyword(name):
            raise _Refused("{name} is a word of PyTorch or Python; choose another name", name=name)
        return name

    @model_validator(mode="after")
    def _bounded(self: _B) -> _B:
        check_size([self])
        return self

    @property
    def called(self) -> str:
        return self.name or self.prefix

    @property
    def has_own_name(self) -> bool:
        return bool(self.name)

    @property
    def inner(self) -> tuple[LayerSpec, ...]:
        """The layers or branches that stand in it, in the order of their places."""
        return ()

    def with_inner(self: _B, layers: tuple[LayerSpec, ...]) -> _B:
        """Return the block with others in place of ``inner``.

        Raises:
            pydantic.ValidationError: it cannot hold them.
        """
        return self

    @property
    def unrolled_size(self) -> int:
        return 2 + sum(layer.unrolled_size for layer in self.inner)

    @property
    def nesting(self) -> int:
        return 1 + max((layer.nesting for layer in self.inner), default=0)

    def output_shape(self, shape: Shape) -> Shape:
        tape, leaves = self._unrolled(shape)
        if error := next((row.error for row in tape.rows if row.error), None):
            raise error
        return leaves.shape if leaves.shape is not None else shape

    def num_params(self, shape: Shape) -> int:
        return sum(row.num_params or 0 for row in self._unrolled(shape)[0].rows)

    def macs(self, shape: Shape) -> int:
        return sum(row.macs or 0 for row in self._unrolled(shape)[0].rows)

    def _unrolled(self, shape: Shape) -> tuple[Tape, Signal]:
        tape = Tape()
        return tape, tape.body((self,), tapes.start(shape), tapes.TOP)

    def named(self: _B, name: str) -> _B:
        """Return the block under another name of its own."""
        return self._changed(name=name)

    def _changed(self: _B, **fields: Any) -> _B:
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**kept, **fields})


class Sequence(Block):
    """Layers one behind the other, under one name; ``repeat`` makes copies, each with weights of its own."""

    kind: Literal["Sequence"] = "Sequence"
    prefix: ClassVar[str] = "block"
    explanation: ClassVar[str] = N_("Layers one behind the other under one name; it may stand several times in a row.")
    formula: ClassVar[str] = r"y = f_n(\dots f_2(f_1(x)))"

    layers: tuple[AnyLayer, ...] = Field((), max_length=MAX_LAYERS, description=N_("The layers inside, in order."))
    repeat: int = Field(
        1,
        ge=1,
        le=MAX_REPEAT,
        description=N_("How many copies stand one behind the other, each with weights of its own."),
    )

    @property
    def inner(self) -> tuple[LayerSpec, ...]:
        return self.layers

    def with_inner(self: _B, layers: tuple[LayerSpec, ...]) -> _B:
        return self._changed(layers=layers)

    @property
    def copies(self) -> int:
        return self.repeat

    @property
    def unrolled_size(self) -> int:
        return self.repeat * (1 + sum(layer.unrolled_size for layer in self.layers))

    def unroll(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        return tape.body(self.layers, arrives, here)

    def unroll_copies(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        """Unroll all copies inside one name, as a branch has to."""
        if self.repeat == 1:
            return tape.one(self, arrives, here)
        for number in range(1, self.repeat + 1):
            arrives = tape.one(self, arrives, here.inside(f"block{number}"))
        return arrives


class Residual(Block):
    """What the body makes of its input, plus the input itself (He et al. 2016, arXiv:1512.03385).

        y = body(x) + shortcut(x)

    ``identity`` brings x as it is. ``projection`` is Conv2d(1x1, bias=False) and BatchNorm2d (options B and C of the paper);
    ``pad`` has no weights (option A): it keeps every stride-th pixel and puts half of the new channels, as zeros, before
    the old ones, the rest after; where the shapes are the same it is the identity. The stride follows from the body's shapes.
    """

    kind: Literal["Residual"] = "Residual"
    prefix: ClassVar[str] = "residual"
    explanation: ClassVar[str] = N_(
        "Adds its input to what the layers inside make of it, so that they only learn the difference."
    )
    formula: ClassVar[str] = r"y = f(x) + s(x)"

    layers: tuple[AnyLayer, ...] = Field((), max_length=MAX_LAYERS, description=N_("The layers inside, in order."))
    shortcut: Literal["identity", "projection", "pad"] = Field(
        "identity",
        description=N_(
            "How the input gets past them: identity leaves it as it is, projection fits it with a learned 1×1 convolution, "
            "pad fits it with zeros."
        ),
    )

    @property
    def inner(self) -> tuple[LayerSpec, ...]:
        return self.layers

    def with_inner(self: _B, layers: tuple[LayerSpec, ...]) -> _B:
        return self._changed(layers=layers)

    @property
    def unrolled_size(self) -> int:
        return 4 + sum(layer.unrolled_size for layer in self.layers)

    def unroll(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        body = tape.body(self.layers, arrives, here)
        shortcut, refused = arrives, None
        if arrives.shape is not None and body.shape is not None:
            try:
                for layer in self.shortcut_layers(arrives.shape, body.shape):
                    shortcut = tape.leaf(layer, here.inside(f"shortcut.{layer.prefix}"), shortcut)
            except ShapeError as error:
                refused = error
        return tape.join(Add(), here.inside("add"), (body, shortcut), refused)

    def shortcut_layers(self, arrives: Shape, leaves: Shape) -> tuple[LayerSpec, ...]:
        """Return the layers of the shortcut where the body turns ``arrives`` into ``leaves``.

        Raises:
            ShapeError: no such shortcut fits the two.
        """
        same = arrives == leaves
        if self.shortcut == "identity" and not same:
            if len(arrives) == len(leaves) == 3 and _stride(arrives, leaves) is None:  # no shortcut would fit
                raise self._misfit(Message("let the body divide height and width by one whole number"), arrives, leaves)
            raise self._misfit(
                Message("use shortcut=projection or shortcut=pad, or let the body keep the shape"), arrives, leaves
            )
        if self.shortcut == "identity" or (self.shortcut == "pad" and same):
            return ()
        if len(arrives) != 3 or len(leaves) != 3:
            raise self._misfit(Message("use shortcut=identity and let the body keep the shape"), arrives, leaves)
        stride = _stride(arrives, leaves)
        if stride is None:
            raise self._misfit(Message("let the body divide height and width by one whole number"), arrives, leaves)
        if self.shortcut == "projection":
            return Conv2d(out_channels=leaves[0], kernel_size=1, stride=stride, bias=False), BatchNorm2d()
        if leaves[0] < arrives[0]:
            raise self._misfit(Message("use shortcut=projection, or let no channels be lost"), arrives, leaves)
        return (PadShortcut(out_channels=leaves[0], stride=stride),)

    def _misfit(self, hint: Message, arrives: Shape, leaves: Shape) -> ShapeError:
        return ShapeError(
            "{where}: {arrives} arrives and the body leaves {leaves}, which shortcut={shortcut} cannot bring together; {hint}",
            where=self.kind,
            arrives=written((arrives,)),
            leaves=written((leaves,)),
            shortcut=self.shortcut,
            hint=hint,
        )


def _stride(arrives: Shape, leaves: Shape) -> int | None:
    """Return the smallest stride with which a 1-px window turns one height and width into the other, or None."""
    for stride in range(1, MAX_KERNEL + 1):
        if all((before - 1) // stride + 1 == after for before, after in zip(arrives[1:], leaves[1:])):
            return stride
    return None


class Branches(Block):
    """Several ways side by side; what they bring is joined.

    Every branch sees the whole input, or with ``split`` an equal share of its channels. A branch without layers brings
    what arrives as it is.
    Source: Szegedy et al. 2014, arXiv:1409.4842 (concat); Hu et al. 2017, arXiv:1709.01507 (multiply);
    Ma et al. 2018, arXiv:1807.11164 (split).
    """

    kind: Literal["Branches"] = "Branches"
    prefix: ClassVar[str] = "branches"
    explanation: ClassVar[str] = N_("Lets several ways work side by side on the same input and joins what they bring.")
    formula: ClassVar[str] = r"y = \operatorname{join}\left(f_1(x), f_2(x), \dots\right)"

    branches: tuple[Sequence, ...] = Field(
        default_factory=lambda: (Sequence(), Sequence()),
        min_length=1,
        max_length=MAX_BRANCHES,
        description=N_("The ways side by side."),
    )
    join: Literal["concat", "add", "multiply"] = Field(
        "concat",
        description=N_(
            "How what they bring becomes one: concat puts the maps one behind the other, add and multiply go number by number."
        ),
    )
    split: bool = Field(
        False, description=N_("Gives each branch an equal share of the channels instead of all of them.")
    )

    @property
    def inner(self) -> tuple[LayerSpec, ...]:
        return self.branches

    def with_inner(self: _B, layers: tuple[LayerSpec, ...]) -> _B:
        ways = tuple(one if isinstance(one, Sequence) else Sequence(layers=(one,)) for one in layers)  # type: ignore[arg-type]
        return self._changed(branches=ways)

    @property
    def unrolled_size(self) -> int:
        return 2 + sum(1 + branch.unrolled_size + self.split for branch in self.branches)

    def unroll(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        join = _JOINS[self.join]
        ends = []
        for position, (branch, name) in enumerate(zip(self.branches, self.branch_names())):
            inside, signal = here.inside(name, position), arrives
            if self.split:
                share = Chunk(index=position, chunks=len(self.branches))
                signal = tape.leaf(share, inside.inside("chunk"), signal)
            ends.append(branch.unroll_copies(tape, signal, inside))
        return tape.join(join, here.inside(join.prefix), ends)

    def branch_names(self) -> list[str]:
        """Return the branches' names: their own, or ``branch`` and their position from 1."""
        return tapes.chosen_names([(b.name, f"branch{i}") for i, b in enumerate(self.branches, 1)])


_JOINS: dict[str, JoinSpec] = {"concat": Concat(), "add": Add(), "multiply": Multiply()}


class DenseBlock(Block):
    """Several times: what arrives, and behind it what the body makes of it (Huang et al. 2016, arXiv:1608.06993).

    x = concat(x, body(x)),  repeated; every copy of the body sees the maps of all copies before it
    """

    kind: Literal["DenseBlock"] = "DenseBlock"
    prefix: ClassVar[str] = "dense"
    explanation: ClassVar[str] = N_(
        "Each copy of the layers inside sees the input and the maps of all copies before it, and adds its own behind them."
    )
    formula: ClassVar[str] = r"x_{l+1} = \left[x_l, f_l(x_l)\right]"

    layers: tuple[AnyLayer, ...] = Field((), max_length=MAX_LAYERS, description=N_("The layers inside, in order."))
    repeat: int = Field(
        1, ge=1, le=MAX_REPEAT, description=N_("How many copies there are, each with weights of its own.")
    )

    @property
    def inner(self) -> tuple[LayerSpec, ...]:
        return self.layers

    def with_inner(self: _B, layers: tuple[LayerSpec, ...]) -> _B:
        return self._changed(layers=layers)

    @property
    def unrolled_size(self) -> int:
        return 1 + self.repeat * (2 + sum(layer.unrolled_size for layer in self.layers))

    def unroll(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        for number in range(1, self.repeat + 1):
            copy = here.inside(f"layer{number}")
            body = tape.body(self.layers, arrives, copy)
            arrives = tape.join(Concat(), copy.inside("concat"), (arrives, body))
        return arrives
