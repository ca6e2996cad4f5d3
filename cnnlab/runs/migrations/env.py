"""What Alembic runs: the steps that are missing, in the transaction that ``cnnlab.runs.database`` has begun."""

from alembic import context

_config = getattr(context, "config", None)  # there is one only while Alembic is at work
if _config is not None:
    context.configure(connection=_config.attributes["connection"], render_as_batch=True)
    context.run_migrations()
