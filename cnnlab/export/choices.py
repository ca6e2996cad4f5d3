"""What a network or a model can be exported to: one registry for the command and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cnnlab.errors import CnnLabError, ModelError, RecipeError
from cnnlab.export.link import PATH, link
from cnnlab.export.onnx import fresh_onnx, missing_onnx, to_onnx
from cnnlab.export.subject import Subject
from cnnlab.i18n import N_, Message


@dataclass(frozen=True)
class Exported:
    """What came out.

    Attributes:
        data: the file's content.
        notes: what its reader should know, in sentences.
        suffix: of its file, where it is another than usual.
    """

    data: bytes
    notes: tuple[Message, ...] = ()
    suffix: str = ""


@dataclass(frozen=True)
class Export:
    """One thing that a subject can become.

    Attributes:
        name: how the command calls it.
        title, sentence: how a person calls it, and what it is good for; ids to translate.
        suffix, mime: of its file.
        icon: a Material symbol.
        make: returns it; raises a CnnLabError where the subject lacks something.
        slow: it takes seconds.
        lacks: what the subject lacks for it, as an error, or None; quick, and without torch.
    """

    name: str
    title: str
    sentence: str
    suffix: str
    mime: str
    icon: str
    make: Callable[[Subject], Exported]
    lacks: Callable[[Subject], CnnLabError | None] = lambda subject: None
    slow: bool = False


def _pytorch(subject: Subject) -> Exported:
    from cnnlab.architecture.source import to_pytorch

    return Exported(to_pytorch(subject.architecture).encode())


def _keras(subject: Subject) -> Exported:
    from cnnlab.export.keras import to_keras

    return Exported(to_keras(subject.architecture).encode())


def _notebook(subject: Subject) -> Exported:
    from cnnlab.export.notebook import to_notebook

    return Exported(*to_notebook(subject))


def _lacks_recipe(subject: Subject) -> CnnLabError | None:
    return no_recipe() if subject.recipe is None or not subject.data else None


def _onnx(subject: Subject) -> Exported:
    if subject.model is not None:
        return Exported(to_onnx(subject.model))
    note = Message("There is no model yet: the file's weights have learned nothing.")
    return Exported(fresh_onnx(subject.architecture), (note,))


def _model(subject: Subject) -> Exported:
    if subject.model is None:
        raise no_weights()
    return Exported(subject.model.to_bytes())


def _link(subject: Subject) -> Exported:
    made = link(subject)
    if made.query is None:
        return Exported(made.document.encode(), tuple(filter(None, (made.note,))), ".json")
    return Exported(f"{PATH}{made.query}".encode())


def no_weights() -> ModelError:
    """Return the error for a network without weights where a model is needed."""
    return ModelError("a network without weights is no model yet; train it, and export the trained model")


def no_recipe() -> RecipeError:
    """Return the error for a subject of which nobody knows how it is trained."""
    return RecipeError(
        "nobody said how this network is trained, and on which data; a notebook needs both: name a recipe and a data "
        "set, or export a model that was trained in the lab"
    )


EXPORTS: dict[str, Export] = {
    export.name: export
    for export in (
        Export(
            "pytorch", "PyTorch", N_("The network as Python source."), ".py", "text/x-python", ":material/code:", _pytorch,
        ),
        Export(
            "keras", "Keras 3", N_("The network as Python source for TensorFlow, JAX or PyTorch."), ".py",
            "text/x-python", ":material/code:", _keras,
        ),
        Export(
            "notebook",
            N_("Notebook"),
            N_("Loads the data, builds the network, trains it by its recipe and tests it, in plain PyTorch."),
            ".ipynb",
            "application/x-ipynb+json",
            ":material/menu_book:",
            _notebook,
            _lacks_recipe,
            slow=True,
        ),
        Export(
            "onnx", "ONNX", N_("Network and weights for other programs and devices, and for Netron to look into."),
            ".onnx", "application/octet-stream", ":material/deployed_code:", _onnx, lambda subject: missing_onnx(), slow=True,
        ),
        Export(
            "model", N_("Model file"), N_("Network, weights and recipe, for this lab on another computer."),
            ".safetensors", "application/octet-stream", ":material/save:", _model,
            lambda subject: no_weights() if subject.model is None else None,
        ),
        Export(
            "link",
            N_("Link"),
            N_("Network and recipe in an address, for anyone whose browser reaches a lab; without weights."),
            ".txt",
            "text/plain",
            ":material/link:",
            _link,
        ),
    )
}  # fmt: skip
"""Everything that the lab writes, by the command's name for it."""
