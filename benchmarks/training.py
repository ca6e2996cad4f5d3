"""How fast the lab trains: against the usual DataLoader loop, against a batch that never changes, and for accuracy."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median
from time import perf_counter, sleep
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.lenet import BATCH, LENET, STEPS, WARM
from benchmarks.peers import peers
from benchmarks.report import Row, not_measured, row
from cnnlab.architecture import Architecture
from cnnlab.architecture.presets import PRESETS
from cnnlab.build import build
from cnnlab.data.dataset import DataSet
from cnnlab.data.loader import load
from cnnlab.errors import DataError
from cnnlab.figures import live
from cnnlab.home import ASSETS, home
from cnnlab.runs import Engine, RunSpec, engine
from cnnlab.runs.machine import cores, resolve_recipe
from cnnlab.runs.watch import watch
from cnnlab.training.bounds import blind_loss
from cnnlab.training.events import TestEvent, TrainEvent
from cnnlab.training.loop import Training, generator_for
from cnnlab.training.recipe import Recipe
from cnnlab.training.threads import own_threads

REPEATS = 5
SEEDS = 10
SHORT = 30
LONG = 1_500
"""Steps over which a run of the engine is measured: more than an epoch, with the checkpoints close together at its start."""

T = TypeVar("T")


def usual_data(dataset: DataSet) -> datasets.MNIST:
    """Return MNIST as the tutorials read it: torchvision's own class, one image at a time through its transforms."""
    raw = home() / "usual" / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for packed in (ASSETS / "datasets" / "mnist").glob("*.gz"):
        if not (raw / packed.stem).exists():
            (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    steps = [transforms.Pad(2), transforms.ToTensor(), transforms.Normalize(dataset.mean, dataset.std)]
    return datasets.MNIST(home() / "usual", train=True, transform=transforms.Compose(steps))


def usual_loop(dataset: DataSet) -> float:
    """Return images/s of the loop of the tutorials: DataLoader, float32, Adam, torch's own number of threads."""
    network = build(LENET, generator_for(0, "init"))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    order = generator_for(0, "order")
    batches = iter(DataLoader(usual_data(dataset), batch_size=BATCH, shuffle=True, generator=order))

    def step() -> None:
        x, targets = next(batches)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), targets)
        loss.backward()
        optimizer.step()
        loss.item()

    return _images_per_s(step)


def lab_loop(dataset: DataSet, recipe: Recipe) -> float:
    """Return images/s of the lab's loop."""
    events = Training(LENET, dataset, recipe).events()
    return _images_per_s(lambda: next(events))


def watched_run(dataset: DataSet, recipe: Recipe) -> float:
    """Return images/s of a run of the engine while a page is open on it: its figures made twice a second."""
    runs = engine()
    id = runs.submit(RunSpec(architecture=LENET, data=dataset.name, recipe=recipe.changed(epochs=20)))
    over = threading.Event()
    page = threading.Thread(target=_page, args=(id, over), daemon=True)
    page.start()
    try:
        first, began = _at_step(runs, id, WARM)
        last, ended = _at_step(runs, id, WARM + LONG)
    finally:
        over.set()
        page.join()
        runs.command(id, {"do": "stop"})
        runs.wait(id)
        runs.delete(id)
    return (last - first) * BATCH / (ended - began)


def _page(id: str, over: threading.Event) -> None:
    while not over.wait(0.5):
        view = watch(id).look()
        live.loss_html(view.train, view.val, view.steps, blind_loss(view.snapshot.recipe, 10))
        live.accuracy_html(view.train, view.val, view.steps, 10)


def _at_step(runs: Engine, id: str, step: int) -> tuple[int, float]:
    while (now := runs.snapshot(id)).step < step and now.live:
        sleep(0.05)  # seldom: each look takes the interpreter away from the run
    return now.step, perf_counter()


def constant_batch(dataset: DataSet, recipe: Recipe) -> float:
    """Return images/s of the same steps on one batch that never changes, made ready before: the limit."""
    training = Training(LENET, dataset, recipe)
    x, targets = training.input_of(training.images[:BATCH]), training.targets[:BATCH]
    return _images_per_s(lambda: training.update(x, targets), LONG)


def measure_training() -> Iterator[Row]:
    """Yield the rows on training: throughput of LeNet-5 at batch 64, accuracy against the clock, memory."""
    own_threads(1)  # this thread lives on: it is to have no team of its own
    dataset = load("mnist")
    asked = Recipe(batch_size=BATCH, lr=1e-3)
    preferred = resolve_recipe(asked, LENET)
    plain = preferred.changed(precision="float32")
    rivals = peers(dataset)
    speeds: dict[str, list[float]] = defaultdict(list)
    for _ in range(REPEATS):  # interleaved: whatever else the machine does meets all of them
        speeds["usual"].append(with_threads(cores(), lambda: usual_loop(dataset)))
        speeds["plain"].append(with_threads(1, lambda: lab_loop(dataset, plain)))
        speeds["preferred"].append(with_threads(1, lambda: lab_loop(dataset, preferred)))
        speeds["watched"].append(watched_run(dataset, preferred))
        speeds["constant"].append(with_threads(1, lambda: constant_batch(dataset, preferred)))
        for name, rival in rivals.items():
            if not isinstance(rival, str):
                speeds[name].append(with_threads(cores(), rival))
    found = {name: median(values) for name, values in speeds.items()}
    yield from _throughput(found, rivals, plain, preferred)
    yield from sprint(dataset)
    yield from blocks()
    yield memory()


