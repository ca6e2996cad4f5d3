"""Runs beside each other: what their recipes and networks differ in, and what a recipe reaches over several seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import LayerSpec
from cnnlab.runs.snapshot import Snapshot
from cnnlab.training.recipe import Recipe

MACHINE = ("threads", "memory_format")
"""Fields of a recipe that the machine fixes when a run starts: they change the last bits, not what was asked for."""

_ALWAYS = ("out_channels", "out_features", "kernel_size", "output_size", "p")


@dataclass(frozen=True)
class Difference:
    """A field in which recipes differ: its name (``augmentation.shift``), its title (a marked id), a value each."""

    field: str
    title: str
    values: tuple[Any, ...]


def recipe_differences(recipes: Sequence[Recipe]) -> tuple[Difference, ...]:
    """Return the fields that are not the same in all ``recipes``, in the order of the recipe; what chance is, last."""
    found: list[Difference] = []
    for name, info in Recipe.model_fields.items():
        values = [getattr(recipe, name) for recipe in recipes]
        if name == "augmentation":
            for part, of_part in type(values[0]).model_fields.items():
                parts = [getattr(value, part) for value in values]
                found.append(Difference(f"{name}.{part}", of_part.title or part, tuple(parts)))
        else:
            found.append(Difference(name, info.title or name, tuple(values)))
    differing = [one for one in found if any(value != one.values[0] for value in one.values)]
    return tuple(sorted(differing, key=lambda one: one.field in ("seed", *MACHINE)))


@dataclass(frozen=True)
class LayerDifference:
    """A place where two networks differ: the layer of each, by name; None where a network has none there."""

    names: tuple[str | None, str | None]
    layers: tuple[LayerSpec | None, LayerSpec | None]


def network_differences(one: Architecture, other: Architecture) -> tuple[LayerDifference, ...]:
    """Return the layers that two networks do not have in common, in order; layers that moved are taken away and added.

    Layers of the same kind that stand at the same place are one difference, and so are the first ones that stand
    between layers which both networks have; their names are those that each network gives them.
    """
    found: list[LayerDifference] = []
    first, second = _named(one), _named(other)
    matcher = SequenceMatcher(None, [_fingerprint(one) for one in first], [_fingerprint(one) for one in second], False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            found += _paired(first[a:b], second[c:d])
    return tuple(found)


_Named = tuple[str, LayerSpec]


def _named(network: Architecture) -> list[_Named]:
    return [(row.name, row.layer) for row in network.trace().rows]


def _paired(first: list[_Named], second: list[_Named]) -> list[LayerDifference]:
    """Return what stands between two common stretches, layers of the same kind beside each other."""
    kinds = SequenceMatcher(None, [layer.kind for _n, layer in first], [layer.kind for _n, layer in second], False)
    pairs: list[LayerDifference] = []
    for tag, a, b, c, d in kinds.get_opcodes():
        if tag == "equal":
            pairs += [_difference(one, other) for one, other in zip(first[a:b], second[c:d])]
        else:
            pairs += [_difference(one, None) for one in first[a:b]]
            pairs += [_difference(None, other) for other in second[c:d]]
    return pairs


def _difference(one: _Named | None, other: _Named | None) -> LayerDifference:
    (name, layer), (other_name, other_layer) = one or (None, None), other or (None, None)
    return LayerDifference((name, other_name), (layer, other_layer))


def _fingerprint(named: _Named) -> str:
    return json.dumps([named[1].kind, _said(named[1])], sort_keys=True)


def _said(layer: LayerSpec) -> dict[str, Any]:
    """Return the fields that make a layer what it is: a stride left out is the window's side, what arrives is no choice."""
    names = [name for name in type(layer).model_fields if name not in ("kind", "in_channels", "in_features")]
    fields = {name: getattr(layer, name) for name in names}
    if "stride" in fields and fields["stride"] is None:
        fields["stride"] = fields.get("kernel_size")
    return fields


def layer_fields(pair: LayerDifference) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is to be said of each layer of ``pair``: the fields that differ; of a single one what is chosen."""
    one, other = ({} if layer is None else _said(layer) for layer in pair.layers)
    if None in pair.layers:
        first, second = ({} if layer is None else _chosen(layer) for layer in pair.layers)
        return first, second
    differing = [name for name in one if one[name] != other[name]]
    return {name: one[name] for name in differing}, {name: other[name] for name in differing}


def _chosen(layer: LayerSpec) -> dict[str, Any]:
    fields = type(layer).model_fields
    return {
        name: value
        for name, value in _said(layer).items()
        if name in _ALWAYS or value not in (fields[name].default, layer.model_dump().get("kernel_size"))
    }


@dataclass(frozen=True)
class Seeds:
    """Runs that differ in nothing but their seed, and what they reached on the test set.

    Attributes:
        runs: one for each seed, in the order of the seeds.
        mean: of their test accuracies, in [0, 1].
        spread: their sample standard deviation, sqrt(sum (x - mean)^2 / (n - 1)).
        low, high: the smallest and the largest.
    """

    runs: tuple[Snapshot, ...]
    mean: float
    spread: float
    low: float
    high: float

    @property
    def count(self) -> int:
        """How many seeds there are."""
        return len(self.runs)


def over_seeds(snapshots: Iterable[Snapshot]) -> tuple[Seeds, ...]:
    """Return what each recipe reached that was run to its end with two or more seeds, the newest first.

    Two runs belong together where network, data, the beginning (a parent's step, borrowed weights), every live change and every field of
    the recipe are the same, but for the seed and what the machine fixes (``MACHINE``). Of two with the same seed the
    newer one counts.
    """
    groups: dict[str, dict[int, Snapshot]] = {}
    for run in sorted(snapshots, key=lambda run: run.created, reverse=True):
        if run.state == "done" and run.test_acc is not None:
            groups.setdefault(_but_for_the_seed(run), {}).setdefault(run.recipe.seed, run)
    return tuple(_seeds(group) for group in groups.values() if len(group) > 1)


def _seeds(group: Mapping[int, Snapshot]) -> Seeds:
    runs = tuple(group[seed] for seed in sorted(group))
    values = [run.test_acc or 0.0 for run in runs]
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return Seeds(runs, mean, spread, min(values), max(values))


def _but_for_the_seed(run: Snapshot) -> str:
    network = json.loads(run.architecture_key)
    network.pop("name", None)
    recipe = run.recipe.model_dump(mode="json", exclude={"seed", *MACHINE})
    begun = run.start and [run.start.weights, *run.start.taken]
    return json.dumps(
        [network, run.data, run.data_hash, recipe, [*run.changes], run.parent, run.parent_step, begun], sort_keys=True
    )
