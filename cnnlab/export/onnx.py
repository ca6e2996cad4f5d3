"""A network as an ONNX file: what other runtimes, phones and Netron open."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError

if TYPE_CHECKING:
    from cnnlab.build import Network
    from cnnlab.model import Model

NEEDED = ("onnx", "onnxscript")
"""The packages that torch's exporter asks for."""

INPUT, OUTPUT = "image", "output"


def missing_onnx() -> CnnLabError | None:
    """Return the error for packages that are not installed here, which says how to install them; None where all are."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return CnnLabError(
        "ONNX files are written by PyTorch with the help of packages that are not installed here: {missing}; "
        "`pip install onnx onnxscript`",
        missing=", ".join(missing),
    )


def to_onnx(model: Model) -> bytes:
    """Return ``model`` as an ONNX file: its network with its weights, in evaluation mode, for any number of images.

    The preprocessing is not part of the graph. The file's metadata say it, and the class names: entries
    ``cnnlab.preprocessing`` and ``cnnlab.classes``, in JSON.

    Shape:
        input "image": (N, C, H, W) float32, as ``Preprocessing.apply`` gives it.
        output "output": (N, classes) float32, the network's own output.

    Raises:
        CnnLabError: onnx or onnxscript is not installed, or a layer has no counterpart in ONNX.
    """
    metadata = {
        "cnnlab.preprocessing": model.preprocessing.model_dump_json(),
        "cnnlab.classes": json.dumps(model.class_names, ensure_ascii=False),
    }
    return _written(model.architecture, model.network, metadata)


def fresh_onnx(architecture: Architecture) -> bytes:
    """Return the network as an ONNX file with weights that have learned nothing, as seed 0 draws them.

    Raises:
        CnnLabError: as ``to_onnx``.
        ShapeError, ArchitectureError, BudgetError: the network cannot run.
    """
    import torch

    from cnnlab.build import build
    from cnnlab.model import RUNNING

    architecture.check()
    network = build(architecture, torch.Generator().manual_seed(0), RUNNING).eval().requires_grad_(False)
    return _written(architecture, network, {})


def _written(architecture: Architecture, network: Network, metadata: dict[str, str]) -> bytes:
    if error := missing_onnx():
        raise error
    import torch

    image = torch.zeros(2, *architecture.input_shape)  # torch takes a batch of 1 for a constant
    with _quiet():
        try:
            program = torch.onnx.export(
                network,
                (image,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as refused:
            raise CnnLabError(
                "this network cannot be written as ONNX: {reason}", reason=str(refused).strip().splitlines()[0][:200]
            ) from refused
    proto = program.model_proto  # type: ignore[union-attr]  # None only from the exporter of old
    proto.producer_name = "CNN Lab"
    proto.graph.name = architecture.name or "network"
    for key, value in {"cnnlab.name": architecture.name, **metadata}.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    return bytes(proto.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter tells its own developers from standard error."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
