"""The Convolution page: every setting, what does not fit, typed kernels, predictions and their score, both languages."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from cnnlab.data import loader
from cnnlab.i18n import set_language
from cnnlab.insight.glass import brightness, challenge, run
from cnnlab.insight.glass.operation import Operation
from cnnlab.insight.kernels import KERNELS, kernel
from cnnlab.workspace import ImageRef, Score, Workspace, new_id
from pages import _session

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "convolution.py")
CIFAR = "cifar10-sample"


@pytest.fixture
def page(lab_home: Path) -> Callable[..., AppTest]:
    """Return a function that opens the page."""

    def open_page(language: str = "en", space: Workspace | None = None, **kept: object) -> AppTest:
        set_language(language)  # the test, too, reads the names of options
        space = space or Workspace(new_id())
        for name, value in kept.items():
            space.choose_widget(
                f"convolution.{name.replace('__', '.').replace('layer1', '0').replace('layer2', '1')}", value
            )
        at = AppTest.from_file(PAGE, default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        at.session_state[_session.keys.LANGUAGE] = language
        return checked(at.run())

    return open_page


def checked(at: AppTest, fits: bool = True) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    if fits:
        assert not at.error, [error.value for error in at.error]
    return at


def space_of(at: AppTest) -> Workspace:
    return Workspace(at.session_state[_session.keys.WORKSPACE])


def shown(at: AppTest) -> dict:
    (part,) = [element for element in at.main if element.type == "bidi_component"]
    return json.loads(part.proto.json, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def stage(at: AppTest, name: str) -> dict:
    return next(one for one in shown(at)["stages"] if one["name"] == name)


def values(one: dict) -> torch.Tensor:
    flat = np.frombuffer(base64.b64decode(one["values"]), "<f8")
    return torch.from_numpy(flat.copy()).reshape(one["shape"])


def widget(at: AppTest, key: str):
    kinds = (at.number_input, at.selectbox, at.toggle, at.segmented_control, at.button, at.slider)
    (found,) = [one for kind in kinds for one in kind if one.key == key]
    return found


def put(at: AppTest, key: str, value: object, fits: bool = True) -> AppTest:
    return checked(widget(at, f"convolution.{key}").set_value(value).run(), fits)


def text(at: AppTest) -> str:
    return "\n".join(
        [
            *(t.value for t in at.markdown),
            *(t.value for t in at.caption),
            *(h.proto.body for h in at.get("html") if not h.proto.body.startswith("<style")),
        ]
    )


def test_it_opens_on_a_digit_and_a_kernel_with_torchs_numbers(page):
    at = page()
    picture = brightness(loader.load("mnist").test.images[0])
    wanted = torch.nn.functional.conv2d(picture[None], torch.tensor([[kernel("sobel_x", 3)]], dtype=torch.float64))[0]
    assert torch.equal(values(stage(at, "input")), picture)
    assert torch.allclose(values(stage(at, "conv1")), wanted, atol=1e-12)
    assert "530,660" in text(at) and "6,760" in text(at)


def test_every_kernel_can_be_chosen_and_says_where_it_is_from(page):
    at = page()
    for id, preset in KERNELS.items():
        at = put(at, "0.preset", id)
        size = len(stage(at, "conv1")["kernel"][0]) ** 0.5
        assert size in preset.sizes
        assert stage(at, "conv1")["kernel"] == [[w for row in kernel(id, int(size)) for w in row]]
        assert preset.source in text(at) and preset.does in text(at)


def test_every_setting_changes_what_is_made_and_outlives_a_reload(page):
    at = page()
    for key, value in {
        "0.stride": 2, "0.padding": 3, "0.padding_mode": "reflect", "0.dilation": 2, "0.bias": 0.5,
        "0.activation": "relu", "0.pooling": "max",
    }.items():  # fmt: skip
        before = shown(at)["stages"]
        at = put(at, key, value)
        if key != "0.padding_mode":
            assert shown(at)["stages"] != before, key
    at = put(at, "0.pool_size", 3)
    operation = Operation(
        kernel=(kernel("sobel_x", 3),), stride=2, padding=3, padding_mode="reflect", dilation=2, bias=0.5,
        activation="relu", pooling="max", pool_size=3,
    )  # fmt: skip
    wanted = run(brightness(loader.load("mnist").test.images[0]), [operation])
    for one in (at, page(space=space_of(at))):
        assert [s["name"] for s in shown(one)["stages"]] == ["input", "conv1", "relu1", "pool1"]
        for mine, torchs in zip(shown(one)["stages"], wanted, strict=True):
            assert torch.allclose(values(mine), torchs.values, atol=1e-12)


def test_side_and_angle_are_those_that_the_kernel_has(page):
    at = put(page(), "0.preset", "gabor")
    at = put(at, "0.side.gabor", 7)
    at = put(at, "0.angle", 45)
    assert stage(at, "conv1")["kernel"] == [[w for row in kernel("gabor", 7, 45) for w in row]]
    at = put(at, "0.preset", "sobel_x")  # it has one side only
    assert len(stage(at, "conv1")["kernel"][0]) == 9
    at = put(put(at, "0.preset", "box"), "0.side.box", 2)
    assert stage(at, "conv1")["kernel"] == [[0.25] * 4]


def test_two_layers_in_a_row(page):
    at = put(page(), "two", True)
    assert [s["name"] for s in shown(at)["stages"]] == ["input", "conv1", "conv2"]
    assert [head.value for head in at.subheader] == ["What the small window saves · Layer 1"]
    at = put(at, "layer", 1)
    assert [head.value for head in at.subheader] == ["What the small window saves · Layer 2"]
    at = put(at, "1.stride", 2)
    assert stage(at, "conv2")["shape"] == [1, 12, 12] and stage(at, "conv1")["shape"] == [1, 26, 26]
    assert shown(at)["titles"]["conv2"] == "Convolution 2"


def test_a_colour_picture_has_three_kernels(page):
    at = put(page(), "data", CIFAR)
    assert stage(at, "input")["shape"] == [3, 32, 32]
    assert len(stage(at, "conv1")["kernel"]) == 3
    assert shown(at)["planes"] == ["red", "green", "blue"]
    assert "27 weights" in text(at)
    at = put(at, "shrink", 4)
    assert stage(at, "input")["shape"] == [3, 8, 8]


def test_a_typed_kernel_is_kept_and_used(page):
    at = page()
    at.session_state["convolution.glass"] = {"typed": {"layer": 0, "kernel": [[0, 1, 0.25, -2]]}}
    at = checked(at.run())
    assert stage(at, "conv1")["kernel"] == [[0, 1, 0.25, -2]]
    assert widget(at, "convolution.0.preset").value == "hand"
    again = page(space=space_of(at))
    assert stage(again, "conv1")["kernel"] == [[0, 1, 0.25, -2]]
    again = put(again, "0.side.hand", 4)
    assert (
        stage(again, "conv1")["kernel"] == [[0, 0, 0, 0, 0, 0, 1, 0, 0, 0.25, -2, 0, 0, 0, 0, 0]]
        or sum(stage(again, "conv1")["kernel"][0]) == -0.75
    )
    again = put(again, "0.preset", "sobel_y")
    assert stage(again, "conv1")["kernel"] == [[w for row in kernel("sobel_y", 3) for w in row]]


def test_a_kernel_typed_anew_is_the_one_that_the_menu_names(page):
    """Typed, then a preset, then typed again: what was the truth before the last choice is it once more."""
    at = page()
    for preset, weights in (("sobel_y", [0, 1, 0.25, -2]), ("box", [3, 1, 0.25, -2])):
        at.session_state["convolution.glass"] = {"typed": {"layer": 0, "kernel": [weights]}}
        at = checked(at.run())
        assert widget(at, "convolution.0.preset").value == "hand"
        assert stage(at, "conv1")["kernel"] == [weights]
        at.session_state["convolution.glass"] = {}
        at = put(at, "0.preset", preset)


@pytest.mark.parametrize(("setting", "good", "bad"), [("0.dilation", 3, 4), ("0.side.hand", 3, 7)])
def test_what_works_is_taken_back_at_once(page, setting, good, bad):
    """The offer leads back to the very value from which the learner has come."""
    at = put(put(page(), "data", CIFAR), "shrink", 4)
    at = put(at, "0.preset", "hand")
    if setting == "0.side.hand":
        at = put(at, "0.dilation", 3)
    at = put(put(at, setting, good), setting, bad, fits=False)
    assert at.error
    offers = [b for b in at.button if str(b.key).startswith("convolution.mend")]
    offer = next(b for b in offers if str(good) in b.label)
    at = checked(offer.click().run())
    assert widget(at, f"convolution.{setting}").value == good


NO_KERNELS = [
    "no", 7, {"layer": 0}, {"layer": 9, "kernel": [[1]]}, {"layer": 0, "kernel": [[1, 2]]}, {"layer": 0, "kernel": []},
    {"layer": 0, "kernel": [["x"] * 9]}, {"layer": 0, "kernel": [[1e9] * 9]}, {"layer": 0, "kernel": [[1] * 400]},
    {"layer": 0, "kernel": [[None] * 9]}, {"layer": 0, "kernel": [[float("nan")] * 9]}, {"layer": 0, "kernel": "123"},
    {"layer": "0", "kernel": [[1]]}, {"layer": [], "kernel": [[1]]}, {"layer": 0, "kernel": [3, 4]},
]  # fmt: skip


def test_what_a_browser_sends_as_a_kernel_is_checked(page):
    at = page()
    for told in NO_KERNELS:
        at.session_state["convolution.glass"] = {"typed": told}
        at = checked(at.run())
        assert stage(at, "conv1")["kernel"] == [[w for row in kernel("sobel_x", 3) for w in row]], told


@pytest.mark.parametrize(
    "kept",
    [
        {
            "layer1__preset": "nothing", "layer1__stride": 99, "layer1__padding": -3, "layer1__size": 400,
            "layer1__padding_mode": "wrap", "layer1__activation": 5, "layer1__pooling": "median", "layer1__pool_size": 9,
            "layer1__bias": float("inf"), "layer1__angle": 1000, "turn": -5, "data": "gone", "shrink": 3, "layer": 7,
        },
        {"layer1__preset": "hand", "layer1__kernel__0": (1.0, 2.0), "layer1__stride": "fast", "turn": "soon"},
        {"layer1__preset": "hand", "layer1__kernel__0": ("a",) * 9, "layer1__bias": True, "layer1__pooling": "max"},
    ],
)  # fmt: skip
def test_old_and_hostile_choices_are_as_if_nothing_was_chosen(page, kept):
    at = page(**kept, predict=True)
    assert [s["name"] for s in shown(at)["stages"]][:2] == ["input", "conv1"]
    at = answer(at, "size", 26, 26)
    assert stage(at, "conv1")["shape"] == [1, 26, 26]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_what_does_not_fit_is_said_with_what_works(page, language):
    at = page(language)
    at = put(at, "shrink", 4)
    at = put(at, "0.dilation", 4, fits=False)
    (error,) = at.error
    assert ("reaches over 9 px; the input with its rim has 7" in error.value) == (language == "en")
    assert not [element for element in at.main if element.type == "bidi_component"]
    offers = [button for button in at.button if button.key.startswith("convolution.mend")]
    assert len(offers) >= 3
    for place in range(len(offers)):
        fresh = put(put(page(language), "shrink", 4), "0.dilation", 4, fits=False)
        mended = checked(widget(fresh, f"convolution.mend.{place}").click().run())
        assert stage(mended, "conv1")["shape"][1] >= 1


def test_a_mirrored_rim_that_is_too_wide_is_said(page):
    at = put(put(page(), "shrink", 4), "0.padding_mode", "reflect")
    at = put(at, "0.padding", 7, fits=False)
    assert "needs a picture of at least 8 px; this one has 7" in at.error[0].value
    at = checked(widget(at, "convolution.mend.0").click().run())
    assert widget(at, "convolution.0.padding").value == 6


def test_the_second_layer_says_what_does_not_fit_it(page):
    at = put(put(page(), "shrink", 4), "two", True)
    at = put(at, "0.stride", 4, fits=False)
    assert at.error[0].value.startswith("Layer 2:")


def draw(at: AppTest, n: int, pixels: np.ndarray) -> AppTest:
    ink = base64.b64encode(pixels.astype(np.uint8).tobytes()).decode()
    at.session_state["convolution.glass"] = {"painted": {"n": n, "side": len(pixels), "ink": ink}}
    return checked(at.run())


def test_what_is_drawn_is_looked_at_and_one_drawing_stays_one(page):
    at = put(page(), "shrink", 4)
    assert shown(at)["paintable"]
    sheet = np.zeros((7, 7))
    sheet[3] = 255
    at = draw(at, 1, sheet)
    assert torch.equal(values(stage(at, "input"))[0], torch.from_numpy(sheet / 255))
    sheet[:, 2] = 255
    at = draw(at, 2, sheet)
    assert torch.equal(values(stage(at, "input"))[0], torch.from_numpy(sheet / 255))
    assert len(space_of(at).drawings()) == 1
    assert at.session_state[_session.keys.IMAGE].kind == "drawing"
    at = draw(put(at, "shrink", 1), 3, np.full((28, 28), 51))
    assert (values(stage(at, "input")) == 0.2).all() and len(space_of(at).drawings()) == 1
    again = page(space=space_of(at))
    assert (values(stage(again, "input")) == 0.2).all()


def test_a_kept_drawing_is_not_drawn_over(page):
    space = Workspace(new_id())
    kept = space.save_drawing(np.full((28, 28), 99, np.uint8))
    space.choose(image=ImageRef(kind="drawing", id=kept))
    at = draw(page(space=space), 1, np.zeros((28, 28)))
    assert len(space.drawings()) == 2 and space.drawing(kept) is not None
    assert (values(stage(at, "input")) == 0).all()


def test_what_a_browser_sends_as_a_drawing_is_checked(page):
    at = page()
    for told in ["x", {"n": 1}, {"n": 2, "side": 9, "ink": ""}, {"n": [], "side": 7, "ink": "AAAA"}]:
        at.session_state["convolution.glass"] = {"painted": told}
        at = checked(at.run(), fits=False)
        assert stage(at, "input")["shape"] == [1, 28, 28] and not space_of(at).drawings()


def test_one_does_not_draw_on_colour(page):
    assert not shown(put(page(), "data", CIFAR))["paintable"]


# ---------------------------------------------------------------------------------------------- predict, then reveal
def predicting(page, **kept) -> AppTest:
    return page(predict=True, **kept)


def answer(at: AppTest, kind: str, *numbers: float) -> AppTest:
    keys = sorted(
        one.key for one in at.number_input if one.key.startswith(f"convolution.answer.{kind}:")
    )  # fmt: skip
    assert len(keys) == len(numbers)
    for key, number in zip(keys, numbers):
        widget(at, key).set_value(number)
    return checked(widget(at, f"convolution.check.{kind}").click().run())


def test_nothing_is_told_before_an_answer(page):
    at = predicting(page)
    conv = stage(at, "conv1")
    assert conv["hidden"] and "values" not in conv and "shape" not in conv
    assert "26" not in text(at) and "676" not in text(at)
    at = answer(at, "size", 26, 26)
    assert stage(at, "conv1")["shape"] == [1, 26, 26]
    assert "<strong>?</strong>" in text(at) and "**78 times**" not in text(at)
    asked = shown(at)["asked"]
    assert torch.isnan(values(stage(at, "conv1"))[0, asked["row"], asked["col"]])
    assert int(torch.isnan(values(stage(at, "conv1"))).sum()) == 1


def test_a_right_answer_and_a_wrong_one_are_counted_and_explained(page):
    at = predicting(page, layer1__padding=1, layer1__stride=2)
    at = answer(at, "size", 14, 14)
    assert "Right: the window can move 28 + 2·1 − 3 = 27 px" in text(at)
    at = answer(at, "params", 9)
    assert "You said **9**: not quite. The bias is learned, too: add 1." in text(at)
    assert "weights and 1 bias: 10" not in text(at) and "<strong>?</strong>" in text(at)
    at = answer(at, "params", 10)
    assert "1 × 3 × 3 weights and 1 bias: 10" in text(at) and "your first answer counts, 9" in text(at)
    score = space_of(at).score
    assert (score.of("size"), score.of("params"), score.of("number")) == ((1, 1), (0, 1), (0, 0))
    assert "Size: **1 of 1** · Parameters: **0 of 1**" in text(at)


def test_the_number_is_checked_against_the_real_one(page):
    at = answer(predicting(page), "size", 1, 1)
    assert stage(at, "conv1")["hidden"] and "You said **1 × 1**: not quite. Count the places" in text(at)
    at = checked(widget(at, "convolution.show.size").click().run())
    assert "You said 1 × 1. 26 × 26 is right" in text(at) and space_of(at).score.of("size") == (0, 1)
    picture = brightness(loader.load("mnist").test.images[0])
    conv = run(picture, [Operation(kernel=(kernel("sobel_x", 3),))])[1]
    row, col = challenge(picture, conv, 0)
    assert shown(at)["asked"] == {"stage": "conv1", "row": row, "col": col}
    at = answer(at, "number", float(conv.values[0, row, col]))
    assert space_of(at).score.of("number") == (1, 1)
    assert shown(at)["asked"] is None and not torch.isnan(values(stage(at, "conv1"))).any()
    at = checked(widget(at, "convolution.again").click().run())
    assert shown(at)["asked"] == dict(zip(("stage", "row", "col"), ("conv1", *challenge(picture, conv, 1))))
    at = answer(at, "number", 77.0)
    assert space_of(at).score.of("number") == (1, 2)


def test_an_empty_answer_is_no_answer_and_a_shown_one_does_not_count(page):
    at = predicting(page)
    at = checked(widget(at, "convolution.check.size").click().run())
    assert "Type a number first." in text(at) and stage(at, "conv1")["hidden"]
    for kind in ("size", "params", "number"):
        at = checked(widget(at, f"convolution.show.{kind}").click().run())
    assert stage(at, "conv1")["shape"] == [1, 26, 26] and "26 × 26" in text(at)
    assert space_of(at).score == Score(settled=space_of(at).score.settled) and len(space_of(at).score.settled) == 3
    again = predicting(page, space=space_of(at))  # what was seen stays seen
    assert not stage(again, "conv1")["hidden"]


def test_other_settings_ask_anew_and_old_ones_do_not(page):
    at = answer(predicting(page), "size", 26, 26)
    at = put(at, "0.stride", 2)
    assert stage(at, "conv1")["hidden"]
    at = put(at, "0.stride", 1)
    assert not stage(at, "conv1")["hidden"]


def test_with_two_layers_the_first_is_asked_first_and_hides_all_behind_it(page):
    at = predicting(page, two=True, layer=1, layer1__activation="relu", layer1__pooling="max")
    hidden = [s["name"] for s in shown(at)["stages"] if s["hidden"]]
    assert hidden == ["conv1", "relu1", "pool1", "conv2"]
    at = answer(at, "size", 26, 26)
    assert [s["name"] for s in shown(at)["stages"] if s["hidden"]] == ["conv2"]
    at = answer(at, "size", 11, 11)
    assert not any(s["hidden"] for s in shown(at)["stages"])
    assert shown(at)["asked"]["stage"] == "conv2"


def test_an_activation_does_not_tell_the_number_that_is_asked(page):
    at = answer(predicting(page, layer1__activation="tanh", layer1__pooling="avg"), "size", 26, 26)
    asked = shown(at)["asked"]
    assert torch.isnan(values(stage(at, "tanh1"))[0, asked["row"], asked["col"]])
    assert torch.isnan(values(stage(at, "pool1"))[0, asked["row"] // 2, asked["col"] // 2])


def test_in_chinese(page):
    at = answer(page("zh_CN", predict=True), "size", 26, 25)
    assert at.title[0].value == "卷积"
    assert "你的回答是 **26 × 25**，还不对" in text(at)
    at = checked(widget(at, "convolution.show.size").click().run())
    assert "窗口可以移动 28 + 2·0 − 3 = 25 像素" in text(at)
    assert shown(at)["text"]["kernel"] == "卷积核：可填写"
