"""Surgery: always on a copy, as torch would do it, and the quick way gives what the long way gives."""

from __future__ import annotations

import weakref

import pytest
import torch

from cnnlab.architecture import LAYERS
from cnnlab.architecture import layers as L
from cnnlab.data.loader import load
from cnnlab.errors import ModelError
from cnnlab.insight import filters, halfway, look, surgery
from cnnlab.insight.arithmetic.curves import ACTIVATIONS
from cnnlab.insight.surgery import Edit, Table, beginning, lesion_table, lesions, operated, table_for
from cnnlab.insight.surgery import table as tables
from cnnlab.insight.surgery.chain import chain, norms, silent_from
from cnnlab.insight.surgery.edits import OPERATIONS
from cnnlab.insight.surgery.lesions import found_for, rounds, searched
from cnnlab.insight.units.preferred import objective_row
from cnnlab.model import Model
from cnnlab.runs.models import named
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe
from tests.insight.makers import (
    GREY,
    NETS,
    colour,
    grey,
    image_of,
    images_for,
    mirrored,
    model_of,
    picture_for,
    result,
    same,
)


def layers_of(model: Model) -> list[str]:
    return [row.name for row in model.architecture.trace().rows if row.layer.kind in ("Conv2d", "Linear")]


@pytest.mark.parametrize("net", NETS)
def test_two_halves_are_the_whole(net):
    model = NETS[net]()
    x = model.preprocessing.apply(image_of((3, *model.preprocessing.data_shape)))
    with torch.no_grad():
        whole = model.network.logits(x)
    for start in range(len(halfway.rows_of(model.network)) + 1):
        values = halfway.before(model.network, x, start)
        kept = {index: value.clone() for index, value in values.items()}
        assert torch.equal(halfway.onward(model.network, values, start), whole)
        assert same(kept, values)


@pytest.mark.parametrize("net", NETS)
def test_an_effect_is_what_the_changed_model_answers(net):
    model = NETS[net]()
    data = images_for(model)
    table = Table(model, data)
    before = {name: tensor.clone() for name, tensor in model.state.items()}
    torch.testing.assert_close(table.logits, model.logits(data.test.images))
    for layer in layers_of(model):
        edits = [Edit(do="silence", layer=layer, unit=0), Edit(do="scale", layer=layer, unit=1, factor=-2)]
        changed, effect = table.operate(edits)
        long = changed.logits(data.test.images)
        torch.testing.assert_close(table.answers(changed, model.architecture.trace().row(layer).index), long)
        assert effect == table.compare(long)
        assert sum(effect.counts) == len(data.test)
        assert len(effect.changed) == int((long.argmax(1) != table.logits.argmax(1)).sum())
        for one in effect.changed:
            assert (one.before, one.after) == (int(table.logits[one.image].argmax()), int(long[one.image].argmax()))
            assert one.target == int(data.test.targets[one.image])
    assert same(before, model.state) and same(before, model.network.state_dict())
    assert all(not module._forward_hooks and not module.training for module in model.network.modules())


@pytest.mark.parametrize("net", NETS)
def test_the_lesion_table_is_one_silence_after_the_other(net):
    model = NETS[net]()
    table = Table(model, images_for(model))
    for layer in layers_of(model):
        found = result(lesion_table(table, layer))
        assert found.units == tuple(range(len(filters(model, layer).weight)))
        for place, unit in enumerate(found.units):
            changed, effect = table.operate([Edit(do="silence", layer=layer, unit=unit)])
            probs = table.answers(changed, model.architecture.trace().row(layer).index).double().softmax(1)
            sure = [float(probs[table.targets == k, k].mean()) for k in range(len(model.class_names))]
            assert found.sure_after[place] == pytest.approx(sure, abs=1e-5)
            assert tuple(found.after[place]) == effect.after
            assert found.cost[place] == pytest.approx(-effect.change)
        assert tuple(found.before) == effect.before


def test_a_silent_channel_says_nothing_to_the_next_layer():
    layers = [
        L.Conv2d(out_channels=4, kernel_size=3), L.MaxPool2d(kernel_size=2), L.BatchNorm2d(), L.ReLU(), L.Flatten(),
        L.Linear(out_features=3),
    ]  # fmt: skip
    model = model_of(GREY, layers)
    assert [row.name for row in chain(model.architecture, "conv1")] == ["pool1", "bn1", "relu1"]
    assert silent_from(model.architecture, "conv1").name == "bn1" and not norms(model.architecture, "fc1")
    changed = operated(model, [Edit(do="silence", layer="conv1", unit=2)])
    seen, was = look(changed, picture_for(model)).maps, look(model, picture_for(model)).maps
    assert not seen["relu1"][2].any() and was["relu1"][2].any()
    others = [0, 1, 3]
    assert torch.equal(seen["relu1"][others], was["relu1"][others])


