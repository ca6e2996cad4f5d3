"""Pruning single weights: exactly the smallest go, and learning on does not bring them back."""

import pytest
import torch

from cnnlab.compress.magnitude import growing_shares, masked, weight_masks, weight_names
from cnnlab.compress.pruning import Plan, prune
from cnnlab.compress.tuning import Tuning, learned, tuning_recipe
from cnnlab.data.loader import load
from cnnlab.description import bundled_path
from cnnlab.errors import RecipeError
from cnnlab.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(bundled_path("mnist-sprint"))


def finished(work):
    """Return what the generator returns, and the events that it yields on the way."""
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return end.value, events


def weights_of(model):
    return {name: model.state[name] for name in weight_names(model.architecture)}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.999])
def test_exactly_the_smallest_weights_go(model, share):
    assert weight_names(model.architecture) == ("conv1.weight", "conv2.weight", "fc1.weight")
    masks = weight_masks(model.architecture, model.state, share)
    sizes = torch.cat([tensor.abs().flatten() for tensor in weights_of(model).values()])
    keep = torch.cat([mask.flatten() for mask in masks.values()])
    assert (~keep).sum() == round(share * len(sizes))
    if share:
        assert sizes[~keep].max() <= sizes[keep].min()
    state = masked(model.state, masks)
    assert all(torch.equal(state[name], model.state[name]) for name in state if name not in masks)


def test_of_equals_those_that_come_first_go(model):
    state = {name: torch.ones_like(tensor) for name, tensor in model.state.items()}
    masks = weight_masks(model.architecture, state, 200 / 18320)
    assert not masks["conv1.weight"].flatten()[:200].any()
    assert masks["conv1.weight"].flatten()[200:].all() and masks["fc1.weight"].all()


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0, float("nan")])
def test_a_share_is_less_than_all(model, share):
    with pytest.raises(RecipeError, match="share"):
        weight_masks(model.architecture, model.state, share)


def test_the_share_grows_fast_and_then_slowly():
    shares = growing_shares(0.8, 4)
    assert shares == pytest.approx([0.8 * (1 - x**3) for x in (0.75, 0.5, 0.25, 0.0)])
    assert growing_shares(0.8, 1) == (0.8,)
    with pytest.raises(RecipeError, match="steps"):
        growing_shares(0.5, 0)


def test_pruned_weights_stay_zero_while_the_others_learn(model):
    masks = weight_masks(model.architecture, model.state, 0.7)
    recipe = tuning_recipe(model, 1, limit_train=512, precision="float32", full_train=False)
    assert (recipe.lr, recipe.schedule) == (pytest.approx(0.001), "cosine")
    tuning = Tuning(model, load("mnist"), recipe, masks)
    for _event in learned(tuning):
        for name, mask in masks.items():
            assert not tuning.state()[name][~mask].any()
    after = tuning.model()
    assert tuning.step == tuning.steps == 4
    for name, mask in masks.items():
        assert (after.state[name] != model.state[name])[mask].float().mean() > 0.9


def test_in_steps_with_learning_less_is_lost_than_at_once(model):
    test = load("mnist").test[:500]
    recipe = tuning_recipe(model, 1, limit_train=512, precision="float32", full_train=False)

    def right(plan):
        pruned, events = finished(prune(model, plan, load("mnist"), recipe))
        count = sum(int((tensor != 0).sum()) for tensor in weights_of(pruned).values())
        assert count == 18320 - round(0.8 * 18320)
        assert "test" not in {event.kind for event in events}
        return int((pruned.logits(test.images).argmax(1) == test.targets).sum())

    before = {name: tensor.clone() for name, tensor in model.state.items()}
    assert right(Plan(share=0.8)) + 20 < right(Plan(share=0.8, steps=2, epochs=1))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state.items())
