"""The tables that runs are kept in; ``migrations`` says how an older database comes to have them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """What all tables have in common."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}


class ProcessRow(Base):
    """A program that trains: the app, or a command line; it is there as long as its heart beats."""

    __tablename__ = "processes"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    host: Mapped[str] = mapped_column(String(300))
    pid: Mapped[int] = mapped_column(Integer)
    started: Mapped[float] = mapped_column(Float(53))
    heartbeat: Mapped[float] = mapped_column(Float(53))


class RunRow(Base):
    """A run: what others ask for is in columns, the rest in its snapshot.

    Attributes:
        process: who trains it, or None where nobody does.
        waiting: its number in the queue while it wants a slot.
        slot: the turn at which it was given the slot that it holds.
        version: counts the changes, so that a reader knows what it has read already.
        changes: the live changes asked for so far, each with its step: kept before they are made.
        description: what a model of this run says of itself.
        model: name and hash of the artefact with the final weights.
    """

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_state", "state"), Index("ix_runs_owner", "owner"))

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    created: Mapped[float] = mapped_column(Float(53))
    version: Mapped[int] = mapped_column(Integer, default=1)
    snapshot: Mapped[dict[str, Any]]
    process: Mapped[str | None] = mapped_column(ForeignKey("processes.id", ondelete="SET NULL"))
    waiting: Mapped[int | None] = mapped_column(Integer)
    slot: Mapped[int | None] = mapped_column(Integer)
    parent: Mapped[str | None] = mapped_column(String(16))
    changes: Mapped[list[Any] | None]
    description: Mapped[dict[str, Any] | None]
    model: Mapped[dict[str, Any] | None]


class EventRow(Base):
    """One thing that happened in a run, numbered from 1."""

    __tablename__ = "events"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    data: Mapped[dict[str, Any]]


class CheckpointRow(Base):
    """All that training needs to go on from a step: where the artefact is, and what it holds.

    Attributes:
        events: how many events the run had had at that moment.
        whole: whether an epoch ends at this step (and at step 0, before the first).
    """

    __tablename__ = "checkpoints"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(Integer)
    whole: Mapped[bool]
    bytes: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
    events: Mapped[int] = mapped_column(Integer)


class CommandRow(Base):
    """What another program asks of a run; who trains it takes the row away."""

    __tablename__ = "commands"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    data: Mapped[dict[str, Any]]


class CounterRow(Base):
    """A number that only grows, and the row that whoever hands out slots holds meanwhile."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int] = mapped_column(Integer)


class TurnRow(Base):
    """Which turn an owner was given last, among those who train on one host."""

    __tablename__ = "turns"

    host: Mapped[str] = mapped_column(String(300), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    turn: Mapped[int] = mapped_column(Integer)
