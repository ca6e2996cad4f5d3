"""What hypothesis may draw: layers of every kind, and networks in which anything may follow anything."""

from __future__ import annotations

from math import prod

from hypothesis import strategies as st

from cnnlab.architecture import Architecture, blocks
from cnnlab.architecture import layers as specs

SMALL = st.integers(1, 5)

LAYER_STRATEGIES = {
    "Conv2d": st.builds(
        specs.Conv2d,
        out_channels=st.sampled_from([1, 2, 3, 4, 6]),
        kernel_size=SMALL,
        stride=st.integers(1, 3),
        padding=st.integers(0, 3),
        dilation=st.integers(1, 3),
        groups=st.sampled_from([1, 1, 1, 2, 3]),
        bias=st.booleans(),
        in_channels=st.none() | st.integers(1, 3),
    ),
    "MaxPool2d": st.builds(
        specs.MaxPool2d,
        kernel_size=SMALL,
        stride=st.none() | st.integers(1, 3),
        padding=st.integers(0, 2),
        ceil_mode=st.booleans(),
    ),
    "AvgPool2d": st.builds(
        specs.AvgPool2d,
        kernel_size=SMALL,
        stride=st.none() | st.integers(1, 3),
        padding=st.integers(0, 2),
        ceil_mode=st.booleans(),
    ),
    "AdaptiveAvgPool2d": st.builds(specs.AdaptiveAvgPool2d, output_size=st.integers(1, 7)),
    "BatchNorm2d": st.builds(specs.BatchNorm2d),
    "LayerNorm": st.builds(specs.LayerNorm),
    "GroupNorm": st.builds(specs.GroupNorm, num_groups=st.integers(1, 3)),
    "LocalResponseNorm": st.builds(specs.LocalResponseNorm, size=SMALL),
    "ReLU": st.builds(specs.ReLU),
    "ReLU6": st.builds(specs.ReLU6),
    "SiLU": st.builds(specs.SiLU),
    "Hardswish": st.builds(specs.Hardswish),
    "ZeroPad2d": st.builds(
        specs.ZeroPad2d,
        left=st.integers(0, 2),
        right=st.integers(0, 2),
        top=st.integers(0, 2),
        bottom=st.integers(0, 2),
    ),
    "ChannelShuffle": st.builds(specs.ChannelShuffle, groups=st.integers(1, 3)),
    "LeakyReLU": st.builds(specs.LeakyReLU, negative_slope=st.floats(0, 1)),
    "Sigmoid": st.builds(specs.Sigmoid),
    "Tanh": st.builds(specs.Tanh),
    "GELU": st.builds(specs.GELU),
    "Dropout": st.builds(specs.Dropout, p=st.floats(0, 0.9)),
    "Dropout2d": st.builds(specs.Dropout2d, p=st.floats(0, 0.9)),
    "Flatten": st.builds(specs.Flatten),
    "Linear": st.builds(
        specs.Linear,
        out_features=st.integers(1, 12),
        bias=st.booleans(),
        in_features=st.none() | st.integers(1, 40),
    ),
    "Softmax": st.builds(specs.Softmax),
}
"""One strategy for each kind of the registry."""

LAYER = st.one_of(*LAYER_STRATEGIES.values())
INPUT = st.tuples(st.integers(1, 3), st.integers(1, 14), st.integers(1, 14))


def networks(layer: st.SearchStrategy[specs.LayerSpec] = LAYER, most: int = 6) -> st.SearchStrategy[Architecture]:
    """Return a strategy for networks of up to ``most`` layers; many of them cannot run."""
    return st.builds(
        Architecture,
        name=st.just("drawn"),
        input_shape=INPUT,
        layers=st.lists(layer, min_size=1, max_size=most).map(tuple),
    )


