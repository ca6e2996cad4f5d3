"""What every kind of layer brings: its words, and its rules in pure integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from cnnlab.architecture.shapes import ReceptiveField, Shape
from cnnlab.errors import ShapeError

if TYPE_CHECKING:
    from cnnlab.architecture.tape import Here, Signal, Tape

MAX_LAYERS = 500
MAX_CHANNELS = 100_000
MAX_KERNEL = 128


class LayerSpec(BaseModel):
    """Description of one layer; ``kind`` is the name of the torch module that it becomes.

    Class attributes:
        prefix: the layer's name is this and a count (``conv1``).
        counted: whether the first one carries a number; ``flatten`` and ``softmax`` do from the second on.
        group: where the palette shows it.
        explanation: one sentence in plain words (an id of the catalogues).
        formula: TeX, in the words of the house.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: str
    prefix: ClassVar[str]
    counted: ClassVar[bool] = True
    group: ClassVar[str] = "activation"
    explanation: ClassVar[str]
    formula: ClassVar[str]

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape that leaves this layer when ``shape`` arrives.

        Raises:
            ShapeError: the layer does not fit; its ``where`` names the kind until the network fills in the place.
        """
        return shape

    def num_params(self, shape: Shape) -> int:
        """Return the number of parameters (no buffers) for an input of ``shape``."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Return the multiply-adds of one example; only convolutions and dense layers count."""
        return 0

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        """Return the receptive field of this layer's units from that of its input."""
        return field

    @property
    def called(self) -> str:
        """What the layer's name begins with."""
        return self.prefix

    @property
    def has_own_name(self) -> bool:
        """Whether somebody chose what it is called."""
        return False

    @property
    def copies(self) -> int:
        """How many of it stand one behind the other, each with weights of its own."""
        return 1

    @property
    def unrolled_size(self) -> int:
        """How many layers and blocks this one becomes at most, counted before any of them is made."""
        return 1

    @property
    def nesting(self) -> int:
        """How many blocks stand inside each other, itself included; 0 for a single layer."""
        return 0

    def unroll(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        """Put this layer's rows on ``tape`` and return what leaves it."""
        return tape.leaf(self, here, arrives)

    def _need_map(self, shape: Shape) -> None:
        if len(shape) != 3:
            raise ShapeError(
                "{where}: needs maps (channels, height, width), but a vector of {size} numbers arrives; "
                "put it before Flatten, or remove it",
                where=self.kind,
                size=shape[0],
            )
