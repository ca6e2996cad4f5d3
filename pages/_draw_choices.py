"""The choices above the canvas: what is shown to the network, and which other models answer too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.data.known import KNOWN
from cnnlab.description import ModelRef, bundled_models, bundled_path, read_answering, read_description
from cnnlab.i18n import _
from pages import _choices, _names, _session

if TYPE_CHECKING:
    from cnnlab.description import ModelDescription
    from cnnlab.model import Model

NONE = ""


def mode_choice(model: Model) -> str:
    """Draw the choice between canvas and picture where the model can take both; return ``draw`` or ``show``."""
    if model.preprocessing.data_shape[0] != 1:
        return "show"
    names = {"draw": _("Canvas"), "show": _("Picture")}
    return str(
        _choices.segments("draw.mode", _("Input"), list(names), "draw", names.__getitem__, label_visibility="collapsed")
    )


def compare_choice(ref: ModelRef, model: Model) -> tuple[ModelRef, ...]:
    """Draw the choice of up to two more models for the same pictures and classes; return them."""
    labels = {source: name for source, name in comparable(model).items() if source != ref.source}
    chosen: list[str] = []
    for place, empty in enumerate((_("compare with …"), _("and with …")), 1):
        names = {NONE: empty}
        names |= {source: _("with {name}", name=name) for source, name in labels.items() if source not in chosen}
        if len(names) == 1 or len(chosen) < place - 1:
            break
        key = f"draw.compare.{place}"
        source = _choices.menu(
            key, _("Compare with"), list(names), NONE, names.__getitem__, label_visibility="collapsed", width=260
        )
        chosen += [source] if source else []
    return tuple(ModelRef(source) for source in chosen)


def comparable(model: Model | ModelDescription) -> dict[str, str]:
    """Return the learner's runs and the bundled models for the same pictures and classes as ``model``, with their names."""
    channels, data = model.preprocessing.data_shape[0], model.about.data
    found = {}
    for number, run in _names.own_runs().items():
        if run.has_model and run.architecture.input_shape[0] == channels and _same_classes(run.data, data):
            found[f"run:{run.id}"] = _names.run_label(number, run)
    space = _session.workspace()
    for source, name in {**space.models(), **space.int8_models()}.items():
        described, _int8 = read_answering(Path(source.partition(":")[2]))
        if described.preprocessing.data_shape[0] == channels and _same_classes(described.about.data, data):
            found[source] = name
    for name in bundled_models():
        described = read_description(bundled_path(name))
        if described.preprocessing.data_shape[0] == channels and _same_classes(described.about.data, data):
            found[f"bundled:{name}"] = name
    return found


def _same_classes(one: str, other: str) -> bool:
    """Return whether two data sets have the same classes, as a sample and its whole set do."""
    both = one in KNOWN and other in KNOWN
    return one == other or (both and KNOWN[one].class_names == KNOWN[other].class_names)
