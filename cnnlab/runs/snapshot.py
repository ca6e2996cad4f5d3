"""What goes into the engine and what comes out of it: frozen, serialisable, and readable without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError, RunError
from cnnlab.i18n import N_, Message
from cnnlab.training.recipe import Recipe
from cnnlab.training.transfer import Start, Started

State = Literal["queued", "running", "paused", "interrupted", "stopped", "done", "failed"]

LIVE: frozenset[str] = frozenset({"queued", "running", "paused"})
"""The states in which a run can still change."""

RESUMABLE: frozenset[str] = frozenset({"interrupted", "stopped"})
"""The states from which a run can go on where it was, if it has kept something to go on from (``can_resume``)."""

AT_THE_MACHINE: frozenset[str] = frozenset({"", "command line"})
"""The owners of runs that no learner has begun: nobody (a program), and who types commands on the lab's computer."""

_WORDS: dict[str, str] = {
    "queued": N_("waiting"),
    "running": N_("learning"),
    "paused": N_("paused"),
    "interrupted": N_("interrupted"),
    "stopped": N_("stopped"),
    "done": N_("done"),
    "failed": N_("failed"),
}


def state_word(state: str) -> Message:
    """Return the word for a state, to be translated where it is shown."""
    return Message(_WORDS.get(state, state))


