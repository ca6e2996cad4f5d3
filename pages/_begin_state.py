"""What the next run begins with: which model's weights, which layers of it, and which stand still; checked as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.head import head
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.zoo.names import NAMED
from cnnlab.description import ModelRef, bundled_path, read_description
from cnnlab.errors import CnnLabError
from cnnlab.home import home
from cnnlab.i18n import Message, _
from pages import _names, _session

if TYPE_CHECKING:
    from cnnlab.model import Model
    from cnnlab.training.transfer import Borrowed, Start

MODEL = "train.begin.model"
NET = "train.begin.net"
_LAYERS = "train.begin.layers"
NEW = ""
"""The choice of new weights."""


@dataclass(frozen=True)
class Layers:
    """Which layers begin with new weights by choice, and which stand still; ``of`` says for what they were chosen."""

    of: str = ""
    fresh: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()


# -------------------------------------------------------------------- whose weights
def models() -> dict[str, str]:
    """Return a label for each model whose weights a run can begin with: the learner's runs, the bundled ones, fetched ones."""
    labels = _names.model_labels()
    for name in NAMED:
        if (home() / "weights" / f"{name}.safetensors").is_file():
            labels[f"weights:{name}"] = _("{name}: published weights, learned on ImageNet", name=name)
    return labels


def source() -> str:
    """Return the choice of whose weights the next run begins with; ``NEW`` for new ones, or where that model is gone."""
    chosen = str(_session.kept(MODEL, NEW))
    return chosen if chosen in models() else NEW


def choose(chosen: str) -> None:
    """Begin with the weights of ``chosen`` from now on; with new ones no layer has a learning rate of its own."""
    _session.keep(MODEL, chosen)
    recipe = _session.recipe()
    if chosen == NEW and recipe.layer_lr:
        _session.set_recipe(recipe.changed(layer_lr={}))


def reference(chosen: str) -> ModelRef:
    """Return the reference of a choice of ``models``."""
    if chosen.startswith("weights:"):
        return ModelRef(f"file:{home() / 'weights' / Path(chosen.partition(':')[2]).name}.safetensors")
    return ModelRef.parse(chosen)


def network_of(chosen: str) -> Architecture | None:
    """Return the network of a choice, without its weights; None where it cannot be read."""
    kind, _colon, value = chosen.partition(":")
    if kind == "bundled":
        return _bundled(value)
    if kind == "file":
        return _own(value)
    if kind == "weights":
        return PRESETS[value].architecture if value in PRESETS else None
    run = next((run for run in _names.own_runs().values() if run.id == value), None)
    return None if run is None else run.architecture


@lru_cache(maxsize=64)
def _bundled(name: str) -> Architecture | None:
    try:
        return read_description(bundled_path(name)).architecture
    except CnnLabError:
        return None


def _own(path: str) -> Architecture | None:
    try:
        return read_description(Path(path)).architecture
    except CnnLabError:
        return None


def fits(network: Architecture, chosen: str) -> tuple[int, int]:
    """Return how many layers of ``network`` can take weights of a choice, and how many have any."""
    from cnnlab.training.transfer import plan

    theirs = network_of(chosen)
    try:
        found = None if theirs is None else plan(network, theirs)
    except CnnLabError:
        found = None
    return (0, 0) if found is None else (len(found.taken), len(found.layers))


# -------------------------------------------------------------------- which layers
def layers(network: Architecture, model: Model, chosen: str, class_names: tuple[str, ...]) -> Layers:
    """Return the layers' choice for this network and this model; where it is of others, as a first proposal.

    At first all that fits is taken and nothing stands still, but a last layer that names other classes begins anew.
    """
    of = sha256("\n".join((chosen, network.renamed("").key, *class_names)).encode()).hexdigest()
    now = _layers()
    if now.of != of:
        last = head(network)
        if now.of and _session.recipe().layer_lr:  # they were meant for others
            _session.set_recipe(_session.recipe().changed(layer_lr={}))
        now = Layers(of, (last,) if last and model.class_names != class_names else ())
        _set(now)
    return now


