"""What is the matter with the sizes in a network: maps, windows, and where its parameters sit."""

from __future__ import annotations

from collections.abc import Iterator

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import AvgPool2d, Conv2d, Flatten, LayerSpec, Linear, MaxPool2d
from cnnlab.architecture.network import Row
from cnnlab.architecture.tape import Place
from cnnlab.health.case import Case, Evidence, Finding, Rule, Setup
from cnnlab.i18n import N_, Message

HEAVY_SHARE = 0.9
"""Of all parameters in the first dense layer: more is said to be nearly all."""

HEAVY_PARAMS = 20_000
"""Below this many, it does not matter where they are."""

_POOLS = (MaxPool2d, AvgPool2d)


class HeavyDense(Rule):
    """The first dense layer behind the maps holds nearly all parameters."""

    id = "dense-heavy"
    severity = "note"
    title = N_("Nearly all parameters in one dense layer")
    remedy = N_("Shrink the maps before it")

    def find(self, case: Case) -> Finding | None:
        row = _first_dense(case.rows)
        if row is None or not row.num_params or not _is_heavy(case.rows):
            return None
        total = sum(other.num_params or 0 for other in case.rows)
        why = Message(
            "{name} holds {share:.1%} of the network's {total:,} parameters: each of its {out} outputs has a weight for every "
            "one of the {into:,} numbers that arrive. That is where it learns by heart, and what makes its file large; the "
            "convolutions, which find the shapes, do with {rest:,}. Another pooling before it makes it about four times smaller.",
            name=row.name,
            share=row.num_params / total,
            total=total,
            out=(row.output_shape or (1,))[0],
            into=row.input_shape[0] if row.input_shape else 0,
            rest=total - row.num_params,
        )
        bars = {other.name: float(other.num_params) for other in case.rows if other.num_params}
        return self.finding(
            why, Evidence(values=bars, marked=(row.name,), title=N_("Parameters of each layer")), layers=(row.name,)
        )

    def apply(self, case: Case) -> Setup | None:
        flat = next((row for row in case.rows if isinstance(row.layer, Flatten)), None)
        if flat is None or not case.architecture.can_edit(flat):
            return None
        side = min((flat.input_shape or (1, 1, 1))[1:], default=1)
        for kernel in range(2, side + 1):
            shrunk = freed(case.architecture).insert(flat.place, MaxPool2d(kernel_size=kernel))
            if not _is_heavy(shrunk.trace().rows):
                return case.recipe, shrunk
        return None


