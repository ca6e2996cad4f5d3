"""The whitening layer: what it makes of real patches has no correlation left."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnnlab.errors import RecipeError
from cnnlab.training.whitening import whiten_first_layer, whitening_filters

IMAGES = torch.randn(40, 3, 12, 12, generator=torch.Generator().manual_seed(1)).cumsum(2).cumsum(3) / 6


def test_filters_make_patches_uncorrelated_with_variance_one():
    filters = whitening_filters(IMAGES, 2, 24, eps=0.0)
    maps = F.conv2d(IMAGES, filters)[:, ::2]  # one of each pair
    rows = maps.transpose(0, 1).reshape(12, -1)
    covariance = rows @ rows.T / rows.shape[1]
    torch.testing.assert_close(covariance, torch.eye(12), rtol=1e-2, atol=1e-2)


def test_filters_come_in_pairs_of_opposite_sign_strongest_first():
    filters = whitening_filters(IMAGES, 2, 24)
    assert torch.equal(filters[::2], -filters[1::2])
    strength = filters[::2].flatten(1).norm(dim=1)
    assert (strength[1:] >= strength[:-1]).all()  # a filter is divided by the spread of its patches


def test_first_layer_is_set_and_fixed_while_its_bias_learns():
    network = nn.Sequential(nn.Conv2d(3, 5, 2), nn.Flatten())
    whiten_first_layer(network, IMAGES)
    assert torch.equal(network[0].weight, whitening_filters(IMAGES, 2, 5))
    assert not network[0].weight.requires_grad
    assert network[0].bias.requires_grad


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(),
        nn.Sequential(nn.Flatten()),
        nn.Sequential(nn.Conv2d(3, 3, 2, groups=3)),
        nn.Sequential(nn.Conv2d(3, 25, 2)),
    ],
)
def test_what_cannot_be_whitened_says_what_to_change(network):
    with pytest.raises(RecipeError, match="switch whiten off"):
        whiten_first_layer(network, IMAGES)
