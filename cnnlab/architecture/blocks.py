"""Blocks of layers that nest: in order, with a shortcut around them, in branches, densely connected.

A block says how it is unrolled into single layers and joins; shapes, parameters, multiply-adds and receptive fields follow
from those. A shorthand (``InvertedResidual``) says what generic block it stands for, and that is unrolled.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from cnnlab.architecture import tape as tapes
from cnnlab.architecture.joins import Add, Chunk, Concat, JoinSpec, Multiply, PadShortcut, written
from cnnlab.architecture.layers import (
    GELU,
    LAYERS,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    ChannelShuffle,
    Conv2d,
    Dropout,
    Dropout2d,
    Flatten,
    GroupNorm,
    Hardswish,
    LayerNorm,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
    ZeroPad2d,
)
from cnnlab.architecture.rare import RBF, SelectChannels
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import MAX_CHANNELS, MAX_KERNEL, MAX_LAYERS, LayerSpec
from cnnlab.architecture.tape import Here, Signal, Tape
from cnnlab.errors import ArchitectureError, ShapeError
from cnnlab.i18n import N_, Message

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


Activation = Literal["ReLU", "ReLU6", "LeakyReLU", "SiLU", "Hardswish", "GELU", "Tanh", "Sigmoid"]


class Shorthand(Block):
    """A block known by name, which stands for a generic one."""

    def parts(self, shape: Shape) -> Sequence | Residual | Branches:
        """Return the generic block that this one stands for when ``shape`` arrives.

        Raises:
            ShapeError: it does not fit.
        """
        raise NotImplementedError

    @property
    def unrolled_size(self) -> int:
        return 14

    def unroll(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        if arrives.shape is None:
            return tape.leaf(self, here, arrives)
        try:
            parts = self.parts(arrives.shape)
        except ShapeError as error:
            return tape.leaf(self, here, arrives, error)
        return parts.unroll(tape, arrives, here.standing_for())


class DepthwiseSeparable(Shorthand):
    """A window for each channel by itself, then a 1x1 convolution over all (Howard et al. 2017, MobileNet, arXiv:1704.04861).

    Conv2d(groups=channels), BatchNorm2d, activation, Conv2d(1x1), BatchNorm2d, activation; no biases; padding kernel_size // 2.
    """

    kind: Literal["DepthwiseSeparable"] = "DepthwiseSeparable"
    prefix: ClassVar[str] = "separable"
    explanation: ClassVar[str] = N_(
        "First one small filter for each map by itself, then 1×1 filters that mix the maps: far fewer multiply-adds."
    )
    formula: ClassVar[str] = r"y_o = \sum_k v_{o,k}\,(w_k * x_k)"

    out_channels: int = Field(16, ge=1, le=MAX_CHANNELS, description=N_("How many feature maps come out."))
    kernel_size: int = Field(3, ge=1, le=MAX_KERNEL, description=N_("Side of the window in pixels."))
    stride: int = Field(1, ge=1, le=MAX_KERNEL, description=N_("How far the window jumps each time, in pixels."))
    activation: Activation = Field("ReLU", description=N_("What follows each convolution."))

    def parts(self, shape: Shape) -> Sequence:
        self._need_map(shape)
        act = make_layer(self.activation)
        depthwise = _depthwise(shape[0], self.kernel_size, self.stride)
        return Sequence(layers=(*depthwise, act, *_pointwise(self.out_channels), act))  # type: ignore[arg-type]


class InvertedResidual(Shorthand):
    """Widen, one window for each channel by itself, narrow again (Sandler et al. 2018, MobileNetV2, arXiv:1801.04381).

    Conv2d(1x1, expansion * channels), BatchNorm2d, activation (left out where expansion is 1), Conv2d(groups=channels),
    BatchNorm2d, activation, Conv2d(1x1), BatchNorm2d; plus the input where stride is 1 and the channels stay.
    """

    kind: Literal["InvertedResidual"] = "InvertedResidual"
    prefix: ClassVar[str] = "inverted"
    explanation: ClassVar[str] = N_(
        "Widens to many maps, looks at each by itself, narrows again; where the shape stays, the input is added."
    )
    formula: ClassVar[str] = r"y = x + V\,a(w * a(U x))"

    out_channels: int = Field(16, ge=1, le=MAX_CHANNELS, description=N_("How many feature maps come out."))
    expansion: int = Field(6, ge=1, le=64, description=N_("How many times as many maps there are in between."))
    kernel_size: int = Field(3, ge=1, le=MAX_KERNEL, description=N_("Side of the window in pixels."))
    stride: int = Field(1, ge=1, le=MAX_KERNEL, description=N_("How far the window jumps each time, in pixels."))
    activation: Activation = Field("ReLU6", description=N_("What follows each convolution but the last."))

    def parts(self, shape: Shape) -> Sequence | Residual:
        self._need_map(shape)
        act = make_layer(self.activation)
        hidden = self.expansion * shape[0]
        if hidden > MAX_CHANNELS:
            raise ShapeError(
                "{where}: expansion={expansion} of {given} channels makes more than {limit}; use a smaller expansion",
                where=self.kind,
                expansion=self.expansion,
                given=shape[0],
                limit=MAX_CHANNELS,
            )
        widen = (*_pointwise(hidden), act) if self.expansion > 1 else ()
        depthwise = _depthwise(hidden, self.kernel_size, self.stride)
        layers = (*widen, *depthwise, act, *_pointwise(self.out_channels))
        stays = self.stride == 1 and self.kernel_size % 2 and self.out_channels == shape[0]
        return Residual(layers=layers) if stays else Sequence(layers=layers)  # type: ignore[arg-type]


class SqueezeExcitation(Shorthand):
    """Scale each map by a number that is made from the means of all (Hu et al. 2017, arXiv:1709.01507).

    AdaptiveAvgPool2d(1), Conv2d(1x1, channels // reduction), ReLU, Conv2d(1x1, channels), Sigmoid; times the input.
    """

    kind: Literal["SqueezeExcitation"] = "SqueezeExcitation"
    prefix: ClassVar[str] = "se"
    explanation: ClassVar[str] = N_(
        "Looks at the mean of every map and decides how much each map counts: a number from 0 to 1 for each."
    )
    formula: ClassVar[str] = r"y_c = x_c\,\sigma\left(V \max(0, U \bar{x})\right)_c"

    reduction: int = Field(
        4, ge=1, le=MAX_CHANNELS, description=N_("How many times fewer numbers stand between the two small layers.")
    )

    def parts(self, shape: Shape) -> Branches:
        self._need_map(shape)
        narrow = Conv2d(out_channels=max(1, shape[0] // self.reduction), kernel_size=1)
        wide = Conv2d(out_channels=shape[0], kernel_size=1)
        weigh = Sequence(name="squeeze", layers=(AdaptiveAvgPool2d(), narrow, ReLU(), wide, Sigmoid()))
        return Branches(branches=(Sequence(), weigh), join="multiply")


def _depthwise(channels: int, kernel: int, stride: int) -> tuple[LayerSpec, ...]:
    window = Conv2d(
        out_channels=channels, kernel_size=kernel, stride=stride, padding=kernel // 2, groups=channels, bias=False
    )
    return window, BatchNorm2d()


def _pointwise(channels: int) -> tuple[LayerSpec, ...]:
    return Conv2d(out_channels=channels, kernel_size=1, bias=False), BatchNorm2d()


AnyLayer = Annotated[
    Conv2d | MaxPool2d | AvgPool2d | AdaptiveAvgPool2d | BatchNorm2d | LayerNorm | GroupNorm | LocalResponseNorm
    | ReLU | ReLU6 | LeakyReLU | Sigmoid | Tanh | GELU | SiLU | Hardswish
    | Dropout | Dropout2d | Flatten | ZeroPad2d | ChannelShuffle | Linear | Softmax | SelectChannels | RBF
    | Sequence | Residual | Branches | DenseBlock | DepthwiseSeparable | InvertedResidual | SqueezeExcitation,
    Field(discriminator="kind"),
]  # fmt: skip
"""Any kind of layer or block, told apart by ``kind``."""

BLOCKS: dict[str, type[Block]] = {
    kind.__name__: kind
    for kind in (Sequence, Residual, Branches, DenseBlock, DepthwiseSeparable, InvertedResidual, SqueezeExcitation)
}
"""Every kind of block by its name: the registry beside ``LAYERS``."""

for _kind in BLOCKS.values():
    _kind.model_rebuild()


def make_layer(kind: str, **fields: Any) -> LayerSpec:
    """Return a layer or block of ``kind`` with ``fields``; pydantic's ``ValidationError`` where one is out of range."""
    return (LAYERS[kind] if kind in LAYERS else BLOCKS[kind])(**fields)


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