class MapTooSmall(Rule):
    """A convolution whose kernel is larger than its maps."""

    id = "map-too-small"
    title = N_("Maps too small for the kernel")
    remedy = N_("Shrink the maps less before it")

    def find(self, case: Case) -> Finding | None:
        row, side = next(_overhanging(case.rows), (None, 0))
        if row is None or not isinstance(row.layer, Conv2d):
            return None
        k = row.layer.kernel_size
        met = min(k, -(-side // row.layer.dilation))
        why = Message(
            "Maps of {side}x{side} are all that is left where {name} lays its {kernel}x{kernel} kernel over them: at any "
            "place {idle} of its {all} weights, or more, meet nothing but padding. The maps have been shrunk too far; "
            "do with a pooling less, or with a smaller kernel.",
            side=side,
            name=row.name,
            kernel=k,
            idle=k * k - met * met,
            all=k * k,
        )
        maps = [r for r in case.rows if r.output_shape and len(r.output_shape) == 3]
        sides = {r.name: float(min(r.output_shape[1:])) for r in maps if r.output_shape}
        return self.finding(
            why, Evidence(values=sides, marked=(row.name,), title=N_("Side of the maps in pixels")), layers=(row.name,)
        )

    def apply(self, case: Case) -> Setup | None:
        architecture = freed(case.architecture)
        while (found := next(_overhanging(architecture.trace().rows), None)) is not None:
            row, side = found
            above = architecture.trace().rows[: row.index]
            pools = [r.place for r in above if isinstance(r.layer, _POOLS) and architecture.can_edit(r)]
            if pools:
                architecture = architecture.remove(pools[-1])
                continue
            if not architecture.can_edit(row):
                return None
            kernel = side if side % 2 else max(1, side - 1)
            smaller = row.layer.model_copy(update={"kernel_size": kernel, "padding": kernel // 2, "dilation": 1})
            architecture = architecture.replace(row.place, smaller)
        return case.recipe, architecture


class PaddingOnly(Rule):
    """Windows that lie wholly in the padding."""

    id = "padding-only"
    title = N_("Windows that see only padding")
    remedy = N_("Take as much padding as the kernel can use")

    def find(self, case: Case) -> Finding | None:
        wide = [row for row in case.rows if _pads_too_much(row.layer)]
        if not wide or not isinstance(wide[0].layer, Conv2d):
            return None
        row, layer = wide[0], wide[0].layer
        why = Message(
            "{name} has padding {padding} on each side, but its kernel reaches over {reach} px only: along the edge it looks at "
            "nothing but zeros, and all it can answer there is its bias. Half the kernel, {works}, is as much padding as "
            "makes sense.",
            name=row.name,
            padding=layer.padding,
            reach=_reach(layer),
            works=(_reach(layer) - 1) // 2,
        )
        return self.finding(why, Evidence(), layers=tuple(row.name for row in wide))

    def apply(self, case: Case) -> Setup | None:
        def fitted(layer: LayerSpec, place: Place) -> LayerSpec:
            if isinstance(layer, Conv2d) and _pads_too_much(layer):
                return layer.model_copy(update={"padding": (_reach(layer) - 1) // 2})
            return layer

        return case.recipe, freed(case.architecture.mapped(fitted))


class StrideSkips(Rule):
    """A window that jumps further than it is wide."""

    id = "stride-skips"
    title = N_("Pixels that nobody looks at")
    remedy = N_("Jump no further than the window is wide")

    def find(self, case: Case) -> Finding | None:
        rows = [row for row in case.rows if _skips(row) and case.architecture.can_edit(row)]
        if not rows:
            return None
        kernel, stride = _window(rows[0].layer)
        why = Message(
            "{name} jumps {stride} pixels at a time with a window of {kernel}: it never looks at {share:.0%} of what arrives, "
            "whatever is there. A stride of {kernel} or less leaves no gaps.",
            name=rows[0].name,
            stride=stride,
            kernel=kernel,
            share=1 - (kernel / stride) ** 2,
        )
        return self.finding(why, Evidence(), layers=tuple(row.name for row in rows))

    def apply(self, case: Case) -> Setup | None:
        skipping = {row.place for row in case.rows if _skips(row) and case.architecture.can_edit(row)}

        def closer(layer: LayerSpec, place: Place) -> LayerSpec:
            return layer.model_copy(update={"stride": _window(layer)[0]}) if place in skipping else layer

        return case.recipe, freed(case.architecture.mapped(closer))


def freed(architecture: Architecture) -> Architecture:
    """Return the network with its dense layers and convolutions taking whatever arrives, so that a size may change."""

    def free(layer: LayerSpec, place: Place) -> LayerSpec:
        if isinstance(layer, Linear):
            return layer.model_copy(update={"in_features": None})
        return layer.model_copy(update={"in_channels": None}) if isinstance(layer, Conv2d) else layer

    return architecture.mapped(free)


def _reach(layer: Conv2d) -> int:
    return layer.dilation * (layer.kernel_size - 1) + 1


def _is_heavy(rows: tuple[Row, ...]) -> bool:
    """Return whether the first dense layer behind convolutions holds nearly all parameters, and many."""
    row, total = _first_dense(rows), sum(row.num_params or 0 for row in rows)
    return row is not None and (row.num_params or 0) >= max(HEAVY_PARAMS, HEAVY_SHARE * total)


def _overhanging(rows: tuple[Row, ...]) -> Iterator[tuple[Row, int]]:
    """Yield the convolutions that reach further than their maps are wide, with the maps' shorter side."""
    for row in rows:
        if isinstance(row.layer, Conv2d) and row.input_shape and _reach(row.layer) > min(row.input_shape[1:]):
            yield row, min(row.input_shape[1:])


def _pads_too_much(layer: LayerSpec) -> bool:
    return isinstance(layer, Conv2d) and layer.padding >= _reach(layer)


def _window(layer: LayerSpec) -> tuple[int, int]:
    """Return how far a sliding window reaches and how far it jumps; (1, 1) where there is none."""
    if isinstance(layer, Conv2d):
        return _reach(layer) if layer.dilation == 1 else layer.stride, layer.stride
    if isinstance(layer, _POOLS):
        return layer.kernel_size, layer.stride or layer.kernel_size
    return 1, 1


def _skips(row: Row) -> bool:
    kernel, stride = _window(row.layer)
    return stride > kernel and row.output_shape is not None and max(row.output_shape[1:]) > 1


def _first_dense(rows: tuple[Row, ...]) -> Row | None:
    """Return the first dense layer, if convolutions stand before it."""
    dense = next((row for row in rows if isinstance(row.layer, Linear)), None)
    if dense is None or not any(isinstance(row.layer, Conv2d) for row in rows[: dense.index]):
        return None
    return dense


SHAPE_RULES: tuple[Rule, ...] = (HeavyDense(), MapTooSmall(), PaddingOnly(), StrideSkips())
