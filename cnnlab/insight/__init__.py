"""What a model does inside with one image: its maps and its filters."""

from cnnlab.insight.activations import Look, look, padded
from cnnlab.insight.filters import Filters, filters
from cnnlab.insight.window import window

__all__ = ["Filters", "Look", "filters", "look", "padded", "window"]