def kernels(weight: torch.Tensor) -> dict[str, tuple[dict, torch.Tensor]]:
    order = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(5))
    return {
        "silence": ({}, torch.zeros_like(weight)),
        "scale": ({"factor": -1.5}, weight * -1.5),
        "flip": ({"axis": "rows"}, weight.flip(-2)),
        "rotate": ({"turns": 3}, weight.rot90(-1, (-2, -1))),
        "shuffle": ({"seed": 5}, weight.flatten()[order].view_as(weight)),
    }


@pytest.mark.parametrize("source", [None, 1])
@pytest.mark.parametrize("do", ["silence", "scale", "flip", "rotate", "shuffle"])
def test_only_what_is_operated_on_changes(do, source):
    model = colour()  # conv2 has three groups: channel 4 has two connections
    place = (4,) if source is None else (4, 1)
    weight = model.state["conv2.weight"]
    settings, wanted = kernels(weight[place])[do]
    changed = operated(model, [Edit(do=do, layer="conv2", unit=4, source=source, **settings)])
    assert torch.equal(changed.state["conv2.weight"][place], wanted)
    rest = changed.state["conv2.weight"].clone()
    rest[place] = weight[place]
    assert torch.equal(rest, weight)
    bias = model.state["conv2.bias"].clone()
    if source is None:
        bias[4] *= {"silence": 0.0, "scale": -1.5}.get(do, 1.0)
    assert torch.equal(changed.state["conv2.bias"], bias)
    assert {name for name in model.state if not torch.equal(model.state[name], changed.state[name])} <= {
        "conv2.weight", "conv2.bias",
    }  # fmt: skip


def test_sobel_takes_the_norm_of_what_it_replaces():
    model = grey()
    old = model.state["conv2.weight"][3]
    new = operated(model, [Edit(do="sobel", layer="conv2", unit=3, axis="rows")]).state["conv2.weight"][3]
    torch.testing.assert_close(new.norm(dim=(1, 2)), old.norm(dim=(1, 2)))
    sobel = torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]])
    for kernel in new:
        torch.testing.assert_close(kernel / kernel[2, 0], sobel)


def test_a_kernel_is_written_by_hand():
    model = grey()
    values = ((1.0, 2, 3), (4, 5, 6), (7, 8, 9))
    changed = operated(model, [Edit(do="write", layer="conv2", unit=1, source=2, values=values)])
    assert changed.state["conv2.weight"][1, 2].tolist() == [list(row) for row in values]
    dense = operated(model, [Edit(do="write", layer="fc1", unit=1, source=7, values=((0.25,),))])
    assert dense.state["fc1.weight"][1, 7] == 0.25


def test_operations_come_one_after_the_other():
    model = grey()
    turn = Edit(do="rotate", layer="conv1", unit=0)
    assert same(operated(model, [turn] * 4).state, model.state)
    flips = [Edit(do="flip", layer="conv1", unit=0, axis=axis) for axis in ("rows", "columns")]
    assert same(operated(model, flips).state, operated(model, [turn, turn]).state)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"do": "silence", "layer": "relu1", "unit": 0}, "relu1: this layer has no filters"),
        ({"do": "silence", "layer": "conv2", "unit": 6}, "channels 0 to 5"),
        ({"do": "silence", "layer": "conv2", "unit": 0, "source": 4}, "connections 0 to 3"),
        ({"do": "rotate", "layer": "fc1", "unit": 0}, "only a kernel"),
        ({"do": "write", "layer": "conv2", "unit": 0}, "choose one connection"),
        ({"do": "write", "layer": "conv2", "unit": 0, "source": 1, "values": ((1.0,),)}, "3×3 numbers are needed"),
        ({"do": "initial", "layer": "conv2", "unit": 0}, "does not say"),
    ],
)
def test_what_makes_no_sense_is_said(edit, said):
    with pytest.raises(ModelError, match=said):
        operated(grey(), [Edit.model_validate(edit)])


