"""``python -m cnnlab``: every capability of the lab without a browser.

With ``--json`` a command prints one JSON document on standard output and its progress on standard error.
Bad input ends with exit code 2 and one sentence on standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NoReturn

import click

import cnnlab
from cnnlab import i18n  # noqa: F401  (lets errors speak)
from cnnlab.errors import CnnLabError

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")


def emit(value: Any, as_json: bool, text: str | Callable[[], str]) -> None:
    """Print ``value`` as one JSON document, or ``text`` (or what it returns) for a person."""
    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))
    else:
        click.echo(text() if callable(text) else text)


def table(rows: Sequence[Sequence[object]], head: Sequence[str]) -> str:
    """Return ``rows`` under ``head`` as aligned columns."""
    lines = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


class _Lab(click.Group):
    """A group that says an expected error in one sentence and ends with exit code 2: the lab's own, and click's."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CnnLabError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except click.UsageError as error:
            _refuse(ctx, error)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            _refuse(ctx, error)


def _refuse(ctx: click.Context, error: click.UsageError) -> NoReturn:
    """Say in one sentence what click has found wrong, and where the help is; a bare group shows its help as ever."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    said = " ".join(error.format_message().split()).rstrip(".")
    click.echo(f"{said} (see: {(error.ctx or ctx).command_path} --help)", err=True)
    ctx.exit(2)


@click.group(cls=_Lab, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(cnnlab.__version__, prog_name="cnnlab")
def main() -> None:
    """CNN Lab without a browser."""


for _area in sorted(module.name for module in iter_modules(__path__)):  # each brings ``register(group)``
    import_module(f"{__name__}.{_area}").register(main)


def run() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(main(prog_name="python -m cnnlab"))
