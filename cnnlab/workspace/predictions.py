"""How well the learner predicts: predictions.json."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cnnlab.errors import DataError
from cnnlab.home import write_whole
from cnnlab.workspace.base import LOCK, Folder, Name, read_text

MAX_KINDS = 20
MAX_SETTLED = 10_000
"""More than anyone answers: only so many are remembered as settled."""
Count = Annotated[int, Field(ge=0, le=10_000_000)]


class Score(BaseModel):
    """How well the learner predicts: for each kind of question how many were answered, and how many right.

    ``settled`` are the keys of the questions that were answered or shown, the newest last (``MAX_SETTLED`` of them):
    none of them counts again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    asked: dict[Name, Count] = Field(default={}, max_length=MAX_KINDS)
    right: dict[Name, Count] = Field(default={}, max_length=MAX_KINDS)
    settled: tuple[Name, ...] = Field(default=(), max_length=MAX_SETTLED)

    @model_validator(mode="after")
    def _no_more_right_than_asked(self) -> Score:
        if any(count > self.asked.get(kind, 0) for kind, count in self.right.items()):
            raise ValueError("more right answers than answers")
        return self

    def of(self, kind: str) -> tuple[int, int]:
        """Return how many answers to questions of ``kind`` were right, and how many were given."""
        return self.right.get(kind, 0), self.asked.get(kind, 0)


class Predictions(Folder):
    """A workspace's predictions."""

    @property
    def score(self) -> Score:
        """Return how well the learner predicts; a fresh score where none, or none that can be read, is kept."""
        text = read_text(self.folder / "predictions.json")
        try:
            return Score.model_validate_json(text) if text else Score()
        except ValidationError:
            return Score()

    def settle(self, kind: str, key: str, right: bool | None = None) -> Score:
        """Keep that the question ``key`` was answered, rightly or not, and return the score; None: it was only shown.

        A question that is settled already changes nothing: only the first answer counts, as long as the question is among
        the last ``MAX_SETTLED``.

        Raises:
            DataError: ``kind`` or ``key`` is not one that can be kept.
        """
        with LOCK:
            old = self.score
            if key in old.settled:
                return old
            asked, won = dict(old.asked), dict(old.right)
            if right is not None:
                asked[kind] = asked.get(kind, 0) + 1
                won[kind] = won.get(kind, 0) + int(right)
            values = {"asked": asked, "right": won, "settled": (*old.settled[-(MAX_SETTLED - 1) :], key)}
            try:
                new = Score.model_validate(values)
            except ValidationError as error:
                raise DataError("This choice cannot be kept.") from error
            write_whole(self.folder / "predictions.json", new.model_dump_json().encode())
            return new
