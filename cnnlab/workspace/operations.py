"""What the learner has done to a copy of a model and not kept yet: operations.json."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.errors import DataError
from cnnlab.home import write_whole
from cnnlab.workspace.base import LOCK, Folder, read_text

MAX_OPERATIONS = 100
MAX_BYTES = 16_000_000
"""Every operation a kernel of 64x64 numbers, each written with all its digits, and some room."""


class Operations(BaseModel):
    """Operations one after the other, as JSON values; whoever does them checks each.

    Attributes:
        model: to a copy of which model, as a ``ModelRef`` is written.
        done: the operations.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str = Field(default="", max_length=1000)
    done: Annotated[tuple[dict[str, Any], ...], Field(max_length=MAX_OPERATIONS)] = ()


class Operating(Folder):
    """A workspace's operations."""

    @property
    def operations(self) -> Operations:
        """Return what was done last; nothing where none, or none that can be read, is kept."""
        text = read_text(self.folder / "operations.json", MAX_BYTES)
        try:
            return Operations.model_validate_json(text) if text else Operations()
        except ValidationError:
            return Operations()

    def keep_operations(self, model: str, done: list[dict[str, Any]]) -> None:
        """Keep ``done``, in the place of what was kept before, as what was done to a copy of ``model``.

        Raises:
            DataError: these are more or larger ones than can be kept.
        """
        try:
            text = Operations.model_validate({"model": model, "done": done}).model_dump_json().encode()
        except ValueError as error:
            raise DataError("This choice cannot be kept.") from error
        if len(text) > MAX_BYTES:
            raise DataError("This choice cannot be kept.")
        with LOCK:
            write_whole(self.folder / "operations.json", text)
