"""Runs: who trains when, what lasts, and the one door to models. Nothing outside knows that there is a thread."""

from cnnlab.runs.admission import Place
from cnnlab.runs.database import StoreError
from cnnlab.runs.engine import Engine, engine
from cnnlab.runs.face import EngineFace
from cnnlab.runs.keeping import CheckpointInfo
from cnnlab.runs.limits import Limits, limits, set_limits
from cnnlab.runs.models import named, resolve
from cnnlab.runs.snapshot import LIVE, RESUMABLE, RunSpec, Snapshot
from cnnlab.runs.warm import warm_up

__all__ = [
    "LIVE",
    "RESUMABLE",
    "CheckpointInfo",
    "Engine",
    "EngineFace",
    "Limits",
    "Place",
    "RunSpec",
    "Snapshot",
    "StoreError",
    "engine",
    "limits",
    "named",
    "resolve",
    "set_limits",
    "warm_up",
]
