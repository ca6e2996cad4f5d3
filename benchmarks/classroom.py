"""A class of thirty on this machine: every learner opens pages, draws, and starts a run, all at once.

The learners are protocol-level clients on loopback (``benchmarks.client``): the server does all that it does for thirty
browsers, and the drawing of pixels, which thirty phones would do, takes nothing from it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, serve
from benchmarks.client import Client
from benchmarks.report import Row, not_measured, row

if TYPE_CHECKING:
    from cnnlab.model import Model
    from cnnlab.runs import Snapshot

LEARNERS = 30
CHURN = 1_000
ALONE = 5
EPOCHS = 1
PAGES = ("", "build", "train", "draw", "explore")
_POLL_S = 1.0
_PATIENCE_S = 900.0
_MB = 2**20

SAME = f"{LEARNERS} runs at once: how many end with the weights, to the bit, that the same recipe gives alone"
ANSWER = f"drawing to prediction while {LEARNERS} runs train, 95th percentile over all learners, s"
PRIVATE = "texts or runs of another learner that any session was shown"
MEMORY = "memory of the server for each further session that has opened every page and drawn, MB"
THROUGHPUT = f"{LEARNERS} runs at once, runs a minute; against one after the other, alone"
THREADS = f"threads of the server after {CHURN:,} more sessions were opened and closed; against before"
GROWTH = f"memory of the server after {CHURN:,} more sessions were opened and closed, MB; against before"


def measure_classroom() -> Iterator[Row]:
    """Yield the promises to a class, measured."""
    if not Path("/proc/self/status").is_file():
        why = "this system does not tell a process's memory and threads"
        yield from (
            not_measured(what, "", why) for what in (SAME, ANSWER, PRIVATE, MEMORY, THROUGHPUT, THREADS, GROWTH)
        )
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with serve(ROOT / "app.py", Path(folder)) as (address, server):
            os.environ["CNNLAB_HOME"] = str(Path(folder) / "home")  # this process reads the same store
            yield from asyncio.run(_measure(address, server))


async def _measure(address: str, server: subprocess.Popen[bytes]) -> list[Row]:
    async with Client(address) as first:
        await _look_around(first, 0)
        alone = [await _run_alone(first) for _ in range(ALONE)]
        before = _memory_mb(server)
        learners = [Client(address) for _ in range(LEARNERS)]
        for learner in learners:
            await learner.__aenter__()
        await asyncio.gather(*(_look_around(learner, number + 1) for number, learner in enumerate(learners)))
        each = (_memory_mb(server) - before) / LEARNERS
        began = time.perf_counter()
        await asyncio.gather(*(_start(learner) for learner in learners))
        answers = await _draw_until_over(learners)
        took = time.perf_counter() - began
        ended = [_runs(learner) for learner in learners]
        same = sum(len(runs) == 1 and _weights(runs[0]) == _weights_alone(runs[0]) for runs in ended)
        strange = _strange(learners, ended) + sum(len(learner.failures) for learner in learners)
        for learner in learners:
            await learner.__aexit__()
        alone += [await _run_alone(first) for _ in range(ALONE)]  # before and after: how fast the machine is may change
    slow = quantiles(answers, n=20)[-1]
    speed, usual = 60 * LEARNERS / took, 60 / median(alone)
    rows = [
        row(SAME, same, None, f"{LEARNERS} of {LEARNERS}", lambda count: count == LEARNERS, False),
        row(ANSWER, slow, None, "<= 1 s", lambda s: s <= 1, False),
        row(PRIVATE, strange, None, "0", lambda count: count == 0, False),
        row(MEMORY, each, None, "<= 15 MB", lambda mb: mb <= 15, False),
        row(THROUGHPUT, speed, usual, ">= 0.9x", lambda ratio: ratio >= 0.9, True),
    ]
    return rows + await _churn(address, server)


async def _churn(address: str, server: subprocess.Popen[bytes]) -> list[Row]:
    """Open and close many sessions; Streamlit remembers the last ones for a while, so the first hundreds warm up."""
    await _come_and_go(address, CHURN // 4)
    threads, memory = _threads(server), _memory_mb(server)
    await _come_and_go(address, CHURN)
    return [
        row(THREADS, _threads(server), threads, "<= 1.1x", lambda ratio: ratio <= 1.1, True),
        row(GROWTH, _memory_mb(server), memory, "<= 1.05x", lambda ratio: ratio <= 1.05, True),
    ]


async def _come_and_go(address: str, count: int) -> None:
    async def visit(number: int) -> None:
        async with Client(address) as learner:
            await learner.open(PAGES[number % len(PAGES)])

    for begin in range(0, count, 8):
        await asyncio.gather(*(visit(number) for number in range(begin, min(begin + 8, count))))


# -- one learner --------------------------------------------------------------------------------------------------


async def _look_around(learner: Client, number: int) -> None:
    """Open every page; give the network a name that nobody else should ever see, and draw."""
    for page in PAGES:
        await learner.open(page)
        if page == "build":
            await learner.fill("build.field.name", _name(number))
        if page == "draw":
            await learner.draw("draw.canvas", _stroke(1, number))


def _name(number: int) -> str:
    return f"network-of-learner-{number}-"


def _strange(learners: list[Client], ended: list[list[Snapshot]]) -> int:
    """Return how often a learner was sent another's network name or run id."""
    names = [_name(number + 1) for number in range(len(learners))]
    ids = [{run.id for run in runs} for runs in ended]
    found = 0
    for mine, learner in enumerate(learners):
        text = "\n".join(learner.texts)
        others = [name for other, name in enumerate(names) if other != mine]
        others += [id for other, theirs in enumerate(ids) if other != mine for id in theirs]
        found += sum(other in text for other in others)
    return found