def _throughput(
    found: dict[str, float], rivals: dict[str, Callable[[], float] | str], plain: Recipe, preferred: Recipe
) -> Iterator[Row]:
    net = f"article-000-lenet5, batch {BATCH}"
    yield row(
        f"{net}, float32, {plain.threads} thread(s), images/s; against a DataLoader loop with per-image torchvision "
        f"transforms, float32, {cores()} thread(s)",
        found["plain"], found["usual"], ">= 2.2x", lambda ratio: ratio >= 2.2, True,
    )  # fmt: skip
    yield row(
        f"{net}, {preferred.precision} (this machine's choice), {preferred.threads} thread(s), images/s; against the same "
        "DataLoader loop",
        found["preferred"], found["usual"], ">= 3.5x", lambda ratio: ratio >= 3.5, True,
    )  # fmt: skip
    for name, rival in rivals.items():
        what = f"{net}, float32, images/s; against {name}, float32, its own example's feed"
        if isinstance(rival, str):
            yield not_measured(what, "> 1x", rival)
        else:
            yield row(what, found["plain"], found[name], "> 1x", lambda ratio: ratio > 1, True)
    yield row(
        f"{net}, {preferred.precision}, a run of the engine with checkpoints, health and a page's figures made twice a "
        "second, images/s; against the same steps on one batch that never changes",
        found["watched"], found["constant"], ">= 0.95x", lambda ratio: ratio >= 0.95, True,
    )  # fmt: skip


def sprint(dataset: DataSet) -> Iterator[Row]:
    """Yield what one epoch of ``mnist-sprint`` reaches on the MNIST test set, over seeds, and how long it takes."""
    preset = PRESETS["mnist-sprint"]
    found = []
    for seed in range(SEEDS):
        recipe = resolve_recipe(Recipe.of({**preset.recipe, "epochs": 1, "seed": seed}), preset.architecture)
        found.append(_train(preset.architecture, dataset, recipe))
    accs, times = [acc for acc, _s in found], [spent for _acc, spent in found]
    what = f"mnist-sprint, one epoch, {SEEDS} seeds"
    yield row(f"{what}: mean accuracy on the MNIST test set", mean(accs), None, ">= 0.99", lambda a: a >= 0.99, False)
    reached = sum(acc >= 0.99 for acc in accs)
    yield row(f"{what}: how many reach 99 %", reached, None, ">= 9 of 10", lambda n: n >= 0.9 * SEEDS, False)
    yield row(f"{what}: median seconds in steps", median(times), None, "<= 4 s", lambda s: s <= 4, False)


def blocks() -> Iterator[Row]:
    """Yield how long ``cifar-blocks`` takes to 90 % of the CIFAR-10 test set, where the whole set is here.

    At the precision that the machine prefers the whole run is measured; at float32, where that is another one, the
    median of ``SHORT`` steps times the number of steps of the run.
    """
    preset = PRESETS["cifar-blocks"]
    what = "cifar-blocks on all of CIFAR-10, seconds in steps"
    try:
        dataset = load("cifar10")
    except DataError as error:
        yield not_measured(what, "<= 240 s", str(error))
        return
    recipe = resolve_recipe(Recipe.of(preset.recipe), preset.architecture)
    acc, spent = _train(preset.architecture, dataset, recipe)
    bar = "<= 240 s, with >= 90 %"
    yield row(f"{what}, {recipe.precision}, to {acc:.2%}", spent, None, bar, lambda s: s <= 240 and acc >= 0.9, False)
    if recipe.precision != "float32":
        plain = recipe.changed(precision="float32")
        yield row(
            f"{what}, float32, {SHORT} steps' median times all", _projected(dataset, plain), None, "", None, False
        )


def _projected(dataset: DataSet, recipe: Recipe) -> float:
    """Return the seconds of the steps of a whole run of ``cifar-blocks``, by those of its first ones."""

    def work() -> float:
        training = Training(PRESETS["cifar-blocks"].architecture, dataset, recipe)
        took: list[float] = []
        events = training.events()
        while len(took) < SHORT:
            began = perf_counter()
            if isinstance(next(events), TrainEvent):
                took.append(perf_counter() - began)
        return median(took) * training.steps

    return with_threads(1, work)


def memory() -> Row:
    """Return how much memory an epoch of ``mnist-sprint`` takes at most, above what torch and the data take."""
    what = "mnist-sprint, one epoch: peak memory above torch and the loaded data, MB"
    if not Path("/proc/self/status").is_file():
        return not_measured(what, "<= 400 MB", "this system does not tell a process's peak memory")
    command = [sys.executable, "-m", "benchmarks.memory"]
    told = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True).stdout
    return row(what, float(told), None, "<= 400 MB", lambda mb: mb <= 400, False)


def _train(architecture: Architecture, dataset: DataSet, recipe: Recipe) -> tuple[float, float]:
    """Return the test accuracy and the seconds spent in steps of a whole training."""

    def work() -> tuple[float, float]:
        spent, began, acc = 0.0, perf_counter(), 0.0
        for event in Training(architecture, dataset, recipe).events():
            now = perf_counter()
            spent += now - began if isinstance(event, TrainEvent) else 0.0
            acc = event.acc if isinstance(event, TestEvent) else acc
            began = perf_counter()
        return acc, spent

    return with_threads(1, work)


def with_threads(count: int, work: Callable[[], T]) -> T:
    """Return what ``work`` returns in a thread that has ``count`` torch threads; the lab sees to its own, and needs one.

    The thread ends, and its team with it, which would slow down whatever is measured next (``training.threads.wide``).
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def body() -> None:
        own_threads(count)
        try:
            found.append(work())
        except BaseException as error:  # handed to the caller's thread
            failed.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def _images_per_s(step: Callable[[], object], steps: int = STEPS) -> float:
    for _ in range(WARM):
        step()
    began = perf_counter()
    for _ in range(steps):
        step()
    return steps * BATCH / (perf_counter() - began)