def test_the_beginning_is_that_of_the_training():
    model = named("mnist-sprint")
    recipe = Recipe.of(model.about.recipe)
    training = Training(model.architecture, load("mnist"), recipe.changed(limit_train=256, batch_size=64))
    assert same(beginning(model), {n: t.detach().float() for n, t in training.network.state_dict().items()})
    changed = operated(model, [Edit(do="initial", layer="conv1", unit=3)])
    assert torch.equal(changed.state["conv1.weight"][3], beginning(model)["conv1.weight"][3])
    assert torch.equal(changed.state["conv1.bias"][3], beginning(model)["conv1.bias"][3])


def test_a_whitened_beginning_is_whitened():
    model = named("mnist-sprint")
    about = model.about.model_copy(update={"recipe": {**model.about.recipe, "whiten": True, "limit_train": 500}})
    asked = Model(model.description.model_copy(update={"about": about}), model.state)
    training = Training(model.architecture, load("mnist"), Recipe.of(about.recipe))
    assert torch.equal(beginning(asked)["conv1.weight"], training.network.conv1.weight.detach())


def told(model: Model, **result: object) -> Model:
    about = model.about.model_copy(update={"recipe": Recipe(seed=3).model_dump(mode="json"), "result": result})
    return Model(model.description.model_copy(update={"about": about}), model.state)


def test_no_seed_gives_borrowed_weights_back():
    start = {"model": "bundled:mnist-sprint", "title": "mnist-sprint", "taken": ["conv1"]}
    assert beginning(told(grey()))
    borrowed = told(grey(), start=start, changes=[{"step": 0, "frozen": ["conv1"]}], test_acc=0.9)
    cut = operated(borrowed, [Edit(do="silence", layer="conv1", unit=0)])
    assert cut.about.result == {
        "start": start,
        "changes": [{"step": 0, "frozen": ["conv1"]}],
        "made_from": cut.about.result["made_from"],
        "surgery": [{"do": "silence", "layer": "conv1", "unit": 0}],
    }
    for model in (borrowed, cut, told(grey(), start="damaged")):
        with pytest.raises(ModelError, match="began with weights of"):
            operated(model, [Edit(do="initial", layer="conv1", unit=0)])


def test_what_training_began_with_is_part_of_what_is_remembered():
    model = told(grey())
    table, done = Table(model, images_for(model, 20)), [Edit(do="initial", layer="conv1", unit=1)]
    seven = {name: torch.full_like(tensor, 7.0) for name, tensor in model.state.items()}
    changed, of_seven = table.operate(done)[0], table.operate(done, seven)[0]
    assert torch.equal(changed.state["conv1.weight"][1], beginning(model)["conv1.weight"][1])
    assert (of_seven.state["conv1.weight"][1] == 7).all() and (of_seven.state["conv1.bias"][1] == 7).all()
    assert table.operate(done, {name: tensor.clone() for name, tensor in seven.items()})[0] is of_seven


def test_the_table_of_a_bundled_model_is_shared_and_found_again():
    bundled = named("mnist-sprint")
    model = Model(bundled.description, bundled.state)  # nobody has asked about this one
    assert table_for(model) is table_for(model) is not table_for(bundled)
    assert len(table_for(model).index) == 2_000
    assert found_for(model, "fc1") is None
    assert result(searched(model, "fc1")) is found_for(model, "fc1")


@pytest.mark.parametrize("mirror", [False, True])
def test_much_work_is_told_in_rounds_that_come_to_the_same(monkeypatch, mirror):
    """Few images first, then ever more; in the end the same counts as all at once, each image asked once."""
    model = mirrored(colour()) if mirror else colour()
    table = Table(model, images_for(model, 60))
    whole = result(lesion_table(table, "conv1"))
    assert [places.tolist() for places in rounds(table, "conv1")] == [list(range(60))]
    each = len(whole.units) * (2 if mirror else 1) * lesions._Plan.of(model, "conv1").macs
    monkeypatch.setattr(lesions, "FIRST_WORK", 7 * each)
    assert [len(places) for places in rounds(table, "conv1")] == [7, 14, 28, 11]
    assert torch.cat(rounds(table, "conv1")).sort().values.tolist() == list(range(60))
    monkeypatch.setattr(lesions, "table_for", lambda _model: table)
    steps, work = [], searched(model, "conv1")
    while True:
        try:
            steps.append(next(work))
        except StopIteration as end:
            found = end.value
            break
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done < len(whole.units)
    assert sorted({step.found.images for step in steps if step.found}) == [7, 21, 49]
    assert all(step.found.planned == 60 for step in steps if step.found)
    for name in ("counts", "before", "after"):
        assert (getattr(found, name) == getattr(whole, name)).all(), name
    assert found.sure_after == pytest.approx(whole.sure_after, abs=1e-5)
    assert found.sure_before == pytest.approx(whole.sure_before, abs=1e-5)
    assert found.images == found.planned == whole.planned == 60
    alone = result(lesions.in_rounds(table, "conv1", (1,)))
    assert alone.units == (1,) and alone.after[0].tolist() == whole.after[1].tolist() and alone.images == 60


