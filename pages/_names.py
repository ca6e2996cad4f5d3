"""What runs, models and drawings are called wherever one is chosen among them: never two alike.

A menu sends back the label that was chosen, not the place of it: of two equal labels it would always mean the first.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from cnnlab.description import bundled_models
from cnnlab.figures.live import checked_on
from cnnlab.i18n import _
from cnnlab.numbering import run_numbers
from cnnlab.runs.snapshot import state_word
from pages import _accuracy, _session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnlab.description import ModelRef
    from cnnlab.runs import Snapshot
    from cnnlab.workspace import Drawing


def own_runs() -> dict[int, Snapshot]:
    """Return the learner's runs by number, the newest first; a number stays with its run. None from the bin."""
    gone = _session.bin()
    return {number: run for number, run in _every_run().items() if run.id not in gone}


def binned_runs() -> dict[int, Snapshot]:
    """Return the runs that lie in the learner's bin, by number, the newest first."""
    gone = _session.bin()
    return {number: run for number, run in _every_run().items() if run.id in gone}


def _every_run() -> dict[int, Snapshot]:
    from cnnlab import runs

    space = _session.workspace()
    found = runs.engine().list(owner=space.owner)
    numbers = run_numbers(space, [run.id for run in reversed(found)])
    return {numbers[run.id]: run for run in found}


def run_label(number: int, run: Snapshot) -> str:
    """Return what a menu calls run ``number``: its name, its number, and what came of it or what it does now."""
    accuracy = run.val_acc if run.test_acc is None else run.test_acc
    if run.live or accuracy is None:
        result = state_word(run.state).text()
    elif run.test_acc is None:
        result = _("{acc} ({what})", acc=f"{accuracy:.1%}", what=checked_on(run.recipe.full_train))
    else:
        result = _accuracy.short(run.test_acc, run.data)
    return _("{name}: your run {number}, {result}", name=run.name, number=number, result=result)


def model_labels() -> dict[str, str]:
    """Return a label for each model that can be looked into: the learner's runs with weights and own models, the bundled ones."""
    labels = {f"run:{run.id}": run_label(number, run) for number, run in own_runs().items() if run.has_model}
    for source, name in _session.workspace().models().items():
        labels[source] = _("{name}: your own model", name=name)
    for name in bundled_models():
        labels[f"bundled:{name}"] = _("{name}: comes with the lab", name=name)
    return labels


def short_names(refs: Iterable[ModelRef]) -> list[str]:
    """Return a short name for each of ``refs``, to stand over its answer."""
    named = {run.id: (number, run.name) for number, run in own_runs().items()}
    space = _session.workspace()
    changed = {**space.models(), **space.int8_models()}

    def short(ref: ModelRef) -> str:
        if ref.kind == "run" and ref.value in named:
            number, name = named[ref.value]
            if ref.step is not None:
                return _("{name}: your run {number}, step {step:,}", name=name, number=number, step=ref.step)
            return _("{name}: your run {number}", name=name, number=number)
        return changed.get(ref.source) or PurePath(ref.value).stem

    return [short(ref) for ref in refs]


def drawing_numbers(drawings: tuple[Drawing, ...]) -> dict[str, int]:
    """Return the number of each of the kept ``drawings``, all of them and the newest first; the oldest is 1."""
    return {drawing.id: len(drawings) - place for place, drawing in enumerate(drawings)}
