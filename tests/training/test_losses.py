"""The losses against the words of their docstring, in float64, and against torch's."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.training.bounds import blind_loss, least_loss
from cnnlab.training.losses import loss_of
from cnnlab.training.recipe import Recipe

LOGITS = torch.randn(6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 4
TARGETS = torch.tensor([0, 1, 2, 3, 4, 0])
ONEHOT = F.one_hot(TARGETS, 5).double()


@given(smoothing=st.floats(0, 0.9))
def test_cross_entropy_by_its_formula(smoothing):
    soft = (1 - smoothing) * ONEHOT + smoothing / 5
    by_hand = -(soft * LOGITS.softmax(1).log()).sum(1).mean()
    found = loss_of(LOGITS, TARGETS, Recipe(label_smoothing=smoothing), softmax=False)
    torch.testing.assert_close(found, by_hand)


def test_after_softmax_it_is_the_likelihood_of_the_output_not_softmax_twice():
    found = loss_of(LOGITS, TARGETS, Recipe(), softmax=True)
    torch.testing.assert_close(found, F.nll_loss(LOGITS.softmax(1).log(), TARGETS))
    assert not torch.isclose(found, F.cross_entropy(LOGITS.softmax(1), TARGETS))


def test_a_sure_and_wrong_answer_has_a_finite_loss():
    logits = torch.tensor([[500.0, 0.0]])
    assert loss_of(logits, torch.tensor([1]), Recipe(), softmax=True).item() == 500


@pytest.mark.parametrize(
    "recipe", [Recipe(), Recipe(label_smoothing=0.1), Recipe(label_smoothing=0.9), Recipe(loss="mse")]
)
@pytest.mark.parametrize("classes", [2, 5, 10, 100])
def test_the_bounds_of_the_loss(recipe, classes):
    """Guessing by its own loss; the least by the right answer, and no answer near it is better."""
    targets = torch.arange(classes)
    blind = loss_of(torch.zeros(classes, classes, dtype=torch.float64), targets, recipe, softmax=True)
    assert blind_loss(recipe, classes) == pytest.approx(blind.item())
    spread = recipe.label_smoothing / classes
    right = torch.full((classes, classes), spread, dtype=torch.float64) + torch.eye(classes) * (
        1 - recipe.label_smoothing
    )
    logits = right.clamp_min(1e-12).log()
    found = loss_of(logits, targets, recipe, softmax=True).item()
    assert least_loss(recipe, classes) == pytest.approx(found, abs=1e-9)
    for seed in range(20):
        noise = torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert loss_of(logits + 0.1 * noise, targets, recipe, softmax=True).item() >= least_loss(recipe, classes) - 1e-9


def test_mse_compares_the_networks_own_output():
    recipe = Recipe(loss="mse")
    torch.testing.assert_close(loss_of(LOGITS, TARGETS, recipe, False), ((LOGITS - ONEHOT) ** 2).mean())
    torch.testing.assert_close(loss_of(LOGITS, TARGETS, recipe, True), ((LOGITS.softmax(1) - ONEHOT) ** 2).mean())


@given(smoothing=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_shares_of_classes_are_torchs_probabilities(smoothing, seed):
    shares = torch.rand(6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    shares /= shares.sum(1, keepdim=True)
    found = loss_of(LOGITS, shares, Recipe(label_smoothing=smoothing), softmax=False)
    torch.testing.assert_close(found, F.cross_entropy(LOGITS, shares, label_smoothing=smoothing))
    soft = (1 - smoothing) * shares + smoothing / 5
    torch.testing.assert_close(found, -(soft * LOGITS.log_softmax(1)).sum(1).mean())
    torch.testing.assert_close(
        loss_of(LOGITS, shares, Recipe(loss="mse"), True), ((LOGITS.softmax(1) - shares) ** 2).mean()
    )


def test_whole_shares_are_the_classes_themselves():
    for recipe in (Recipe(label_smoothing=0.1), Recipe(loss="mse")):
        torch.testing.assert_close(loss_of(LOGITS, ONEHOT, recipe, True), loss_of(LOGITS, TARGETS, recipe, True))
