"""What goes into the engine and what comes out of it: frozen, serialisable, and readable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError
from cnnlab.i18n import N_, Message
from cnnlab.training.recipe import Recipe

State = Literal["queued", "running", "paused", "stopped", "done", "failed"]

LIVE: frozenset[str] = frozenset({"queued", "running", "paused"})
"""The states in which a run can still change."""


_WORDS: dict[str, str] = {
    "queued": N_("waiting"),
    "running": N_("learning"),
    "paused": N_("paused"),
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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    data: str = Field(max_length=80)
    recipe: Recipe = Recipe()
    name: str = Field("", max_length=80)
    owner: str = Field("", max_length=200)


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment.

    Attributes:
        id: the key to everything else the engine knows about it.
        name, owner: what it is called and whose it is.
        state: queued, running, paused, stopped, done or failed.
        net: name of the network; ``architecture_key`` is its canonical JSON.
        data, data_hash: what it learns from.
        step, steps: updates done and to do; ``epoch`` begun of ``epochs``.
        images_per_s: over the last seconds of work; of the whole run once it is over; 0 before the first step.
        train_s: seconds spent in steps (no validation, no pauses).
        time_left_s: estimated; None before the first second and when it is over.
        train_loss, train_acc: smoothed over the last steps (weight 0.95); None before the first step.
        val_loss, val_acc, test_loss, test_acc: the latest, or None.
        error: why it failed or was interrupted; ``text(language)`` says it.
        recipe: with precision, memory format and threads as they were fixed at submit.
        created: seconds since 1970, UTC.
        events: how many events there are.
        has_model: whether ``model(id)`` has weights to give.
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

    @property
    def live(self) -> bool:
        """Whether the run can still change."""
        return self.state in LIVE

    @property
    def architecture(self) -> Architecture:
        """The network's description."""
        return Architecture.from_json(self.architecture_key)


def as_message(error: CnnLabError) -> Message:
    """Return ``error`` as a sentence that can be kept and translated later; nested ones become English text."""
    return Message(error.message, **{name: _plain(value) for name, value in error.values.items()})


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str, bool)) else str(value)
