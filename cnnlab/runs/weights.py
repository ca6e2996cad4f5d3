"""Copies of a live run's weights, laid out by its own thread for whoever looks into it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from cnnlab.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.description import ModelDescription

_EVERY_S = 1.0
_ASKED_S = 0.2
_WAIT_S = 0.06


@dataclass
class Published:
    """Copies of the weights at one step; their bytes are made when first asked for."""

    step: int
    description: ModelDescription
    state: Mapping[str, Tensor]
    _data: bytes | None = field(default=None)

    def to_bytes(self) -> bytes:
        """Return the model as the bytes of a safetensors file."""
        if self._data is None:
            from cnnlab.model import Model

            self._data = Model(self.description, self.state).to_bytes()
        return self._data


class Weights:
    """The last few copies of the weights of run ``id``.

    The run's thread lays out a new copy each second, sooner when someone asks. Who asks waits for a moment, never
    for a long step, and then gets the newest there is.
    """

    def __init__(self, id: str) -> None:
        self.id = id
        self._changed = threading.Condition()
        self._kept: deque[Published] = deque(maxlen=3)
        self._at = 0.0
        self._asked = False

    def __bool__(self) -> bool:
        """Return whether there are any yet."""
        return bool(self._kept)

    @property
    def due(self) -> bool:
        """Whether it is time for the run's thread to lay out a new copy."""
        waited = perf_counter() - self._at
        return waited > _EVERY_S or (self._asked and waited > _ASKED_S)

    def put(self, published: Published) -> None:
        """Lay out a copy."""
        with self._changed:
            self._kept.append(published)
            self._at = perf_counter()
            self._asked = False
            self._changed.notify_all()

    def has(self, step: int) -> bool:
        """Return whether the copy of ``step`` is still kept here."""
        with self._changed:
            return any(published.step == step for published in self._kept)

    def get(self, step: int | None, at_step: int, learning: bool) -> Published:
        """Return the copy of ``step``, or the latest.

        Args:
            step: one that is still kept, or None.
            at_step: where the run is now; a copy of this step is as new as can be.
            learning: whether the run's thread is at work and will follow a wish for a newer copy.

        Raises:
            RunError: there are none yet, or none of that step (any more).
        """
        with self._changed:
            for published in reversed(self._kept):  # the last of a finished run also says what came of it
                if published.step == step:
                    return published
            if learning:
                self._wish(at_step)
            if not self._kept:
                raise RunError("run {id} has no weights yet; wait until its first step", id=self.id)
            latest = self._kept[-1]
            if step is not None and step != latest.step:
                raise RunError(
                    "run {id} has kept no weights of step {step}; the latest are those of step {latest}",
                    id=self.id,
                    step=step,
                    latest=latest.step,
                )
            return latest

    def _wish(self, at_step: int) -> None:
        before = self._at
        if self._kept and (self._kept[-1].step == at_step or perf_counter() - before < _ASKED_S):
            return
        self._asked = True
        self._changed.wait_for(lambda: self._at != before, timeout=_WAIT_S)
