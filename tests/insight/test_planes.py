"""What a browser is given of a whole map gives every one of its numbers: the sums of ``explain`` are the judge."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.insight import look
from cnnlab.insight.arithmetic import Pass, explain, pass_of
from cnnlab.insight.arithmetic.parts import grid
from cnnlab.insight.arithmetic.plane import Plane
from cnnlab.insight.arithmetic.planes import plane
from tests.architecture.strategies import trees
from tests.insight.makers import MODELS, grey, picture_for
from tests.insight.test_arithmetic import KINDS, ending_in_a_vector, passes, some_units


def total(made: Plane, row: int, column: int) -> float:
    """Return the number at ``row`` and ``column`` of the map, from the plane alone, in float64: what a browser works out."""
    if made.view == "window" and made.window:
        kernel, stride, padding, dilation = made.window
        found = made.bias + (float(made.rest[row, column]) if made.rest is not None else 0.0)
        for one in made.incoming:
            for m, n in grid(kernel, kernel).tolist():
                y, x = row * stride - padding + m * dilation, column * stride - padding + n * dilation
                if 0 <= y < one.values.shape[0] and 0 <= x < one.values.shape[1] and one.kernel is not None:
                    found += float(one.values[y, x]) * float(one.kernel[m, n])
        return found
    if made.view == "pool":
        (top, bottom), (left, right) = made.rows[row], made.columns[column]
        seen = made.incoming[0].values[top:bottom, left:right].double()
        return (
            float(seen.sum()) / (made.tall[row] * made.wide[column]) if made.tall and made.wide else float(seen.max())
        )
    if made.view == "points" and made.shift is not None:
        found = float(made.shift[row, column])
        for one in made.incoming:
            place = int(one.origin[row, column]) if one.origin is not None else -1
            if place >= 0 and one.factor is not None:
                found += float(one.values.flatten()[place]) * float(one.factor[row, column])
        return found
    vector = made.incoming[0].values[0].double()
    if made.view == "dense" and made.weight is not None:
        if made.kind == "RBF":
            return -float((vector - made.weight.double()).square().sum())
        return made.bias + float((vector * made.weight.double()).sum())
    if made.view == "flatten":
        return float(vector[column])
    shares = (vector - vector.max()).exp()
    return float(shares[column] / shares.sum())


def check(passed: Pass, unit, count: int) -> None:
    told = explain(passed, unit)
    made = plane(passed, told.unit, count)
    row, column = told.unit.index[1:] if len(told.unit.index) == 3 else (0, told.unit.index[0])
    assert float(made.values[row, column]) == told.value
    if made.view != "terms":
        assert total(made, row, column) == pytest.approx(told.total, abs=1e-9 * max(1.0, told.size))
    for one in made.incoming:
        y, x = one.values.shape[0] - 1, one.values.shape[1] - 1
        if one.channel is not None or passed.values(one.layer).dim() == 1:
            assert float(one.values[y, x]) == float(
                passed.values(one.layer)[(x,) if one.channel is None else (one.channel, y, x)]
            )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_as_it_is_explained(kind):
    from cnnlab.architecture import Architecture
    from cnnlab.architecture import layers as L

    @settings(max_examples=4, deadline=None)
    @given(layer=KINDS[kind], side=st.integers(1, 8))
    def each(layer, side):
        asked = layer.model_copy(update={"in_channels": None, "in_features": None} if hasattr(layer, "bias") else {})
        first = [L.Flatten()] if kind in ("Linear", "RBF") else [L.Conv2d(out_channels=4, kernel_size=1)]
        drawn = Architecture(name="one", input_shape=(4, side, side + 1), layers=(*first, asked))
        if drawn.trace().error is None:
            for passed in passes(ending_in_a_vector(drawn)):
                for unit in some_units(passed, 3):
                    check(passed, unit, 2)

    each()


@settings(max_examples=10, deadline=None)
@given(drawn=trees(), seed=st.integers(0, 1000))
def test_any_network_is_drawn_as_it_is_explained(drawn, seed):
    for passed in passes(ending_in_a_vector(drawn), seed):
        for unit in some_units(passed, 2, seed):
            check(passed, unit, 2)


def test_the_strongest_maps_come_first_and_the_rest_holds_the_others():
    model = grey()
    passed = pass_of(model, picture_for(model))
    told = explain(passed, "conv2[1,2,2]").unit
    few, all_of_them = plane(passed, told, 1), plane(passed, told, 99)
    assert few.rest is not None and all_of_them.rest is None
    assert few.incoming[0].channel == all_of_them.incoming[0].channel
    assert len(all_of_them.incoming) == few.of_incoming == 4


def test_a_look_without_its_picture_knows_the_picture():
    for make in MODELS.values():
        model = make()
        image = picture_for(model)
        assert torch.equal(pass_of(model, None, look(model, image)).image, image)
