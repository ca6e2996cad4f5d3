"""What holds for every method in the registry, on every kind of net: hygiene, shapes, words, errors."""

from __future__ import annotations

import copy

import pytest
import torch

from cnnlab.architecture import layers as L
from cnnlab.attribution import METHODS, answers, attribute
from cnnlab.attribution.answers import answer, known_answer
from cnnlab.errors import ModelError
from cnnlab.i18n import LANGUAGES, catalogue
from tests.insight.makers import GREY, MODELS, image_of, mlp, model_of, picture_for

EVERY = pytest.mark.parametrize("method", METHODS)
IDS = [
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "guided_backprop",
    "deep_lift",
    "occlusion",
    "grad_cam",
    "guided_grad_cam",
]


def traces(network):
    """Everything that a look into a network could leave behind."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        (
            name,
            module.training,
            [len(getattr(module, kind)) for kind in hooks],
            sorted(vars(module)),
            [(key, p.grad, p.requires_grad) for key, p in module.named_parameters(recurse=False)],
        )
        for name, module in network.named_modules()
    ]


class Interrupted(Exception):
    pass


def test_the_ids_are_those_of_the_command_line():
    assert list(METHODS) == IDS
    assert all(key == method.id for key, method in METHODS.items())


@EVERY
@pytest.mark.parametrize("net", MODELS)
def test_every_method_answers_and_leaves_nothing_behind(method, net):
    model = MODELS[net]()
    image = picture_for(model)
    kept = image.clone()
    before, weights = traces(model.network), copy.deepcopy(model.network.state_dict())
    with torch.no_grad():  # a caller's grad mode is neither needed nor changed
        result = attribute(model, image, method)
        assert not torch.is_grad_enabled()
    assert result.method == method
    assert result.target == int(model.logits(image[None], mirror=False).argmax())
    assert result.values.dtype == torch.float32
    assert result.values.isfinite().all()
    assert float(result.values.abs().max()) > 0
    assert (result.delta is not None) == METHODS[method].complete
    assert (result.layer is not None) == METHODS[method].needs_convolution
    assert METHODS[method].signed or float(result.values.min()) >= 0
    assert traces(model.network) == before
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.network.state_dict().items())
    assert torch.equal(image, kept)
    again = attribute(model, image, method)
    assert torch.equal(result.values, again.values)


@EVERY
def test_every_method_leaves_nothing_behind_after_a_failure(method, monkeypatch):
    """The network breaks in the middle of the method, after Captum has hung its hooks."""
    from cnnlab.attribution import problem

    model = MODELS["grey"]()
    image = picture_for(model)
    before = traces(model.network)
    real = problem.private_network
    calls = 0

    def breaking(of):
        network = real(of)

        def fail(*_args):
            nonlocal calls
            calls += 1
            if calls > 2:  # the two passes that pose the problem are fine
                raise Interrupted

        network[-1].register_forward_hook(fail)
        return network

    monkeypatch.setattr(problem, "private_network", breaking)
    with pytest.raises(Interrupted):
        attribute(model, image, method)
    assert calls > 2
    assert traces(model.network) == before


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_slow_methods_report_progress_and_can_be_cancelled(method):
    model = MODELS["grey"]()
    image = picture_for(model)
    shares = []
    attribute(model, image, method, progress=shares.append)
    assert shares
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    before = traces(model.network)

    def cancel(_share):
        raise Interrupted

    with pytest.raises(Interrupted):
        attribute(model, image, method, progress=cancel)
    assert traces(model.network) == before


@EVERY
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_method_says_what_it_measures(method, language):
    chosen = METHODS[method]
    sentences = chosen.sentences(language)
    assert len(sentences) == 3
    assert all(len(sentence) > 15 for sentence in sentences)
    assert chosen.url.startswith("https://arxiv.org/abs/")
    assert any(year in chosen.source for year in map(str, range(2013, 2018)))
    if language != "en":
        assert catalogue(language)[chosen.title]
        assert sentences != chosen.sentences("en")


@EVERY
def test_a_class_that_is_not_there_is_refused(method):
    model = MODELS["grey"]()
    for target in (-1, 5):
        with pytest.raises(ModelError, match="0 to 4"):
            attribute(model, picture_for(model), method, target)


def test_an_unknown_method_is_refused_with_those_there_are():
    model = MODELS["grey"]()
    with pytest.raises(ModelError, match="guided_grad_cam"):
        attribute(model, picture_for(model), "magic")


@EVERY
def test_a_picture_of_another_shape_is_refused(method):
    with pytest.raises(ModelError, match="1x10x10"):
        attribute(MODELS["grey"](), image_of((1, 28, 28)), method)


@pytest.mark.parametrize("method", [m.id for m in METHODS.values() if not m.needs_convolution])
def test_dense_nets_can_be_asked_too(method):
    assert attribute(mlp(), image_of(GREY), method).values.shape[1:] == GREY[1:]


@EVERY
def test_a_black_picture_is_answered(method):
    model = MODELS["grey"]()
    result = attribute(model, torch.zeros(1, 10, 10, dtype=torch.uint8), method)
    assert result.values.isfinite().all()
    if result.delta is not None:
        assert result.delta == pytest.approx(0.0)
        assert result.sum == pytest.approx(0.0)


def test_answers_are_kept_by_weights_picture_method_and_class(monkeypatch):
    monkeypatch.setattr(answers, "_kept", type(answers._kept)())
    model, image = MODELS["grey"](), picture_for(MODELS["grey"]())
    assert known_answer(model, image, "saliency", 1) is None
    first = answer(model, image, "saliency", 1)
    assert answer(MODELS["grey"](), image.clone(), "saliency", 1) is first  # the same weights elsewhere
    assert answer(model, image, "saliency", 2) is not first
    assert answer(model, image, "input_x_gradient", 1) is not first
    assert answer(model, image_of((1, 10, 10), 8), "saliency", 1) is not first
    other = model_of(GREY, [L.Flatten(), L.Linear(out_features=5)], data_shape=(1, 10, 10))
    assert known_answer(other, image, "saliency", 1) is None


def test_answers_are_kept_up_to_so_many_bytes(monkeypatch):
    monkeypatch.setattr(answers, "_kept", type(answers._kept)())
    model, image = mlp(), image_of(GREY)
    sizes = [answers._size(answer(model, image, "saliency", target)) for target in range(3)]
    assert sizes == [4 * image.numel()] * 3 and len(answers._kept) == 3
    monkeypatch.setattr(answers, "MAX_BYTES", 2 * sizes[0])
    answer(model, image, "input_x_gradient", 0)
    assert [key[2:] for key in answers._kept] == [("saliency", 2), ("input_x_gradient", 0)]


def test_only_so_many_answers_are_kept(monkeypatch):
    monkeypatch.setattr(answers, "_kept", type(answers._kept)())
    monkeypatch.setattr(answers, "MAX_ENTRIES", 3)
    model, image = mlp(), image_of(GREY)
    for target in range(3):
        answer(model, image, "saliency", target)
    answer(model, image, "input_x_gradient", 0)
    assert len(answers._kept) == 3
    assert known_answer(model, image, "saliency", 0) is None
    assert known_answer(model, image, "saliency", 1) is not None
