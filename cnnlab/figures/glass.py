"""A convolution as data for the browser: every stage with its numbers, how it slides, and what may not be seen yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from cnnlab.figures.sheets import mode_of, pack
from cnnlab.figures.theme import lookup
from cnnlab.figures.tiles import limits
from cnnlab.insight.glass import Counts, Stage
from cnnlab.insight.glass.chain import LEAK


def glass_data(
    stages: Sequence[Stage],
    *,
    hidden: Collection[str] = (),
    asked: tuple[str, int, int] | None = None,
    dark: bool = False,
) -> dict[str, Any]:
    """Return what the browser needs to show ``stages`` and to answer the pointer with their own numbers.

    Args:
        stages: as ``insight.glass.run`` gives them.
        hidden: names of stages whose size nobody may see yet; neither it nor a number of theirs is in the data.
        asked: ``(stage, row, column)`` of the one number that is to be predicted: it is left out, too.
        dark: whether the page is dark.
    """
    shown = [_stage(stage, stage.name in hidden, asked, dark) for stage in stages]
    tables = {mode: pack(lookup(mode, dark), np.uint8) for mode in ("signed", "sequential", "grey")}
    place = {"stage": asked[0], "row": asked[1], "col": asked[2]} if asked else None
    return {"stages": shown, "tables": tables, "asked": place}


def _stage(stage: Stage, hidden: bool, asked: tuple[str, int, int] | None, dark: bool) -> dict[str, Any]:
    operation = stage.operation
    data: dict[str, Any] = {"name": stage.name, "kind": stage.kind, "layer": stage.layer, "hidden": hidden}
    if stage.window is not None:
        data["window"] = list(stage.window)
    if stage.kind == "conv" and operation is not None:
        data["kernel"] = [[weight for row in plane for weight in row] for plane in operation.kernel]
        data["bias"], data["reflect"] = operation.bias, operation.padding_mode == "reflect"
    if stage.kind == "leaky_relu":
        data["slope"] = LEAK
    if hidden:
        return data
    values = stage.values.numpy().copy()
    mode = "grey" if stage.kind == "input" else mode_of(values)
    low, high = (0.0, 1.0) if mode == "grey" else limits(values, mode)
    if asked and asked[0] == stage.name:
        values[0, asked[1], asked[2]] = np.nan
    elif asked and stage.kind not in ("input", "conv") and operation is not None:
        _veil(values, stage, asked)
    return {
        **data,
        "shape": list(values.shape),
        "values": pack(values, np.float64),
        "mode": mode,
        "low": low,
        "high": high,
    }


def _veil(values: Any, stage: Stage, asked: tuple[str, int, int]) -> None:
    """Take out of an activation's or pooling's output the number that would give the one that is asked away."""
    if asked[0] != f"conv{stage.layer + 1}":
        return
    size = stage.window[0] if stage.window else 1
    row, col = asked[1] // size, asked[2] // size
    if row < values.shape[1] and col < values.shape[2]:
        values[0, row, col] = np.nan


def counts_html(counts: Counts, labels: Sequence[tuple[str, str]], *, hidden: bool = False) -> str:
    """Return three rows, dense, local and shared: what it is, a bar (logarithmic), and how many parameters.

    Args:
        counts: the numbers.
        labels: for each row its name and one sentence.
        hidden: leave out the last number, which is to be predicted.
    """
    numbers = (counts.dense, counts.local, counts.shared)
    most = np.log10(max(numbers))
    rows = []
    for place, ((name, says), number) in enumerate(zip(labels, numbers)):
        veiled = hidden and place == 2
        share = 0 if veiled else 100 * float(np.log10(number) / most)
        shown = "?" if veiled else f"{number:,}"
        rows.append(
            f'<div class="glass-row"><div><b>{name}</b><span>{says}</span></div>'
            f'<i style="--share:{share:.1f}%"></i><strong>{shown}</strong></div>'
        )
    return f'<div class="glass-counts">{"".join(rows)}</div>'
