"""Runs: who trains when, what lasts, and the one door to models. Nothing outside knows that there is a thread."""

from cnnlab.runs.engine import Engine, engine
from cnnlab.runs.models import named, resolve
from cnnlab.runs.snapshot import LIVE, RunSpec, Snapshot
from cnnlab.runs.warm import warm_up

__all__ = ["LIVE", "Engine", "RunSpec", "Snapshot", "engine", "named", "resolve", "warm_up"]
