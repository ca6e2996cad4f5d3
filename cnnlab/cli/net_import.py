"""``net import``: a network from PyTorch or Keras source, which is parsed and never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cnnlab.cli import emit, json_option
from cnnlab.errors import ArchitectureError
from cnnlab.figures.network import shape_text
from cnnlab.home import write_whole
from cnnlab.source_in import Finding, Imported, read_source
from cnnlab.source_in.text import MAX_BYTES


def register(group: click.Group) -> None:
    """Add nothing by itself: the command belongs to ``net``, which takes it in."""


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--input", "shape", metavar="C,H,W", help="Shape of one picture, where the code does not say it.")
@click.option("--network", metavar="NAME", help="Which of the file's networks, where it has several.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the architecture's JSON there.")
@json_option
def import_(file: Path, shape: str | None, network: str | None, out: Path | None, as_json: bool) -> None:
    """Read the network that FILE (PyTorch or Keras source) defines; nothing of it is executed."""
    found = read_source(_bytes(file), parse_shape(shape) if shape else None, network)
    if out is not None and found.architecture is not None:
        write_whole(out, found.architecture.to_json().encode())
    if as_json or found.architecture is not None:
        emit(_value(found), as_json, lambda: _text(found))
    else:
        click.echo(_text(found), err=True)
    if found.architecture is None:
        raise click.exceptions.Exit(2)


def parse_shape(text: str) -> tuple[int, int, int]:
    """Return ``C,H,W`` as three numbers.

    Raises:
        ArchitectureError: it is not three numbers in their ranges.
    """
    parts = text.replace("x", ",").split(",")
    numbers = [int(part) for part in parts if part.strip().isdigit() and len(part) < 8]
    if len(numbers) != 3 or len(parts) != 3 or not (0 < numbers[0] <= 64 and 0 < min(numbers) and max(numbers) <= 1024):
        raise ArchitectureError(
            "--input {given}: write channels (1 to 64), height and width (1 to 1024) as C,H,W, for example 1,28,28",
            given=text[:40],
        )
    return numbers[0], numbers[1], numbers[2]


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ArchitectureError("{file} cannot be read", file=file) from error


def _value(found: Imported) -> dict[str, Any]:
    architecture = found.architecture
    return {
        "architecture": None if architecture is None else architecture.model_dump(mode="json"),
        "input_shape": list(found.input_shape) if found.input_shape else None,
        "num_params": found.num_params,
        "problems": _lines(found.problems),
        "ignored": _lines(found.ignored),
        "notes": _lines(found.notes),
        "choices": list(found.choices),
    }


def _lines(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    return [{"line": one.line, "text": str(one.text)} for one in findings]


def _text(found: Imported) -> str:
    lines = []
    if found.architecture is not None:
        head = f"{found.architecture.name}, input {shape_text(found.architecture.input_shape)}"
        lines.append(f"{head}, {found.num_params:,} parameters")
    for word, findings in (("problem", found.problems), ("note", found.notes), ("ignored", found.ignored)):
        lines += [f"line {one.line}: {word}: {one.text}" for one in findings]
    return "\n".join(lines)
