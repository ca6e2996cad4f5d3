"""What hypothesis may draw: layers of every kind, and networks in which anything may follow anything."""

from __future__ import annotations

from hypothesis import strategies as st

from cnnlab.architecture import Architecture
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
        specs.MaxPool2d, kernel_size=SMALL, stride=st.none() | st.integers(1, 3), padding=st.integers(0, 2)
    ),
    "AvgPool2d": st.builds(
        specs.AvgPool2d, kernel_size=SMALL, stride=st.none() | st.integers(1, 3), padding=st.integers(0, 2)
    ),
    "AdaptiveAvgPool2d": st.builds(specs.AdaptiveAvgPool2d, output_size=st.integers(1, 7)),
    "BatchNorm2d": st.builds(specs.BatchNorm2d),
    "ReLU": st.builds(specs.ReLU),
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
