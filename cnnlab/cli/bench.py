"""``python -m cnnlab bench``: the promises of speed, measured here and now, each beside what it is compared to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from cnnlab.cli import emit, json_option, table
from cnnlab.home import home

PARTS = ("training", "browser", "classroom", "insight")
LONG = ("zoo",)
"""Parts that take most of an hour, and so are measured only where they are asked for."""


def register(group: click.Group) -> None:
    """Add ``bench`` to ``group``."""
    group.add_command(bench)


@click.command()
@click.argument("part", type=click.Choice([*PARTS, *LONG]), required=False)
@json_option
def bench(part: str | None, as_json: bool) -> None:
    """Measure how fast the lab is on this machine, all but the zoo or one PART (some minutes; close other programs first)."""
    rows = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _lend_data(home() / "datasets", Path(folder) / "datasets")
        os.environ["CNNLAB_HOME"] = folder  # its runs and workspaces are not the learner's
        for row in _measure(part):
            click.echo(f"{row['what']}: {row['value']} ({row['bar']})", err=True)
            rows.append(row)
    head = ("what", "value", "compared to", "ratio", "bar", "met")
    emit(rows, as_json, lambda: table([[_cell(value) for value in row.values()] for row in rows], head))


def _lend_data(own: Path, lent: Path) -> None:
    """Let the measurements see the learner's data sets; without those they measure what the lab brings."""
    try:
        lent.symlink_to(own, target_is_directory=True)
    except OSError:
        pass  # a system that allows no links to ordinary users


def _measure(part: str | None) -> Iterator[dict[str, Any]]:
    for name in PARTS if part is None else (part,):
        try:
            module = import_module(f"benchmarks.{name}")  # beside the package, in the checkout
        except ModuleNotFoundError as error:
            from cnnlab.errors import CnnLabError

            raise CnnLabError(
                "the benchmarks need the lab's own folder and requirements-dev.txt; {module} is missing",
                module=error.name or name,
            ) from error
        for row in getattr(module, f"measure_{name}")():
            yield row.as_dict()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)