WINDOW = st.sampled_from([1, 3])
MILD = st.one_of(
    st.builds(
        lambda size, **fields: specs.Conv2d(kernel_size=size, padding=size // 2, **fields),
        size=WINDOW,
        out_channels=st.sampled_from([2, 4]),
        stride=st.sampled_from([1, 1, 1, 2]),
        groups=st.sampled_from([1, 1, 2]),
        bias=st.booleans(),
    ),
    st.builds(lambda size: specs.MaxPool2d(kernel_size=size, stride=1, padding=size // 2), WINDOW),
    LAYER_STRATEGIES["AvgPool2d"],
    LAYER_STRATEGIES["ReLU"],
    LAYER_STRATEGIES["Hardswish"],
    LAYER_STRATEGIES["BatchNorm2d"],
    LAYER_STRATEGIES["LayerNorm"],
    LAYER_STRATEGIES["GroupNorm"],
    LAYER_STRATEGIES["ZeroPad2d"],
    LAYER_STRATEGIES["ChannelShuffle"],
    LAYER_STRATEGIES["AdaptiveAvgPool2d"],
)
"""Layers of maps that often fit each other."""

NAME = st.sampled_from(["", "", "", "stage", "stage2", "head", "conv1", "add", "block"])


def nested(layer: st.SearchStrategy[specs.LayerSpec]) -> st.SearchStrategy[specs.LayerSpec]:
    """Return a strategy for one block of ``layer``."""
    body = st.lists(layer, max_size=3).map(tuple)
    sequence = st.builds(blocks.Sequence, layers=body, name=NAME, repeat=st.sampled_from([1, 1, 2, 3]))
    shapes_kept = st.just(()) | st.lists(st.builds(specs.ReLU) | layer, max_size=2).map(tuple)
    return st.one_of(
        sequence,
        st.builds(
            blocks.Residual,
            layers=body,
            name=NAME,
            shortcut=st.sampled_from(["identity", "projection", "projection", "pad", "pad"]),
        ),
        st.builds(
            blocks.Branches,
            branches=st.lists(
                st.builds(blocks.Sequence, layers=shapes_kept, name=NAME, repeat=st.sampled_from([1, 1, 2])),
                min_size=1,
                max_size=3,
            ).map(tuple),
            name=NAME,
            join=st.sampled_from(["concat", "add", "multiply"]),
            split=st.booleans(),
        ),
        st.builds(blocks.DenseBlock, layers=body, name=NAME, repeat=st.integers(1, 3)),
        *BLOCK_STRATEGIES.values(),
    )


BLOCK_STRATEGIES = {
    "DepthwiseSeparable": st.builds(
        blocks.DepthwiseSeparable,
        out_channels=st.integers(1, 4),
        kernel_size=SMALL,
        stride=st.integers(1, 2),
        name=NAME,
    ),
    "InvertedResidual": st.builds(
        blocks.InvertedResidual,
        out_channels=st.sampled_from([2, 3, 4]),
        expansion=st.integers(1, 3),
        kernel_size=WINDOW,
        stride=st.integers(1, 2),
        activation=st.sampled_from(["ReLU6", "SiLU"]),
    ),
    "SqueezeExcitation": st.builds(blocks.SqueezeExcitation, reduction=st.integers(1, 8)),
    "SpatialAttention": st.permutations(
        [
            blocks.Sequence(),
            blocks.Sequence(layers=(specs.Conv2d(out_channels=1, kernel_size=1), specs.Sigmoid())),
        ]
    ).map(lambda branches: blocks.Branches(branches=tuple(branches), join="multiply")),
}

TREE = st.recursive(MILD, lambda layer: nested(layer) | layer, max_leaves=8)


def trees(layer: st.SearchStrategy[specs.LayerSpec] = TREE, most: int = 4) -> st.SearchStrategy[Architecture]:
    """Return a strategy for networks of nested blocks; some of them cannot run."""
    return st.builds(
        Architecture,
        name=st.just("tree"),
        input_shape=st.tuples(st.sampled_from([2, 3, 4]), st.integers(3, 12), st.integers(3, 12)),
        layers=st.tuples(nested(layer), st.lists(layer, max_size=most), st.lists(HEAD, max_size=4)).map(
            lambda parts: (parts[0], *parts[1], *parts[2])
        ),
    )


HEAD = st.sampled_from(
    [
        specs.Flatten(),
        specs.Linear(out_features=3),
        specs.Softmax(),
        blocks.Residual(layers=(specs.ReLU(), specs.Linear(out_features=3))),
        blocks.Sequence(layers=(specs.Flatten(), specs.Linear(out_features=3)), name="head"),
        blocks.Branches(branches=(blocks.Sequence(layers=(specs.Linear(),)), blocks.Sequence())),
    ]
)


def running(architecture: Architecture) -> Architecture:
    """Return the network up to the first top-level layer that does not fit, or becomes large."""
    broken = next((row.top for row in architecture.trace().rows if row.error), len(architecture.layers))
    large = 0
    for row in architecture.trace().rows:
        large += prod(row.output_shape or (0,))
        if large > 300_000:
            broken = min(broken, row.top)
    return architecture.with_layers(architecture.layers[:broken])