def _layers() -> Layers:
    """Return the choice as it was last made, before a reload too; an empty one where none was."""
    packed: list[object] = [_session.kept(f"{_LAYERS}.{name}", ()) for name in ("of", "fresh", "frozen")]
    texts = ["".join(map(str, one)) if isinstance(one, (tuple, list)) else "" for one in packed]
    return Layers(texts[0], tuple(texts[1].split()), tuple(texts[2].split()))


def _set(now: Layers) -> None:
    """Remember the choice, its names in pieces that a workspace can keep."""
    for name, text in (("of", now.of), ("fresh", " ".join(now.fresh)), ("frozen", " ".join(now.frozen))):
        _session.keep(f"{_LAYERS}.{name}", tuple(text[begin : begin + 200] for begin in range(0, len(text), 200)))


def planned(network: Architecture, model: Model, class_names: tuple[str, ...], fresh: Iterable[str]) -> Borrowed:
    """Return how each layer begins, and why; raises as ``plan`` does."""
    from cnnlab.training.transfer import plan

    found, last = plan(network, model.architecture, tuple(fresh)), head(network)
    if model.class_names == class_names:
        return found
    shown = ", ".join(_(name) for name in model.class_names[:3])
    why = Message("the model's last layer tells other classes apart ({classes}, ...)", classes=shown)
    told = (replace(one, why=why) if one.layer == last and one.reason == "asked" else one for one in found.layers)
    return replace(found, layers=tuple(told))


def set_layers(fresh: Iterable[str] | None = None, frozen: Iterable[str] | None = None) -> None:
    """Change which layers begin anew, or which stand still."""
    now = _layers()
    now = now if fresh is None else replace(now, fresh=tuple(fresh))
    _set(now if frozen is None else replace(now, frozen=tuple(frozen)))


def on_picture() -> None:
    """Do what was asked for in the picture; what the browser sends is checked like any other input."""
    action = getattr(st.session_state.get(NET), "action", None)
    now = _layers()
    if not isinstance(action, Mapping) or not now.of:
        return
    known = [row.name for row in _session.architecture().trace().rows if row.num_params]
    sent = action.get("layers")
    wanted = [name for name in known if name in sent] if isinstance(sent, (list, tuple)) else []
    if action.get("do") == "take" and isinstance(action.get("value"), bool):
        others = [name for name in now.fresh if name not in wanted]
        if action["value"]:
            set_layers(fresh=others)
        else:  # what is new and stands still would never learn anything
            set_layers(fresh=[*others, *wanted], frozen=[name for name in now.frozen if name not in wanted])
    elif action.get("do") == "learn":
        learn(wanted, str(action.get("value")))


def learn(names: Iterable[str], rate: str) -> None:
    """Let the layers ``names`` learn at ``rate`` times the learning rate from the first step on; "0": let them stand still."""
    try:
        factor = float(rate)
        recipe, names = _session.recipe(), tuple(names)
        factors = {name: one for name, one in recipe.layer_lr.items() if name not in names}
        if factor:
            factors |= dict.fromkeys(names, factor)
        changed = recipe.changed(layer_lr=factors)
    except (ValueError, CnnLabError):
        return
    now = _layers()
    others = [name for name in now.frozen if name not in names]
    set_layers(frozen=others if factor else [*others, *names])
    _session.set_recipe(changed)


def start(chosen: str, now: Layers, borrowed: Borrowed) -> Start:
    """Return what is asked of the engine: only layers that are there and that would be taken are called new by choice."""
    from cnnlab.training.transfer import Start

    names = [one.layer for one in borrowed.layers]
    return Start(
        model=str(reference(chosen)),
        fresh=tuple(name for name in now.fresh if name in names),
        frozen=tuple(name for name in now.frozen if name in names),
    )
