"""What a network is, without torch: shapes, layers, the network itself, addresses of its numbers."""

from cnnlab.architecture.address import Address
from cnnlab.architecture.layers import LAYERS, AnyLayer, LayerSpec, make_layer
from cnnlab.architecture.network import Architecture, Budget, Row, Trace, check_budget
from cnnlab.architecture.shapes import ReceptiveField, Shape

__all__ = [
    "LAYERS", "Address", "AnyLayer", "Architecture", "Budget", "LayerSpec", "ReceptiveField", "Row", "Shape", "Trace",
    "check_budget", "make_layer",
]  # fmt: skip
