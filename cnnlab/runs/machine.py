"""What this machine does best: timed once, kept in ``machine.json``, and written into every run's recipe."""

from __future__ import annotations

import json
import os
import platform
import threading
from importlib import metadata
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import Architecture
from cnnlab.home import home, write_whole
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

_BIG_STEP_MACS = 1_000_000_000
_SMALL_STEP_THREADS = 2
_MOST_THREADS = 8
_CHOICES = [
    (precision, memory_format)
    for precision in ("float32", "bfloat16")
    for memory_format in ("channels_last", "contiguous")
]
_STEPS, _ROUNDS = 4, 3
_guard = threading.Lock()


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on every system
        return max(1, os.cpu_count() or 1)


def resolve_recipe(recipe: Recipe, architecture: Architecture) -> Recipe:
    """Return ``recipe`` with what it leaves to the machine fixed: precision, memory format, threads.

    The answer depends on the machine and the recipe alone, never on what else is running: the same recipe gives
    the same run. Threads: all cores up to 8 where a step has more than 10^9 multiply-adds, else 2 at most.
    """
    threads = recipe.threads
    if threads == 0:
        work = architecture.trace().macs * recipe.batch_size
        threads = min(cores(), _MOST_THREADS if work > _BIG_STEP_MACS else _SMALL_STEP_THREADS)
    precision, memory_format = recipe.precision, recipe.memory_format
    if "auto" in (precision, memory_format):
        best = timings()
        if precision == "auto":
            precision = best["precision"]
        if memory_format == "auto":
            memory_format = best["memory_format"]
    return recipe.changed(precision=precision, memory_format=memory_format, threads=threads)


def timings() -> dict[str, Any]:
    """Return what was timed on this machine, timing it now if nobody has: about a second, once.

    Keys: ``machine``, ``images_per_s`` by "precision/memory_format", and the fastest ``precision`` and
    ``memory_format``.
    """
    path = home() / "machine.json"
    with _guard:
        try:
            found = json.loads(path.read_bytes())
            if isinstance(found, dict) and found.get("machine") == signature() and _sound(found):
                return found
        except (OSError, ValueError):
            pass
        measured = _measure()
        write_whole(path, json.dumps(measured, indent=2).encode())
        return measured


def signature() -> dict[str, Any]:
    """Return what the timings depend on; others are timed anew."""
    return {"cores": cores(), "processor": _processor(), "torch": metadata.version("torch")}


def _sound(found: dict[str, Any]) -> bool:
    return (found.get("precision"), found.get("memory_format")) in _CHOICES


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if line.startswith(("model name", "flags"))][:2]
        return f"{platform.machine()} {hash_of(''.join(lines))}"
    except OSError:
        return f"{platform.machine()} {platform.processor()}"


def hash_of(text: str) -> str:
    """Return a short fingerprint of ``text``."""
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()[:12]


def _measure() -> dict[str, Any]:
    """Time a few training steps of a small network in every choice, round about; the medians decide."""
    speeds: dict[tuple[str, str], list[float]] = {choice: [] for choice in _CHOICES}

    def work() -> None:  # in a thread of its own: the number of torch threads is a thread's own affair
        import torch

        torch.set_num_threads(min(cores(), _SMALL_STEP_THREADS))
        trials = {choice: _Trial(*choice) for choice in _CHOICES}
        for trial in trials.values():
            trial.images_per_s()
        for _ in range(_ROUNDS):
            for choice, trial in trials.items():
                speeds[choice].append(trial.images_per_s())

    thread = threading.Thread(target=work, name="machine-timing", daemon=True)
    thread.start()
    thread.join()
    medians = {choice: median(found) for choice, found in speeds.items()}
    precision, memory_format = max(medians, key=lambda choice: medians[choice])
    return {
        "machine": signature(),
        "images_per_s": {"/".join(choice): round(speed) for choice, speed in medians.items()},
        "precision": precision,
        "memory_format": memory_format,
    }


class _Trial:
    """A small convolutional network in one precision and memory format, to be timed."""

    _BATCH = 128

    def __init__(self, precision: str, memory_format: str) -> None:
        import torch
        from torch import nn

        generator = torch.Generator().manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip
        for parameter in self.network.parameters():
            nn.init.uniform_(parameter, -0.05, 0.05, generator=generator)
        form = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
        self.network.to(memory_format=form)  # type: ignore[call-overload]
        self.x: Tensor = torch.rand(self._BATCH, 1, 28, 28, generator=generator).contiguous(memory_format=form)
        self.targets = torch.randint(0, 10, (self._BATCH,), generator=generator)
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True)
        self.half = precision == "bfloat16"

    def images_per_s(self) -> float:
        """Return the speed over a few steps."""
        import torch

        began = perf_counter()
        for _ in range(_STEPS):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                logits = self.network(self.x)
            loss = torch.nn.functional.cross_entropy(logits.float(), self.targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return _STEPS * self._BATCH / (perf_counter() - began)
