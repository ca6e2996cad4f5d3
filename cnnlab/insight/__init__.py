"""What a model does inside with one image: its maps, its filters, and which pixels reach which unit."""

from cnnlab.insight.activations import Look, look, padded
from cnnlab.insight.filters import Filters, filters
from cnnlab.insight.receptive_field import Patch, field_box, patch, window

__all__ = ["Filters", "Look", "Patch", "field_box", "filters", "look", "padded", "patch", "window"]