def test_all_images_are_asked_also_where_they_cannot_be_held_at_once(monkeypatch):
    model = large()
    table = Table(model, images_for(model, 100))
    whole = result(lesion_table(table, "conv1"))
    monkeypatch.setattr(tables, "MOST_BYTES", 30 * 16 * 16 * 16 * 4)
    assert len(rounds(table, "conv1")) > 3
    found = result(lesions.in_rounds(Table(model, table.dataset, 100), "conv1"))
    assert found.images == 100 and (found.after == whole.after).all()


def large() -> Model:
    """A net that widens its pictures to far more numbers than it ends in."""
    wide = [L.Conv2d(out_channels=16, kernel_size=1), L.BatchNorm2d(), L.ReLU()]
    narrow = [L.Conv2d(out_channels=4, kernel_size=1, stride=4), L.Flatten(), L.Linear(out_features=5)]
    return model_of((3, 16, 16), [*wide, *narrow])


@pytest.mark.parametrize("mirror", [False, True])
def test_what_is_too_large_is_neither_remembered_nor_held(monkeypatch, mirror):
    model = mirrored(large()) if mirror else large()
    monkeypatch.setattr(halfway, "PART_BYTES", 20 * 16 * 16 * 16 * 4 * (2 if mirror else 1))  # 20 images
    monkeypatch.setattr(tables, "MOST_BYTES", 30 * 16 * 16 * 16 * 4 * (2 if mirror else 1))
    table = Table(model, images_for(model, 100))
    alive, sizes = [], []
    for values in table.values(3):
        assert all(one() is None for one in alive[:-1])
        alive.append(weakref.ref(values[2]))
        sizes.append(len(values[2]))
        del values
    assert sizes == [40 if mirror else 20] * 5
    assert (
        sum(value.nbytes for parts in table._kept.values() for one in parts for value in one.values())
        <= tables.MOST_BYTES
    )
    whole = model.logits(table.dataset.test.images[table.index])
    torch.testing.assert_close(table.answers(model, 3), whole, rtol=1e-4, atol=1e-5)


def test_a_lesion_table_takes_as_many_images_as_may_be_held(monkeypatch):
    model = large()
    monkeypatch.setattr(tables, "MOST_BYTES", 30 * 16 * 16 * 16 * 4)
    table = Table(model, images_for(model, 100))
    found = result(lesion_table(table, "conv1"))
    asked = int(found.counts.sum())
    assert 20 <= asked <= 30 and len(table.index) == 100
    few = Table(model, table.dataset, asked)
    for unit in (0, 7):
        _changed, effect = few.operate((Edit(do="silence", layer="conv1", unit=unit),))
        assert tuple(found.after[unit]) == effect.after and tuple(found.before) == effect.before


def test_other_pictures_or_classes_are_refused():
    with pytest.raises(ModelError, match="takes 1×10×10"):
        Table(grey(), images_for(colour()))


def test_every_operation_says_what_it_does():
    said = {Edit(do=do, layer="conv1", unit=0).said.text() for do in OPERATIONS}
    assert len(said) == len(OPERATIONS) and all(said)
    assert Edit(do="silence", layer="conv2", unit=3, source=1).where == "conv2.weight[3,1]"


def test_shares_of_no_images_are_zero_and_a_part_hides_no_module():
    none = tables.Effect((0, 0), (0, 0), (0, 0), 0.0, 0.0, ())
    assert (none.acc_before, none.acc_after, none.change) == (0, 0, 0)
    assert surgery.lesions.lesion_table is lesion_table


@pytest.mark.parametrize("kind", [kind for kind, layer in LAYERS.items() if layer.group == "activation"])
def test_every_activation_of_the_lab_is_one_here(kind):
    net = [L.Conv2d(out_channels=3, kernel_size=3), LAYERS[kind](), L.Flatten(), L.Linear(out_features=2)]
    model = model_of(GREY, net)
    name = model.architecture.trace().rows[1].name
    assert [row.name for row in chain(model.architecture, "conv1")] == [name]
    assert objective_row(model, name).name == "conv1"
    assert {kind} <= ACTIVATIONS <= {kind for kind, layer in LAYERS.items() if layer.group == "activation"}
