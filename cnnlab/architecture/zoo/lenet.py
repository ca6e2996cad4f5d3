"""LeNet-5 as its paper has it (LeCun, Bottou, Bengio & Haffner 1998, Proceedings of the IEEE 86(11), section II.B)."""

from __future__ import annotations

from cnnlab.architecture.blocks import Branches, Sequence
from cnnlab.architecture.layers import AvgPool2d, Conv2d, Flatten, LayerSpec, Linear, Tanh
from cnnlab.architecture.network import Architecture
from cnnlab.architecture.rare import RBF, SelectChannels

C3: tuple[tuple[int, ...], ...] = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)
"""Which of the six maps of S2 each of the sixteen maps of C3 sees: the columns of the paper's table I."""


def lenet5() -> Architecture:
    """Return LeNet-5 with 60,000 parameters: learned subsampling, the table of C3, codes of digits at the end."""
    layers = (
        *(Conv2d(out_channels=6, kernel_size=5), Tanh()),
        _subsampling("s2", 6),
        *(_table("c3"), Tanh()),
        _subsampling("s4", 16),
        *(Conv2d(out_channels=120, kernel_size=5), Tanh(), Flatten()),
        *(Linear(out_features=84), Tanh(), RBF(out_features=10, codes="digits")),
    )
    return Architecture(name="lenet5-1998", input_shape=(1, 32, 32), layers=layers)


def _subsampling(name: str, channels: int) -> Sequence:
    """Return the mean of 2x2 pixels, times one learned number for each map, plus another, through tanh."""
    scale = Conv2d(out_channels=channels, kernel_size=1, groups=channels)
    return Sequence(name=name, layers=(AvgPool2d(kernel_size=2), scale, Tanh()))


def _table(name: str) -> Branches:
    """Return layer C3: filters that see three maps, four, and all six; grouped, so that no weight stands for nothing."""
    ways = {
        f"see{seen}": [maps for maps in C3 if len(maps) == seen]
        for seen in (3, 4, 6)
    }  # fmt: skip
    return Branches(name=name, branches=tuple(Sequence(name=way, layers=_filters(maps)) for way, maps in ways.items()))


def _filters(maps: list[tuple[int, ...]]) -> tuple[LayerSpec, ...]:
    channels = tuple(channel for group in maps for channel in group)
    return SelectChannels(channels=channels), Conv2d(out_channels=len(maps), kernel_size=5, groups=len(maps))
