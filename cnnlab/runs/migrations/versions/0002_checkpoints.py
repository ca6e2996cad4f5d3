"""Checkpoints, live changes, commands from other programs, and one queue for all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables and columns; runs that are there keep all they have."""
    for column in (
        sa.Column("waiting", sa.Integer),
        sa.Column("slot", sa.Integer),
        sa.Column("parent", sa.String(16)),
        sa.Column("changes", sa.JSON),
        sa.Column("description", sa.JSON),
        sa.Column("model", sa.JSON),
    ):
        op.add_column("runs", column)
    op.create_table(
        "checkpoints",
        sa.Column("run", sa.String(16), nullable=False),
        sa.Column("step", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("run", "step", name="pk_checkpoints"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_checkpoints_run", ondelete="CASCADE"),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("run", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commands"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_commands_run", ondelete="CASCADE"),
    )
    op.create_index("ix_commands_run", "commands", ["run"])
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.bulk_insert(counters, [{"name": "turn", "value": 0}])
    op.create_table(
        "turns",
        sa.Column("host", sa.String(300), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("host", "owner", name="pk_turns"),
    )
