"""Train an epoch of ``mnist-sprint`` and print its peak memory above torch and the loaded data, in MB (Linux)."""

from pathlib import Path

import click

from cnnlab.architecture.presets import PRESETS
from cnnlab.data.loader import load
from cnnlab.runs.machine import resolve_recipe
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe
from cnnlab.training.threads import own_threads


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    return int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Print the figure."""
    preset = PRESETS["mnist-sprint"]
    recipe = resolve_recipe(Recipe.of({**preset.recipe, "epochs": 1}), preset.architecture)
    dataset = load("mnist")
    dataset.mean  # noqa: B018  (computed once per data set, not per run)
    own_threads(1)  # the training sees to those of its recipe
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here: proc(5)
    before = peak_mb()
    for _event in Training(preset.architecture, dataset, recipe).events():
        pass
    click.echo(peak_mb() - before)


if __name__ == "__main__":
    main()
