"""What this machine does best: timed once, kept in ``machine.json``, and written into every run's recipe."""

from __future__ import annotations

import json
import os
import platform
import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import Architecture
from cnnlab.home import home, write_whole
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

_BIG_STEP_MACS = 1_000_000_000
_TINY_STEP_MACS = 50_000_000
"""Below this, two threads lose more to waiting for each other inside each operation than they gain."""
_LEAST_SHARED_MACS = 10_000_000
"""Below this, a step is over before a second thread has its share of the batch (LeNet at batch 64: 27 million)."""
_SMALL_STEP_THREADS = 2
_WORTH_A_THREAD = 1.2
_MIDDLE_BATCH = 256
"""With it the timed step is in the middle of those that it decides for: 2.7 * 10^8 multiply-adds."""
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


def resolve_recipe(recipe: Recipe, architecture: Architecture, crowd: bool = False) -> Recipe:
    """Return ``recipe`` with what it leaves to the machine fixed: precision, memory format, threads.

    The same answer gives the same run, to the bit, whatever else is running then. Threads: all cores up to 8 where a
    step has more than 10^9 multiply-adds. Below that at most 2, which leaves the other cores to pages and other runs:
    where the batch can be shared out among threads (``training.checks.shares``) from 10^7 on; where they have to work
    together inside each operation from 5 * 10^7 on, if they were timed to be worth it. In a crowd always one: side by
    side, runs of one thread leave no core idle, and come to a sixth more together (``mnist-sprint``, two cores).

    Args:
        crowd: whether there are as many other runs as the machine lets learn at the same time.
    """
    from cnnlab.training.checks import shares  # brings torch, which a page that only describes does without

    precision, memory_format, threads = recipe.precision, recipe.memory_format, recipe.threads or int(crowd)
    step_macs = architecture.trace().macs * recipe.batch_size
    if threads == 0 and step_macs > _BIG_STEP_MACS:
        threads = min(cores(), _MOST_THREADS)
    two = min(cores(), _SMALL_STEP_THREADS)
    if threads == 0 and shares(architecture, recipe.batch_size, two) == two:
        threads = two if step_macs >= _LEAST_SHARED_MACS else 1
    if threads == 0 and step_macs < _TINY_STEP_MACS:
        threads = 1
    if "auto" in (precision, memory_format) or threads == 0:
        best = timings()
        precision = best["precision"] if precision == "auto" else precision
        memory_format = best["memory_format"] if memory_format == "auto" else memory_format
        threads = threads or best["threads"]
    return recipe.changed(precision=precision, memory_format=memory_format, threads=threads)


def timings() -> dict[str, Any]:
    """Return what was timed on this machine, timing it now if nobody has: one to four seconds, once.

    Keys: ``machine``; ``images_per_s`` by "precision/memory_format/threads"; the fastest ``precision`` and
    ``memory_format`` on one thread; ``threads``, 2 where they are at least 1.2 times as fast, else 1. Each is judged by
    the best of its rounds: what else the machine does meanwhile, such as drawing a first page, only ever slows down.
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
    choice = (found.get("precision"), found.get("memory_format"))
    return choice in _CHOICES and found.get("threads") in range(1, _SMALL_STEP_THREADS + 1)


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
    """Time a few training steps of a small network in every choice, round about."""
    from cnnlab.training.threads import wide

    trials = {choice: _Trial(*choice) for choice in _CHOICES}
    one = _best({choice: partial(wide, 1, trial.images_per_s) for choice, trial in trials.items()})
    chosen = max(one, key=lambda choice: one[choice])
    speeds = {f"{'/'.join(choice)}/1": round(speed) for choice, speed in one.items()}
    threads = 1
    if cores() > 1:
        trial = _Trial(chosen[0], chosen[1], _MIDDLE_BATCH)
        found = _best({count: partial(wide, count, trial.images_per_s) for count in (1, _SMALL_STEP_THREADS)})
        speeds[f"{'/'.join(chosen)}/{_SMALL_STEP_THREADS}"] = round(found[_SMALL_STEP_THREADS])
        if found[_SMALL_STEP_THREADS] >= _WORTH_A_THREAD * found[1]:
            threads = _SMALL_STEP_THREADS
    return {
        "machine": signature(), "images_per_s": speeds,
        "precision": chosen[0], "memory_format": chosen[1], "threads": threads,
    }  # fmt: skip


def _best(trials: Mapping[Any, Callable[[], float]]) -> dict[Any, float]:
    """Return the best speed of each of ``trials``; one that is hopeless in the first, cold round has no other."""
    best = {choice: trial() for choice, trial in trials.items()}
    hopeful = [choice for choice, speed in best.items() if speed >= max(best.values()) / 4]
    for _ in range(_ROUNDS):
        for choice in hopeful:
            best[choice] = max(best[choice], trials[choice]())
    return best


class _Trial:
    """A small convolutional network in one precision and memory format, to be timed."""

    def __init__(self, precision: str, memory_format: str, batch: int = 128) -> None:
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
        self.x: Tensor = torch.rand(batch, 1, 28, 28, generator=generator).contiguous(memory_format=form)
        self.targets = torch.randint(0, 10, (batch,), generator=generator)
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
        return _STEPS * len(self.x) / (perf_counter() - began)
