"""From what is looked at to the image itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlab.errors import DataError
from cnnlab.workspace.chosen import ImageRef
from cnnlab.workspace.pictures import DRAWING_PX

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.data.prepare import Asked
    from cnnlab.workspace import Workspace


def open_image(ref: ImageRef, workspace: Workspace, model: Asked) -> Tensor:
    """Return the image that ``ref`` names, as ``model`` takes it.

    Shape:
        returns (C, h, w) uint8, before padding and normalisation

    Raises:
        DataError: the data set is not here, the image is gone, or it does not fit the model.
        PictureError: an upload that a model of this kind cannot use.
    """
    import torch

    from cnnlab.data import loader
    from cnnlab.data.prepare import picture_to_input

    shape = model.preprocessing.data_shape
    if ref.kind == "test":
        images = loader.load(ref.data).test.images
        if ref.index < len(images) and tuple(images.shape[1:]) == shape:
            return images[ref.index]
    elif ref.kind == "drawing" and (drawing := workspace.drawing(ref.id)) is not None:
        if shape == (1, DRAWING_PX, DRAWING_PX):
            return torch.from_numpy(drawing.pixels.copy())[None]
        if shape[0] == 1:
            return picture_to_input(drawing.pixels, model)
    elif ref.kind == "upload" and (png := workspace.upload(ref.id)) is not None:
        return picture_to_input(png, model)
    raise DataError("This image is gone, or is not one that this model takes; choose another.")
