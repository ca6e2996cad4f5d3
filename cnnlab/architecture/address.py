"""The address of any number in a network: ``conv2[3,4,5]``, ``fc1[7]``, ``conv2.weight[3,1,0,2]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cnnlab.errors import ArchitectureError

_PATTERN = re.compile(r"(?P<path>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)(?:\[(?P<index>\s*\d+(?:\s*,\s*\d+)*\s*)\])?")
_TENSORS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Address:
    """Where one number, or one whole tensor, stands.

    Attributes:
        layer: the layer's name (a path with dots inside blocks), or ``input``.
        tensor: a parameter's or buffer's name, or None for the layer's output.
        index: ``(channel, row, column)`` in a map, ``(unit,)`` in a vector, the weight's own axes in a
            parameter; empty for the whole tensor.
    """

    layer: str
    tensor: str | None = None
    index: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that ``text`` writes.

        Raises:
            ArchitectureError: ``text`` is not written like an address.
        """
        match = _PATTERN.fullmatch(text.strip()) if len(text) <= 200 else None
        if not match:
            raise ArchitectureError(
                "{text}: not an address; write a unit as conv2[3,4,5] or fc1[7], a weight as conv2.weight[3,1,0,2]",
                text=text[:60],
            )
        path, index = match["path"], match["index"]
        layer, _, last = path.rpartition(".")
        tensor = last if layer and last in _TENSORS else None
        numbers = tuple(int(part) for part in index.split(",")) if index else ()
        return cls(layer if tensor else path, tensor, numbers)

    def __str__(self) -> str:
        """Return the address as it is written."""
        path = f"{self.layer}.{self.tensor}" if self.tensor else self.layer
        return f"{path}[{','.join(map(str, self.index))}]" if self.index else path
