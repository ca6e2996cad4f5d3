"""Runs: who trains when, what lasts, and the one door to models. Nothing outside knows that there is a thread."""

from cnnlab.runs.engine import Engine, engine
from cnnlab.runs.keeping import CheckpointInfo
from cnnlab.runs.models import named, resolve
from cnnlab.runs.snapshot import LIVE, RESUMABLE, RunSpec, Snapshot
from cnnlab.runs.warm import warm_up

__all__ = [
    "LIVE",
    "RESUMABLE",
    "CheckpointInfo",
    "Engine",
    "RunSpec",
    "Snapshot",
    "engine",
    "named",
    "resolve",
    "warm_up",
]