async def _start(learner: Client) -> None:
    await learner.open("train")
    await learner.fill("train.recipe.epochs", EPOCHS)
    await learner.click("train.start")


async def _run_alone(learner: Client) -> float:
    count = len(_runs(learner))
    began = time.perf_counter()
    await _start(learner)
    await _over([learner], count + 1, _POLL_S / 10)
    return time.perf_counter() - began


async def _draw_until_over(learners: list[Client]) -> list[float]:
    """Let every learner draw, pause, and draw again until all runs are over; return the times of the answers."""
    over = asyncio.create_task(_over(learners, 1))
    answers: list[float] = []

    async def draw(learner: Client, number: int) -> None:
        chance = random.Random(number)
        await learner.open("draw")
        n = 1
        while not over.done():
            n += 1
            answers.append(await learner.draw("draw.canvas", _stroke(n, chance.randrange(1000))))
            await asyncio.wait([over], timeout=chance.uniform(2, 6))

    await asyncio.gather(*(draw(learner, number) for number, learner in enumerate(learners)))
    await over
    return answers


def _stroke(n: int, number: int) -> dict[str, Any]:
    """Return what the canvas sends at the end of a stroke: a slanted bar, another one for each ``number``."""
    height, width = 70, 40
    ink = bytearray(height * width)
    for y in range(height):
        x = (y * (number % 17 + 5)) // 25 % (width - 8)
        ink[y * width + x : y * width + x + 8] = b"\xff" * 8
    box = [20, 30, height, width]
    stroke = [80, 600, 400, 900 + number % 300, 1600]
    return {"n": n, "end": True, "box": box, "ink": base64.b64encode(bytes(ink)).decode(), "strokes": [stroke]}


# -- what the server has ------------------------------------------------------------------------------------------


def _runs(learner: Client) -> list[Snapshot]:
    from cnnlab.runs import engine
    from cnnlab.workspace import Workspace

    return engine().list(owner=Workspace(learner.workspace).owner)


async def _over(learners: list[Client], count: int, poll_s: float = _POLL_S) -> None:
    """Wait until every learner has ``count`` runs and all of them are over."""
    from cnnlab.runs import engine
    from cnnlab.workspace import Workspace

    owners = {Workspace(learner.workspace).owner for learner in learners}
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        every = await asyncio.to_thread(engine().list)
        done = Counter(run.owner for run in every if not run.live)
        if not any(run.live and run.owner in owners for run in every) and all(done[one] >= count for one in owners):
            return
        await asyncio.sleep(poll_s)
    raise TimeoutError("the runs of the class are not over")


def _weights(run: Snapshot) -> str:
    """Return a fingerprint of the final weights of ``run``."""
    from cnnlab.model import Model
    from cnnlab.runs import engine

    return _fingerprint(Model.from_bytes(engine().model(run.id)))


def _weights_alone(run: Snapshot) -> str:
    """Return a fingerprint of what the loop by itself makes of the recipe of ``run``, in this process."""
    key = run.recipe.model_dump_json()
    if key not in _alone:
        from cnnlab.data.loader import load
        from cnnlab.training.loop import Training

        training = Training(run.architecture, load(run.data), run.recipe)
        for _event in training.events():
            pass
        _alone[key] = _fingerprint(training.model())
    return _alone[key]


_alone: dict[str, str] = {}


def _fingerprint(model: Model) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _status(server: subprocess.Popen[bytes], name: str) -> int:
    text = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    return int(text.split(f"{name}:")[1].split()[0])


def _memory_mb(server: subprocess.Popen[bytes]) -> float:
    return _status(server, "VmRSS") * 1024 / _MB


def _threads(server: subprocess.Popen[bytes]) -> int:
    return _status(server, "Threads")
