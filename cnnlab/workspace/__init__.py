"""What one learner has made and chosen, kept so that a reload or another page brings everything back.

A workspace is reached by an unguessable id that only the learner's browser knows; its folder is named by the id's
SHA-256, so that a listing of the disk gives no workspace away. Everything read is checked, everything written is
written whole.

    home()/workspaces/<sha256 of the id>/
        workspace.json      name and choices
        networks/NAME.json  architectures
        drawings/ID.png     28x28 grey, ink bright, the label or the learner's own class as a PNG text
        uploads/ID.png      pictures the learner brought
        predictions.json    how often a prediction was right
        operations.json     what was done last to a copy of a model
        models/ID.safetensors   models the learner has changed by hand
"""

from cnnlab.workspace.base import is_id, new_id
from cnnlab.workspace.chosen import MAX_BIN, MAX_PAST, MAX_PAST_CHARS, MAX_WIDGETS, Choices, Chosen, ImageRef, name_of
from cnnlab.workspace.models import MAX_MODELS, Models
from cnnlab.workspace.networks import MAX_NETWORKS, Networks
from cnnlab.workspace.opening import open_image
from cnnlab.workspace.operations import MAX_OPERATIONS, Operating, Operations
from cnnlab.workspace.pictures import (
    DRAWING_PX,
    MAX_DRAWINGS,
    MAX_UPLOADS,
    Drawing,
    Drawings,
    Uploads,
    class_name_of,
)
from cnnlab.workspace.predictions import MAX_SETTLED, Predictions, Score


class Workspace(Chosen, Predictions, Networks, Models, Operating, Drawings, Uploads):
    """One learner's networks, models, drawings, predictions and choices, each as its own part says.

    Raises:
        DataError: ``id`` is no workspace id.
    """


__all__ = [
    "DRAWING_PX",
    "MAX_BIN",
    "MAX_DRAWINGS",
    "MAX_MODELS",
    "MAX_NETWORKS",
    "MAX_OPERATIONS",
    "MAX_PAST",
    "MAX_PAST_CHARS",
    "MAX_SETTLED",
    "MAX_UPLOADS",
    "MAX_WIDGETS",
    "Choices",
    "Drawing",
    "ImageRef",
    "Operations",
    "Score",
    "Workspace",
    "class_name_of",
    "is_id",
    "name_of",
    "new_id",
    "open_image",
]
