"""``net list``, ``net show``, ``net code``: networks without a browser."""

from __future__ import annotations

from typing import Any

import click

from cnnlab.architecture import Architecture, Row
from cnnlab.architecture.presets import PRESETS, load_network
from cnnlab.architecture.source import to_pytorch
from cnnlab.cli import emit, json_option, table
from cnnlab.cli.net_import import import_
from cnnlab.errors import ArchitectureError
from cnnlab.figures.network import shape_text


def register(group: click.Group) -> None:
    """Add ``net`` and its commands to ``group``."""
    group.add_command(net)
    net.add_command(import_)


@click.group()
def net() -> None:
    """Describe networks: presets, or an architecture's JSON file."""


@net.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the presets."""
    entries = [
        {
            "name": preset.name,
            "title": preset.title,
            "source": preset.source,
            "input_shape": list(preset.architecture.input_shape),
            "num_params": None if preset.error else preset.architecture.trace().num_params,
            "error": str(preset.error) if preset.error else None,
        }
        for preset in PRESETS.values()
    ]
    rows = [
        (
            p.name,
            shape_text(p.architecture.input_shape),
            "?" if p.error else f"{p.architecture.trace().num_params:,}",
            p.error or p.title,
        )
        for p in PRESETS.values()
    ]
    emit(entries, as_json, lambda: table(rows, ("name", "input", "parameters", "")))


@net.command()
@click.argument("net")
@click.option("--input", "shape", metavar="C,H,W", help="Describe it for another input shape.")
@json_option
def show(net: str, shape: str | None, as_json: bool) -> None:
    """Show what each layer of NET does; a network that cannot run ends with its sentence and exit code 2."""
    architecture = _with_input(load_network(net), shape)
    architecture.check()
    trace = architecture.trace()
    value = {
        "input_shape": list(architecture.input_shape),
        "num_params": trace.num_params,
        "macs": trace.macs,
        "layers": [_layer(row) for row in trace.rows],
    }
    emit(value, as_json, lambda: _text(architecture))


@net.command()
@click.argument("net")
def code(net: str) -> None:
    """Print NET as PyTorch source."""
    click.echo(to_pytorch(load_network(net)), nl=False)


def _with_input(architecture: Architecture, shape: str | None) -> Architecture:
    if shape is None:
        return architecture
    parts = shape.replace("x", ",").split(",")
    try:
        channels, height, width = (int(part) for part in parts if len(part) < 8)
        return architecture.with_input((channels, height, width))
    except ValueError as error:  # not three numbers, or (pydantic) out of their ranges
        raise ArchitectureError(
            "--input {given}: write channels (1 to 64), height and width (1 to 1024) as C,H,W, for example 1,28,28",
            given=shape[:40],
        ) from error


def _layer(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.layer.kind,
        "output_shape": list(row.output_shape or ()),
        "num_params": row.num_params,
        "macs": row.macs,
        "receptive_field": _field(row),
    }


def _field(row: Row) -> dict[str, Any] | None:
    """Return height and width that one unit sees in input pixels, and how far neighbours are apart where that is uniform."""
    field = row.receptive_field
    if field is None:
        return None
    return {"size": list(field.size), "stride": list(field.stride) if field.stride else None}


def _text(architecture: Architecture) -> str:
    trace = architecture.trace()
    rows = []
    for row in trace.rows:
        seen = shape_text(row.receptive_field.size) if row.receptive_field else ""
        rows.append(
            (row.name, row.layer.kind, shape_text(row.output_shape), f"{row.num_params:,}", f"{row.macs:,}", seen)
        )
    rows.append(("total", "", "", f"{trace.num_params:,}", f"{trace.macs:,}", ""))
    head = ("layer", "kind", "output", "parameters", "multiply-adds", "receptive field")
    return f"{architecture.name or 'network'}, input {shape_text(architecture.input_shape)}\n\n{table(rows, head)}"
