"""What a network is, without torch: shapes, layers, blocks, the network itself, addresses of its numbers."""

from cnnlab.architecture.address import Address
from cnnlab.architecture.blocks import BLOCKS, AnyLayer, make_layer
from cnnlab.architecture.joins import JOINS
from cnnlab.architecture.layers import LAYERS, LayerSpec
from cnnlab.architecture.network import Architecture, Budget, Trace, check_budget
from cnnlab.architecture.shapes import ReceptiveField, Shape
from cnnlab.architecture.tape import BlockRow, Row

__all__ = [
    "BLOCKS", "JOINS", "LAYERS", "Address", "AnyLayer", "Architecture", "BlockRow", "Budget", "LayerSpec",
    "ReceptiveField", "Row", "Shape", "Trace", "check_budget", "make_layer",
]  # fmt: skip
