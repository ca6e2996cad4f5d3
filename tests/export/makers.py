"""What the tests of the notebook share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.data import loader
from cnnlab.export.notebook import to_notebook
from cnnlab.export.subject import Subject, of_model
from cnnlab.training.change import Applied
from cnnlab.training.events import TestEvent
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe


def trained(architecture: Architecture, recipe: Recipe, changes: Iterable[Applied] = ()) -> tuple[Subject, Training]:
    """Return what the lab's own loop makes of ``recipe``: the model with its accuracy, and the training."""
    threads, accuracy = torch.get_num_threads(), None
    torch.set_num_threads(recipe.threads)  # as the engine does
    try:
        training = Training(architecture, loader.load("fashion_mnist-sample"), recipe)
        training.replay(changes)
        for event in training.events():
            if isinstance(event, TestEvent):
                accuracy = event.acc
    finally:
        torch.set_num_threads(threads)
    return of_model(training.model("trained", test_acc=accuracy)), training


def cells(file: bytes) -> list[str]:
    """Return the code of a notebook's cells."""
    document = json.loads(file)
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


def executed(subject: Subject) -> dict[str, Any]:
    """Run the cells of the subject's notebook in this process and return its names."""
    threads = torch.get_num_threads()
    names: dict[str, Any] = {}
    try:
        for number, source in enumerate(cells(to_notebook(subject)[0]), 1):
            exec(compile(source, f"cell {number}", "exec"), names)
    finally:
        torch.set_num_threads(threads)
    return names


def same(state: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Return the names of the tensors that differ, be it by a bit."""
    return [name for name in state.keys() | other.keys() if not torch.equal(state[name], other[name])]


def check_repeats(subject: Subject) -> None:
    """Run the subject's notebook: it holds nothing back, and ends with the weights, to the bit, and the accuracy."""
    assert subject.model is not None and subject.unlike == () and to_notebook(subject)[1] == ()
    names = executed(subject)
    assert same(names["network"].state_dict(), subject.model.state) == []
    assert names["accuracy"] == names["SHOWN"] == subject.test_acc
