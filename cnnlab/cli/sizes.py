"""``python -m cnnlab sizes``: is borrowing worth it? From scratch and borrowed, over set sizes and seeds."""

from __future__ import annotations

import sys
import threading
from typing import Any

import click

from cnnlab.cli import emit, json_option, table
from cnnlab.cli.train import OWNER, recipe_flags, start_of, with_flags
from cnnlab.errors import DataError, RecipeError
from cnnlab.training.recipe import Recipe


def register(group: click.Group) -> None:
    """Add ``sizes`` to ``group``."""
    group.add_command(sizes)


@click.command()
@click.option("--net", required=True, metavar="NET", help="A preset (see: net list) or an architecture's JSON file.")
@click.option("--data", metavar="NAME", help="A data set (see: data list); the preset's own if left out.")
@click.option("--start", required=True, metavar="MODEL", help="Whose weights are borrowed, as for train.")
@click.option("--fresh", multiple=True, metavar="LAYER", help="A layer that begins with new weights all the same.")
@click.option("--freeze", multiple=True, metavar="LAYER", help="A layer that stands still where weights are borrowed.")
@click.option(
    "--sizes", "wanted", metavar="N,N,...", help="Images of each class; 10,100,1000 as far as there are if left out."
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 10), help="Runs for each point.")
@click.option(
    "--steps", default=200, show_default=True, type=click.IntRange(1, 5000), help="About how many each run has."
)
@recipe_flags
@json_option
def sizes(
    net: str, data: str | None, start: str, fresh: tuple[str, ...], freeze: tuple[str, ...], wanted: str | None,
    seeds: int, steps: int, as_json: bool, **flags: Any,
) -> None:  # fmt: skip
    """Compare training from scratch with borrowed weights over set sizes: the same images, recipe and steps."""
    from cnnlab.architecture.presets import PRESETS, load_network
    from cnnlab.data.loader import load
    from cnnlab.runs import RunSpec
    from cnnlab.runs.comparing import Comparison
    from cnnlab.runs.set_sizes import SizesSpec, sizes_for

    architecture, preset = load_network(net), PRESETS.get(net)
    recipe = Recipe.of(with_flags(dict(preset.recipe) if preset else {}, flags))
    named = data or (preset.data if preset else "mnist")
    chosen = _numbers(wanted) if wanted else sizes_for(load(named))
    if not chosen:
        raise DataError("Every class needs an image to learn from.")
    spec = RunSpec(
        architecture=architecture, data=named, recipe=recipe, owner=OWNER, start=start_of(start, fresh, freeze)
    )
    work = Comparison(SizesSpec(spec=spec, sizes=chosen, seeds=seeds, steps=steps))
    found = [point.as_dict() for point in _carried_out(work)]
    emit(found, as_json, lambda: _told(found))


def _numbers(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
        if not found or len(found) > 8 or min(found) < 1:
            raise ValueError
    except ValueError as error:
        raise RecipeError(
            "--sizes {given}: write up to eight numbers above 0, for example 10,100,1000", given=text[:80]
        ) from error
    return found


def _carried_out(work: Any) -> Any:
    """Carry a comparison out, telling its progress on standard error; Ctrl-C stops it, and the same command goes on."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    from cnnlab.runs import engine
    from cnnlab.runs.set_sizes import points

    failed: list[BaseException] = []

    def carry() -> None:
        try:
            work.run()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=carry, name="set-sizes", daemon=True)
    thread.start()
    with tqdm(total=len(work.cells), unit="run", file=sys.stderr, desc="sizes", mininterval=0.5) as bar:
        while thread.is_alive():
            try:
                thread.join(0.25)
                bar.n = sum(len(point.values) for point in points(work.cells, engine().list(OWNER)))
                bar.refresh()
            except KeyboardInterrupt:
                work.stop()
    if failed:
        raise failed[0]
    return points(work.cells, engine().list(OWNER))


def _told(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{one['size']:,}", "borrowed" if one["borrowed"] else "from scratch",
            "-" if one["mean"] is None else f"{one['mean']:.2%}",
            "-" if one["spread"] is None else f"{100 * one['spread']:.2f}", len(one["values"]), one["steps"],
        ]
        for one in found
    ]  # fmt: skip
    return table(rows, ["images a class", "begins", "test accuracy", "spread, points", "seeds", "steps"])