class RunSpec(BaseModel):
    """What is asked for: this network, on this data, trained like this, for this owner.

    Attributes:
        architecture: the network's description.
        data: name of a data set that is here.
        recipe: how to train; what it leaves to the machine is fixed at submit.
        name: what people call the run; empty takes the network's name.
        owner: whose run it is; others neither see nor change it.
        start: whose weights it begins with; None: new ones. Those of a run only where that is the same owner's, or
            ``owner`` is one of ``AT_THE_MACHINE``.
        sparse: keep its beginning and its end only, not the moments between: for one of many short runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    data: str = Field(max_length=80)
    recipe: Recipe = Recipe()
    name: str = Field("", max_length=80)
    owner: str = Field("", max_length=200)
    start: Start | None = None
    sparse: bool = False


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment.

    Attributes:
        id: the key to everything else the engine knows about it.
        name, owner: what it is called and whose it is.
        state: queued, running, paused, interrupted, stopped, done or failed.
        net: name of the network; ``architecture_key`` is its canonical JSON.
        data, data_hash: what it learns from.
        step, steps: updates done and to do; ``epoch`` begun of ``epochs``.
        images_per_s: over the last seconds of work; once it is over, of all its work since it began or was last
            resumed; 0 before the first step.
        train_s: seconds spent in steps (no validation, no pauses).
        time_left_s: estimated; None before the first second and when it is over.
        train_loss, train_acc: smoothed over the last steps (weight 0.95); None before the first step.
        val_loss, val_acc, test_loss, test_acc: the latest, or None.
        error: why it failed or was interrupted; ``text(language)`` says it.
        recipe: with precision, memory format and threads as they were fixed at submit.
        created: seconds since 1970, UTC.
        events: how many events there are.
        has_model: whether ``model(id)`` has weights to give.
        parent, parent_step: the run that this one branched from, and at which step; None where it began by itself.
        notes: what people wrote about it.
        chosen_step: the step whose weights were tested, where it is not the last one.
        changes: the live changes so far, each ``{"step": ..., "change": {...}}``.
        rate: steps per second in slow motion, else None.
        resumed: how often it went on after it was over; events after the step it went on from are then gone.
        warning: what went wrong without ending it (a disk that is full), or None.
        held_by: "teacher" where the last pause or stop was the teacher's; empty where it was anybody else's.
        start: what it has begun with that another model had learned; None where all its weights were new.
        images: how many it learns from; None where nobody has counted them: before it begins, or by an older lab.
    """

    id: str
    name: str
    owner: str
    state: State
    net: str
    data: str
    data_hash: str
    step: int
    steps: int
    epoch: int
    epochs: int
    images_per_s: float
    train_s: float
    time_left_s: float | None
    train_loss: float | None
    train_acc: float | None
    val_loss: float | None
    val_acc: float | None
    test_loss: float | None
    test_acc: float | None
    error: Message | None
    recipe: Recipe
    architecture_key: str
    created: float
    events: int = 0
    has_model: bool = False
    parent: str | None = None
    parent_step: int | None = None
    notes: str = ""
    chosen_step: int | None = None
    changes: tuple[dict[str, Any], ...] = ()
    rate: float | None = None
    resumed: int = 0
    warning: Message | None = None
    held_by: str = ""
    images: int | None = None
    start: Started | None = None

    @property
    def live(self) -> bool:
        """Whether the run can still change."""
        return self.state in LIVE

    @property
    def architecture(self) -> Architecture:
        """The network's description."""
        return Architecture.from_json(self.architecture_key)

    @property
    def recipe_now(self) -> Recipe:
        """The recipe with all live changes so far."""
        return self._recipe_after(self.changes)

    def recipe_at(self, step: int) -> Recipe:
        """Return the recipe of the checkpoint of ``step``: what was changed after that step is not in it."""
        return self._recipe_after(made for made in self.changes if made["step"] < step)

    def _recipe_after(self, changes: Iterable[Mapping[str, Any]]) -> Recipe:
        from cnnlab.training.change import Change

        recipe = self.recipe
        for made in changes:
            recipe = Change.of(made["change"]).recipe(recipe)
        return recipe

    def as_dict(self) -> dict[str, Any]:
        """Return the snapshot as JSON values; ``from_dict`` makes an equal one of them."""
        values = dict(vars(self))
        values["recipe"] = self.recipe.model_dump(mode="json")
        values["changes"] = [dict(change) for change in self.changes]
        values["start"] = self.start and self.start.model_dump(mode="json")
        for name in ("error", "warning"):
            message = values[name]
            values[name] = message and {"template": message.template, "values": dict(message.values)}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot that ``as_dict`` wrote; fields of another version of the lab are passed over.

        Raises:
            RunError: it is none.
        """
        known = {field.name for field in fields(cls)}
        try:
            given = {name: value for name, value in values.items() if name in known}
            given["recipe"] = Recipe.of(given["recipe"])
            given["changes"] = tuple(
                {"step": int(made["step"]), "change": dict(made["change"])}
                | ({"inherited": True} if made.get("inherited") is True else {})
                for made in given.get("changes", ())
            )
            given["start"] = Started.model_validate(given["start"]) if given.get("start") else None
            for name in ("error", "warning"):
                message = given.get(name)
                given[name] = Message(str(message["template"]), **message["values"]) if message else None
            return cls(**given)
        except (AttributeError, KeyError, TypeError, ValueError, ValidationError, CnnLabError) as error:
            raise RunError("this is no record of a run: {reason}", reason=str(error)[:200]) from error


IDENTITY = frozenset({
    "id", "name", "owner", "net", "architecture_key", "data", "data_hash", "images", "recipe", "epochs", "created",
    "parent", "parent_step", "start", "notes",
})  # fmt: skip
"""The fields that say what a run is; all others are in ``BLANK``."""

BLANK: Mapping[str, Any] = {
    "state": "queued", "step": 0, "steps": 0, "epoch": 0, "images_per_s": 0.0, "train_s": 0.0, "time_left_s": None,
    "train_loss": None, "train_acc": None, "val_loss": None, "val_acc": None, "test_loss": None, "test_acc": None,
    "error": None, "warning": None, "events": 0, "has_model": False, "chosen_step": None, "changes": (), "rate": None,
    "resumed": 0, "held_by": "",
}  # fmt: skip
"""The fields that say what a run has come to, as they are before it begins."""

KEPT_BY_RESUME = frozenset({
    "steps", "epoch", "train_s", "train_loss", "train_acc", "val_loss", "val_acc", "changes", "events", "has_model",
})  # fmt: skip
"""Of ``BLANK``, what stays where a run goes on; the rest is as before it began, unless ``moments`` knows better."""

KEPT_BY_BRANCH = frozenset({"owner", "net", "architecture_key", "data", "data_hash"})
"""Of ``IDENTITY``, what a branch has of its parent."""


def as_message(error: CnnLabError) -> Message:
    """Return ``error`` as a sentence that can be kept and translated later; nested ones become English text."""
    return Message(error.message, **{name: _plain(value) for name, value in error.values.items()})


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str, bool)) else str(value)
