"""The Explain page: every method, several classes, a net without convolution, cancelling, both languages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import layers as L
from cnnlab.attribution import METHODS, answers
from cnnlab.model import Model
from cnnlab.workspace import ImageRef, Workspace, new_id
from pages import _answers, _session
from tests.insight.makers import model_of
from tests.pages.makers import keep_run
from tests.pages.test_explore import colour_net, mnist_net, tree_net

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "explain.py")


@pytest.fixture
def page(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Return a function that opens the page on a model, with no answer known."""
    monkeypatch.setattr(answers, "_kept", type(answers._kept)())

    def open_page(model: Model, language: str = "en", run: bool = True) -> AppTest:
        space = Workspace(new_id())
        at = AppTest.from_file(PAGE, default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        at.session_state[_session.keys.LANGUAGE] = language
        at.session_state[_session.keys.MODEL] = f"run:{keep_run(space, model)}"
        colour = model.preprocessing.data_shape[0] == 3
        at.session_state[_session.keys.IMAGE] = ImageRef(data="cifar10-sample" if colour else "mnist")
        return checked(at.run()) if run else at

    return open_page


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


def rows(at: AppTest) -> list[str]:
    """Return the HTML of the rows of the table, one for each class."""
    return [html.proto.body for html in at.get("html") if "cnnlab-head" in html.proto.body]


def pills(at: AppTest, prefix: str):
    (group,) = [one for one in at.pills if one.key.startswith(prefix)]
    return group


@pytest.mark.parametrize("make", [mnist_net, colour_net, tree_net])
def test_every_method_for_two_classes(page, make):
    at = page(make())
    at = checked(pills(at, "explain.methods").set_value(list(METHODS)).run())
    made = rows(at)
    assert len(made) == 2
    for method in METHODS.values():
        assert all(f">{method.title}</figcaption>" in row for row in made)
    assert made[0].count("<figure") == len(METHODS)
    assert "The picture as the network receives it" in made[0]
    assert "The picture as the network receives it" in made[1]
    assert any("Grad-CAM looks at" in text.value for text in at.markdown)
    assert any(text.value.startswith("It says **") and "It is **" in text.value for text in at.markdown)


def test_the_sum_stands_beside_the_difference_of_the_logits(page):
    import torch

    from cnnlab.data import loader
    from cnnlab.figures.theme import number

    model = mnist_net()
    at = page(model)
    at = checked(pills(at, "explain.methods").set_value(["integrated_gradients"]).run())
    image = loader.load("mnist").test.images[0]
    logits = model.logits(torch.stack([image, torch.zeros_like(image)]))
    best = int(logits[0].argmax())
    assert f"logits differ by {number(float(logits[0, best] - logits[1, best]))}" in rows(at)[0]
    assert any("Completeness" in text.value for text in at.markdown)


@pytest.mark.parametrize(("view", "pictures"), [("both", 2), ("overlay", 1), ("heat", 1)])
def test_each_view(page, view, pictures):
    at = page(mnist_net())
    at = checked(pills(at, "explain.methods").set_value(["saliency"]).run())
    at = checked([one for one in at.segmented_control if one.key == "explain.view"][0].set_value(view).run())
    assert rows(at)[1].count("<img") == pictures + 2  # the picture itself, and the colour bar


def test_any_class_can_be_asked_about(page):
    at = page(mnist_net())
    at = checked(pills(at, "explain.classes").set_value([9]).run())
    assert len(rows(at)) == 1
    assert "c9" in rows(at)[0]


def test_nothing_chosen_is_a_hint(page):
    at = page(mnist_net())
    at = checked(pills(at, "explain.classes").set_value([]).run())
    assert at.info[0].value == "Choose at least one class and one method."
    assert not rows(at)


def test_a_net_without_convolution_offers_the_other_methods(page):
    at = page(model_of((1, 28, 28), [L.Flatten(), L.Linear(out_features=10)]))
    assert "no convolution" in at.info[0].value
    assert "Grad-CAM" not in pills(at, "explain.methods").options
    assert len(rows(at)) == 2


def test_every_method_says_what_it_is_in_three_sentences_with_its_source(page):
    at = page(mnist_net())
    at = checked(pills(at, "explain.methods").set_value(list(METHODS)).run())
    shown = [text.value for text in at.markdown]
    for method in METHODS.values():
        assert all(sentence in shown for sentence in method.sentences("en"))
        assert f"[{method.source}]({method.url})" in shown


def test_in_chinese(page):
    at = page(mnist_net(), language="zh_CN")
    assert at.title[0].value == "解释"
    assert "积分梯度" in rows(at)[0]


def test_a_cancelled_question_is_not_asked_again_until_wanted(page, monkeypatch):
    at = page(mnist_net())
    marks = []
    monkeypatch.setattr(_answers.Asking, "__init__", _remember(marks, _answers.Asking.__init__))
    at = checked(at.run())  # all eight answers are known: this only tells how the question is named
    (mark,) = marks
    for key in list(answers._kept)[3:]:  # as if it had been cancelled after three
        del answers._kept[key]
    at.session_state[_answers.CANCELLED] = mark
    at = checked(at.run())
    assert len(answers._kept) == 3
    assert any("Cancelled: 5 maps" in text.value for text in at.markdown)
    at = checked(at.button(key="explain.resume").click().run())
    assert len(rows(at)) == 2
    assert len(answers._kept) == 8


def _remember(marks, real):
    def init(self, total, mark):
        marks.append(mark)
        real(self, total, mark)

    return init


def test_the_bar_comes_only_when_it_takes_a_while_and_can_cancel(page, monkeypatch):
    monkeypatch.setattr(_answers, "PATIENCE_S", 0.0)
    at = page(mnist_net())
    assert len(rows(at)) == 2  # the bar is gone when all is there
    assert not [one for one in at.button if one.key == "explain.cancel"]


def test_a_network_full_of_nan_can_be_asked(page):
    from tests.pages.test_explore import ruined

    at = page(ruined())
    at = checked(pills(at, "explain.methods").set_value(list(METHODS)).run())
    assert len(rows(at)) == 2
