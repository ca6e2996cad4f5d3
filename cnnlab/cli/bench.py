"""``python -m cnnlab bench``: the promises of speed, measured here and now, each beside what it is compared to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import click

from cnnlab.cli import emit, json_option, table

PARTS = ("training", "browser")


def register(group: click.Group) -> None:
    """Add ``bench`` to ``group``."""
    group.add_command(bench)


@click.command()
@click.option("--only", type=click.Choice(PARTS), help="Measure only this part.")
@json_option
def bench(only: str | None, as_json: bool) -> None:
    """Measure how fast the lab is on this machine (some minutes; close other programs first)."""
    rows = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["CNNLAB_HOME"] = folder  # its runs and workspaces are not the learner's
        for row in _measure(only):
            click.echo(f"{row['what']}: {row['value']} ({row['bar']})", err=True)
            rows.append(row)
    head = ("what", "value", "compared to", "ratio", "bar", "met")
    emit(rows, as_json, lambda: table([[_cell(value) for value in row.values()] for row in rows], head))


def _measure(only: str | None) -> Iterator[dict[str, Any]]:
    try:
        import benchmarks  # noqa: F401  (beside the package, in the checkout)
    except ImportError as error:
        from cnnlab.errors import CnnLabError

        raise CnnLabError("the benchmarks are not installed; run this in the lab's own folder") from error
    if only != "browser":
        from benchmarks.training import measure_training

        for row in measure_training():
            yield row.as_dict()
    if only != "training":
        from benchmarks.browser import measure_browser

        for row in measure_browser():
            yield row.as_dict()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)
