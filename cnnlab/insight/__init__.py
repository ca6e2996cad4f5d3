"""What a model does inside with one image: its maps and its filters."""

from cnnlab.insight.activations import Look, look, padded
from cnnlab.insight.filters import ORDERS, Filters, filters, order
from cnnlab.insight.window import window

__all__ = ["ORDERS", "Filters", "Look", "filters", "look", "order", "padded", "window"]
