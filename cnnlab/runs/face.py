"""The face of an engine: all that pages, the command line and other rooms may ask of whoever carries out runs.

Ids, plain values, frozen snapshots and bytes only, so that whoever answers may be a thread of this program, another
program, or a machine far away. ``tests/runs/test_contract.py`` holds each of these to it over a wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cnnlab.runs.admission import Place
from cnnlab.runs.keeping import CheckpointInfo
from cnnlab.runs.snapshot import RunSpec, Snapshot
from cnnlab.runs.store import Events

Kept = list[CheckpointInfo]
Places = list[Place]


class EngineFace(Protocol):
    """Who trains when, and what is kept. ``cnnlab.runs.engine()`` gives the one of this process."""

    # -- begin ----------------------------------------------------------------------------------------------------

    def submit(self, spec: RunSpec) -> str:
        """Queue what ``spec`` asks for and return the run's id; whatever can be wrong with it is said here.

        Precision, memory format and threads that the recipe leaves to the machine are fixed now, for good.

        Raises:
            ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: it cannot be trained.
            BudgetError: it needs more memory than there is for all runs, or its owner has as many as may be live.
            NotAllowedError: it is to begin with the weights of somebody else's run.
            ModelError: there is no such model to begin with.
            RunError: the engine is closed, or the run cannot be written down.
        """

    def add(self, record: Mapping[str, Any], events: Events, model: bytes | None = None, owner: str = "") -> str:
        """Keep a run that is over, from elsewhere, as a new one of ``owner``; return its id.

        Args:
            record: ``Snapshot.as_dict()`` of it.
            events: what happened in it; they are numbered anew.
            model: the bytes of its final weights.

        Raises:
            RunError, ModelError: it is no record of a run, or no model.
        """

    def branch(
        self, id: str, step: int, changes: Mapping[str, Any] | None = None, name: str = "", owner: str | None = None
    ) -> str:
        """Begin a run that goes on from checkpoint ``step`` of run ``id``, with other settings; return its id.

        Args:
            id, step: the parent, and one of its ``checkpoints``. Step 0 begins with the same weights and order.
            changes: fields of the recipe in force then that are to be different from here on.
            name: what it is called; empty takes the parent's name.
            owner: whose it will be; None takes the parent's owner. The parent must be theirs.

        Raises:
            NotAllowedError: the parent is somebody else's.
            RunError: there is no such run or checkpoint, the data is no longer the same, or the disk is full.
            RecipeError, BudgetError: the changed recipe cannot go on from there.
        """

    def resume(self, id: str, owner: str | None = None) -> None:
        """Let a run that was interrupted or stopped go on from its last checkpoint, to the bits it would have had.

        Raises:
            NotAllowedError: ``owner`` is given and the run is somebody else's.
            RunError: there is no such run, it is not one that can go on (``can_resume``), or its data is no longer
                the same.
        """

    # -- look -----------------------------------------------------------------------------------------------------

    def list(self, owner: str | None = None) -> list[Snapshot]:
        """Return all runs, or those of ``owner``, the newest first. A damaged record is left out."""

    def snapshot(self, id: str) -> Snapshot:
        """Return run ``id`` as it is now; raises RunError if there is none."""

    def position(self, id: str) -> int | None:
        """Return how many runs begin before run ``id``, or None where it does not wait."""

    def queue(self) -> Places:
        """Return the runs of this machine that wait, who begins first first, and for how long each; a second old at most."""

    @property
    def room(self) -> tuple[int, int]:
        """How many runs may learn at the same time here, and how many bytes of memory they may take together."""

    def events(self, id: str, since: int = 0) -> Events:
        """Return what happened in run ``id`` after event number ``since`` (events are numbered from 1).

        Each has ``n`` and ``kind``: ``train`` and ``val`` (step, loss, acc; val also whole and split), ``test``,
        ``state`` (state), ``command`` (do, step; a change also ``change``), ``health`` (step, layers).

        Raises:
            RunError: there is no such run.
        """

    def can_resume(self, id: str) -> bool:
        """Return whether run ``id`` can go on where it was; an imported one, which has no checkpoints, cannot."""

    def checkpoints(self, id: str) -> Kept:
        """Return the moments of run ``id`` that are kept, in the order of their steps: ``model``, ``branch``."""

    def model(self, id: str, step: int | None = None) -> bytes:
        """Return the weights of run ``id`` as the bytes of a safetensors file; copies, which never change.

        Args:
            id: the run.
            step: one whose weights are kept (``checkpoints``, ``model_step``), or None for the latest.

        Raises:
            RunError: no such run, or no weights of that step.
        """

    def checkpoint(self, id: str, step: int) -> bytes:
        """Return all of run ``id`` at a kept moment, what its optimizer remembers included: ``training.Checkpoint``.

        Raises:
            RunError: no such run, or no such moment is kept.
        """

    def model_step(self, id: str, step: int | None = None) -> int:
        """Return the step whose weights ``model(id, step)`` gives: for a live run the latest that are laid out."""

    def model_path(self, id: str) -> Path | None:
        """Return the file of a run that is over and has one on this machine, else None."""

    def wait(self, id: str, timeout_s: float | None = None) -> Snapshot:
        """Return the run once it is over, or as it is when ``timeout_s`` have passed."""

    # -- change ---------------------------------------------------------------------------------------------------

    def command(self, id: str, change: Mapping[str, Any], owner: str | None = None) -> None:
        """Tell run ``id`` what to do: see ``cnnlab.runs.commands.checked``. It follows before its next step and logs it.

        Raises:
            NotAllowedError: ``owner`` is given and the run is somebody else's.
            RunError: no such run, no such command, or the run is over.
            RecipeError, BudgetError: a change that this run cannot make.
        """

    def edit(self, id: str, name: str | None = None, notes: str | None = None, owner: str | None = None) -> None:
        """Give run ``id`` another name, or other notes.

        Raises:
            NotAllowedError: ``owner`` is given and the run is somebody else's.
            RunError: there is no such run, or another program is training it.
        """

    def delete(self, id: str, owner: str | None = None) -> None:
        """Remove run ``id`` and all that is kept of it; a live one is stopped first, wherever it learns.

        Raises:
            NotAllowedError: ``owner`` is given and the run is somebody else's.
            RunError: there is no such run, or the program that trains it does not answer. A run whose record is
                damaged belongs to nobody; it is removed where no ``owner`` is given.
        """

    def close(self) -> None:
        """Interrupt the live runs of this program, keep where they are, and wait until their threads have ended."""

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
