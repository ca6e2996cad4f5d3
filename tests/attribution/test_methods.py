"""Every method against an oracle: autograd, sums of logits, brute force, a computation by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlab.architecture import layers as L
from cnnlab.attribution import METHODS, attribute, last_convolution
from cnnlab.attribution.occlusion import window
from cnnlab.attribution.problem import map_layer, private_network
from cnnlab.errors import ModelError
from tests.insight.makers import COLOUR, GREY, MODELS, grey, image_of, mlp, model_of, picture_for

NETS = pytest.mark.parametrize("net", MODELS)


def gradient(model, image, target):
    """d logit[target] / d x on the built network itself, by autograd."""
    x = model.preprocessing.apply(image[None]).requires_grad_(True)
    (grad,) = torch.autograd.grad(model.network.logits(x)[0, target], x)
    return x.detach()[0], grad[0]


@NETS
def test_saliency_is_the_size_of_the_gradient(net):
    model = MODELS[net]()
    image = picture_for(model)
    _x, grad = gradient(model, image, 2)
    answer = attribute(model, image, "saliency", 2)
    torch.testing.assert_close(answer.values, grad.abs())
    torch.testing.assert_close(answer.heat, grad.abs().amax(0))


@NETS
def test_input_x_gradient_is_their_product(net):
    model = MODELS[net]()
    image = picture_for(model)
    x, grad = gradient(model, image, 1)
    torch.testing.assert_close(attribute(model, image, "input_x_gradient", 1).values, x * grad)


@NETS
@pytest.mark.parametrize("target", [0, 3])
@pytest.mark.parametrize(("method", "tolerance"), [("integrated_gradients", 0.01), ("deep_lift", 1e-4)])
def test_complete_methods_add_up_to_the_difference_of_the_logits(net, target, method, tolerance):
    model = MODELS[net]()
    image = picture_for(model)
    logits = model.logits(torch.stack([image, torch.zeros_like(image)]), mirror=False)[:, target]
    answer = attribute(model, image, method, target)
    assert METHODS[method].complete
    assert answer.delta == pytest.approx(float(logits[0] - logits[1]), abs=1e-5)
    assert abs(answer.sum - answer.delta) <= tolerance * max(1.0, abs(answer.delta))


@pytest.mark.parametrize("activation", [L.ReLU(), L.LeakyReLU(), L.Sigmoid(), L.Tanh(), L.GELU()])
@pytest.mark.parametrize(
    "pool", [L.MaxPool2d(kernel_size=2), L.MaxPool2d(kernel_size=3, stride=1, padding=1), L.AvgPool2d()]
)
def test_deep_lift_is_complete_for_every_activation_and_pooling(activation, pool):
    layers = [
        L.Conv2d(out_channels=3, padding=1),
        activation,
        pool,
        L.BatchNorm2d(),
        L.Flatten(),
        L.Linear(out_features=3),
    ]
    model = model_of(GREY, layers, seed=11)
    answer = attribute(model, image_of(GREY, 4), "deep_lift", 1)
    assert answer.sum == pytest.approx(answer.delta, abs=1e-4)


def test_integrated_gradients_of_a_linear_net_are_exact():
    model = model_of(GREY, [L.Flatten(), L.Linear(out_features=3)])
    image = image_of(GREY)
    x = model.preprocessing.apply(image[None])[0]
    black = model.preprocessing.apply(torch.zeros_like(image)[None])[0]
    weight = model.state["fc1.weight"][2].view(GREY)
    torch.testing.assert_close(attribute(model, image, "integrated_gradients", 2).values, weight * (x - black))


def test_guided_backprop_by_hand():
    """Backwards through ReLU: only where the input was positive, and only what is positive."""
    layers = [
        L.Conv2d(out_channels=4),
        L.ReLU(),
        L.Conv2d(out_channels=4),
        L.ReLU(),
        L.Flatten(),
        L.Linear(out_features=3),
    ]
    model = model_of(GREY, layers, seed=2)
    image = image_of(GREY, 3)
    s = model.state
    x = model.preprocessing.apply(image[None])
    a1 = F.conv2d(x, s["conv1.weight"], s["conv1.bias"])
    a2 = F.conv2d(a1.relu(), s["conv2.weight"], s["conv2.bias"])
    g = s["fc1.weight"][1].view(a2.shape)
    g = F.conv_transpose2d(g.clamp(min=0) * (a2 > 0), s["conv2.weight"])
    g = F.conv_transpose2d(g.clamp(min=0) * (a1 > 0), s["conv1.weight"])
    torch.testing.assert_close(attribute(model, image, "guided_backprop", 1).values, g[0])


def cam_by_hand(model, image, target):
    """Grad-CAM of the net ``grey`` in numpy: finite sums, no hooks; returns the map before it is stretched."""
    s = model.state
    x = model.preprocessing.apply(image[None])
    net = model.network
    a = net.conv2(net.pool1(net.relu1(net.bn1(net.conv1(x))))).numpy()[0].astype(np.float64)  # (6, h, w)
    a = np.maximum(a, 0)
    slope = s["fc1.weight"][target].view(a.shape).numpy()  # d logit / d a: through Flatten and Linear
    importance = slope.mean(axis=(1, 2))
    return (importance[:, None, None] * a).sum(axis=0)


@pytest.mark.parametrize("target", range(5))
def test_grad_cam_by_hand_keeps_the_sign(target):
    model = grey()
    image = picture_for(model, 9)
    small = torch.from_numpy(cam_by_hand(model, image, target)).float()[None, None]
    wanted = F.interpolate(small, size=(12, 12), mode="bilinear", align_corners=False)[0]
    answer = attribute(model, image, "grad_cam", target)
    assert (answer.layer, answer.maps) == ("conv2", "relu2")
    torch.testing.assert_close(answer.values, wanted, rtol=1e-4, atol=1e-6)


def test_grad_cam_shows_what_speaks_against_a_class():
    model = grey()
    image = picture_for(model, 9)
    assert min(float(attribute(model, image, "grad_cam", k).values.min()) for k in range(5)) < 0


@NETS
def test_guided_grad_cam_is_the_product_of_its_two_halves(net):
    model = MODELS[net]()
    image = picture_for(model)
    fine = attribute(model, image, "guided_backprop", 2).values
    coarse = attribute(model, image, "grad_cam", 2).values.clamp(min=0)
    torch.testing.assert_close(
        attribute(model, image, "guided_grad_cam", 2).values, fine * _relu_first(model, image, coarse)
    )


def _relu_first(model, image, _coarse):
    """The ReLU comes before the stretching, so it is done on the small map."""
    from captum.attr import LayerGradCam

    network = private_network(model)
    x = model.preprocessing.apply(image[None]).requires_grad_(True)
    layer = network.get_submodule(map_layer(model.architecture))
    small = LayerGradCam(network, layer).attribute(x, target=2).clamp(min=0).detach()
    return F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)[0]


@NETS
def test_occlusion_by_brute_force(net):
    model = MODELS[net]()
    image = picture_for(model)
    x = model.preprocessing.apply(image[None])
    black = model.preprocessing.apply(torch.zeros_like(image)[None])
    height, width = x.shape[2:]
    side, stride = window(height, width)
    base = float(model.network.logits(x)[0, 1])
    total, covered = np.zeros((height, width)), np.zeros((height, width))
    tops = sorted({min(t, height - side) for t in range(0, height + stride, stride)})
    lefts = sorted({min(t, width - side) for t in range(0, width + stride, stride)})
    for top in tops:
        for left in lefts:
            rows, cols = slice(top, top + side), slice(left, left + side)
            covered_x = x.clone()
            covered_x[:, :, rows, cols] = black[:, :, rows, cols]
            total[rows, cols] += base - float(model.network.logits(covered_x)[0, 1])
            covered[rows, cols] += 1
    answer = attribute(model, image, "occlusion", 1)
    assert answer.values.shape == (1, height, width)
    np.testing.assert_allclose(answer.values[0].numpy(), total / covered, atol=1e-5)


def test_the_last_convolution_still_has_positions():
    layers = [L.Conv2d(out_channels=3), L.Conv2d(out_channels=4, kernel_size=10), L.Flatten(), L.Linear(out_features=2)]
    model = model_of(GREY, layers)
    assert last_convolution(model.architecture) == "conv1"
    answer = attribute(model, image_of(GREY), "grad_cam")
    assert (answer.layer, answer.maps) == ("conv1", "conv1")
    assert map_layer(MODELS["colour"]().architecture) == "leaky1"
    assert map_layer(mlp().architecture) is None


@pytest.mark.parametrize("method", [m.id for m in METHODS.values() if m.needs_convolution])
def test_no_convolution_is_a_clear_error(method):
    with pytest.raises(ModelError, match="no convolution"):
        attribute(mlp(), image_of(GREY), method)


def test_the_target_is_a_logit_where_the_net_ends_in_softmax():
    model = MODELS["softmax"]()
    image = picture_for(model)
    x = model.preprocessing.apply(image[None]).requires_grad_(True)
    (of_probability,) = torch.autograd.grad(model.network(x)[0, 2], x)
    answer = attribute(model, image, "saliency", 2).values
    assert not torch.allclose(answer, of_probability[0].abs())
    assert attribute(model, image, "saliency").target == int(model.logits(image[None]).argmax())


def test_channels_and_places():
    model = MODELS["colour"]()
    image = picture_for(model)
    for method in METHODS:
        answer = attribute(model, image, method, 0)
        assert tuple(answer.values.shape) == ((1, 10, 10) if method in ("occlusion", "grad_cam") else COLOUR)
        assert answer.heat.shape == (10, 10)
        assert answer.sum == pytest.approx(float(answer.values.double().sum()))
