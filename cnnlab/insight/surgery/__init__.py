"""Operations on a copy of a model's weights, what they do to its answers, and which channel matters for which class."""

from cnnlab.insight.own_data import dataset_for
from cnnlab.insight.surgery.beginning import beginning, first_weights
from cnnlab.insight.surgery.edits import OPERATIONS, Edit, operated
from cnnlab.insight.surgery.lesions import Lesions, lesion_table
from cnnlab.insight.surgery.table import Effect, Table, table_for

__all__ = [
    "OPERATIONS",
    "Edit",
    "Effect",
    "Lesions",
    "Table",
    "beginning",
    "dataset_for",
    "first_weights",
    "lesion_table",
    "operated",
    "table_for",
]
