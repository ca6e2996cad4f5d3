"""What the learner is called and has chosen: workspace.json."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.errors import DataError
from cnnlab.home import home, write_whole
from cnnlab.workspace.base import LOCK, Folder, Name, read_text

MAX_WIDGETS = 200
MAX_PAST = 30
MAX_BIN = 50
MAX_PAST_CHARS = 20_000
MAX_TEXT = 1_000
"""Of one choice; a model that is a file is told by its whole path."""
_OWNER = re.compile(r"[0-9a-f]{64}")

Scalar = bool | int | float | Annotated[str, Field(max_length=MAX_TEXT)] | None
Plain = Scalar | Annotated[tuple[Scalar, ...], Field(max_length=100)]
"""What a control's choice can be: a plain value, or a few of them."""
Document = Annotated[str, Field(max_length=MAX_PAST_CHARS)]


class ImageRef(BaseModel):
    """Which image is looked at: one of a data set's test split, a kept drawing, or an upload."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["test", "drawing", "upload"] = "test"
    data: str = Field(default="mnist", max_length=100)
    index: int = Field(default=0, ge=0)
    id: str = Field(default="", pattern=r"^[0-9a-f]{0,40}$")


class Choices(BaseModel):
    """What the learner last chose, as plain values; whoever reads one checks that it still exists.

    ``widgets`` are choices of single controls, by the control's own key (the newest ``MAX_WIDGETS``); ``past`` the
    networks before the present one, as JSON, the newest last; ``bin`` the runs that were thrown away and not yet deleted.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    language: str | None = Field(default=None, max_length=20)
    architecture: str | None = Field(default=None, max_length=1_000_000)
    recipe: str | None = Field(default=None, max_length=20_000)
    data: str | None = Field(default=None, max_length=100)
    model: str | None = Field(default=None, max_length=MAX_TEXT)
    image: ImageRef | None = None
    run: str | None = Field(default=None, max_length=100)
    visited: tuple[str, ...] = Field(default=(), max_length=50)
    widgets: dict[Name, Plain] = Field(default={}, max_length=MAX_WIDGETS)
    past: tuple[Document, ...] = Field(default=(), max_length=MAX_PAST)
    bin: tuple[Name, ...] = Field(default=(), max_length=MAX_BIN)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    name: str = Field(default="", max_length=40)
    choices: Choices = Choices()


class Chosen(Folder):
    """A workspace's name and choices."""

    @property
    def name(self) -> str:
        """Return what the learner calls this workspace; empty until they do."""
        return self._record().name

    def rename(self, name: str) -> None:
        """Call the workspace ``name``: at most 40 printable characters are kept."""
        clean = "".join(ch for ch in name if ch.isprintable()).strip()[:40]
        self._update(name=clean)

    @property
    def choices(self) -> Choices:
        """Return what was last chosen; defaults where nothing, or nothing readable, is kept."""
        return self._record().choices

    def choose(self, **changes: Any) -> Choices:
        """Keep ``changes`` to the choices and return them all.

        Raises:
            DataError: a value is not one that can be kept.
        """
        checked = _checked(**changes)
        return self._update(lambda _old: checked).choices

    def choose_widget(self, key: str, value: Plain) -> None:
        """Keep ``value`` as the choice of the control ``key``.

        Raises:
            DataError: a value is not one that can be kept.
        """
        checked = _checked(widgets={key: value})["widgets"]

        def with_it(old: Choices) -> dict[str, Any]:
            others = [one for one in old.widgets.items() if one[0] != key]
            return {"widgets": {**dict(others[-(MAX_WIDGETS - 1) :]), **checked}}

        self._update(with_it)

    def _record(self) -> _Record:
        text = read_text(self.folder / "workspace.json")
        try:
            return _Record.model_validate_json(text) if text else _Record()
        except ValidationError:
            return _Record()

    def _update(self, choices: Callable[[Choices], dict[str, Any]] | None = None, **changes: Any) -> _Record:
        """Merge into what is on the disk now: another tab, or a fragment, may have written since.

        ``choices`` is asked, with the choices that are there, which of them become another.
        """
        with LOCK:
            old = self._record()
            changed = choices(old.choices) if choices else {}
            new = old.model_copy(update={**changes, "choices": old.choices.model_copy(update=changed)})
            if new != old:
                write_whole(self.folder / "workspace.json", new.model_dump_json().encode())
            return new


def _checked(**changes: Any) -> dict[str, Any]:
    """Return ``changes`` as choices can be kept; raises DataError."""
    try:
        checked = Choices.model_validate(changes)
    except ValidationError as error:
        raise DataError("This choice cannot be kept.") from error
    return {name: getattr(checked, name) for name in changes}


def name_of(owner: str) -> str:
    """Return what the learner ``owner`` (a workspace's, as runs know it) calls the workspace; empty where nothing."""
    if not _OWNER.fullmatch(owner):
        return ""
    text = read_text(home() / "workspaces" / owner / "workspace.json")
    try:
        return _Record.model_validate_json(text).name if text else ""
    except ValidationError:
        return ""
