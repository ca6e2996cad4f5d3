"""``net weights``: published weights for a full-size network, fetched or from a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnlab.cli import emit, json_option
from cnnlab.cli.net import net as net_group
from cnnlab.cli.train import check_writable
from cnnlab.errors import ModelError

if TYPE_CHECKING:
    from cnnlab.data.progress import Progress


def register(group: click.Group) -> None:
    """Add ``weights`` to the commands of ``net``."""
    net_group.add_command(weights)


@click.command()
@click.argument("net")
@click.option("--from", "source", type=click.Path(path_type=Path), help="A file of weights: .pth, .pt or .safetensors.")
@click.option("--fetch", "fetching", is_flag=True, help="Fetch the published file from the internet.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the model; the lab's own folder if left out.",
)
@json_option
def weights(net: str, source: Path | None, fetching: bool, out: Path | None, as_json: bool) -> None:
    """Make a model of NET with weights from a file or from the internet; without either, say where they are."""
    from cnnlab import weights as room

    facts = room.published(net)
    if (source is None) == (not fetching):
        if source is not None:
            raise ModelError("choose one of --from and --fetch")
        value = {"net": net, "address": facts.address, "num_params": facts.num_params, "acc": facts.acc}
        says = f"{net}: {facts.num_params:,} parameters, {facts.acc:.2%} of ImageNet's validation pictures; {facts.address}"
        return emit(value, as_json, says)
    target = out or room.saved(net)
    check_writable(target)
    model = room.borrow(net, source if source is not None else room.fetch(net, _Bar()))
    model.save(target)
    made = {"net": net, "model": str(target), "num_params": facts.num_params, "classes": len(model.class_names)}
    emit(made, as_json, f"{net} with {made['num_params']:,} parameters for {made['classes']:,} classes: {target}")


class _Bar:
    """Shows on standard error how far a download has come."""

    def __init__(self) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

        self._bar = tqdm(unit="B", unit_scale=True, file=sys.stderr, mininterval=0.5, disable=None)

    def __call__(self, progress: Progress) -> None:
        """Take one step of a download."""
        self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)
        if progress.total is not None and progress.done >= progress.total:
            self._bar.close()
