"""Operations on a copy of a model's weights, what they do to its answers, and which channel matters for which class."""

from cnnlab.insight.surgery.beginning import beginning, first_weights
from cnnlab.insight.surgery.edits import OPERATIONS, Edit, operated
from cnnlab.insight.surgery.lesions import Lesions, lesions
from cnnlab.insight.surgery.table import Effect, Table, dataset_for, table_for

__all__ = [
    "OPERATIONS",
    "Edit",
    "Effect",
    "Lesions",
    "Table",
    "beginning",
    "dataset_for",
    "first_weights",
    "lesions",
    "operated",
    "table_for",
]
