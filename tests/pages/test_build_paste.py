"""The field for pasted source: what is asked, what is said by line, and that the network opens."""

from streamlit.testing.v1 import AppTest

from cnnlab.i18n import set_language

SCRIPT = """
import streamlit as st
from pages import _build_paste, _session
_session.enter()
_build_paste.paste()
st.session_state["kinds"] = [layer.kind for layer in _session.architecture().layers]
"""
GIVEN = """import torch
from torch import nn
net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear({numbers}, 10))
net(torch.zeros(1, 1, 8, 8))
"""
ASKING = "from torch import nn\nnet = nn.Sequential(nn.Conv2d(1, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"


def page() -> AppTest:
    return AppTest.from_string(SCRIPT, default_timeout=60).run()


def pasted(app: AppTest, source: str) -> AppTest:
    app.text_area[0].set_value(source).run()
    app.button(key="build.paste.import").click().run()
    assert not app.exception
    return app


def kinds(app: AppTest) -> list[str]:
    return list(app.session_state["kinds"])


def test_a_network_opens(lab_home: object) -> None:
    app = pasted(page(), GIVEN.format(numbers=288))
    assert "1×8×8" in app.success[0].value
    assert not app.error
    assert "Left out: 1" in app.expander[0].label
    assert kinds(app) == ["Conv2d", "ReLU", "Flatten", "Linear"]


def test_what_does_not_fit_is_said_with_its_line_and_opens_all_the_same(lab_home: object) -> None:
    app = pasted(page(), GIVEN.format(numbers=100))
    assert "Line 3" in app.error[0].value and "288" in app.error[0].value and "in\\_features" in app.error[0].value
    assert "cannot run yet" in app.warning[0].value
    assert kinds(app)[-1] == "Linear"


def test_the_size_is_asked_with_the_channels_that_the_first_layer_takes(lab_home: object) -> None:
    app = page()
    assert not app.number_input
    pasted(app, ASKING)
    assert [field.label for field in app.number_input] == ["Channels", "Height", "Width"]
    assert app.number_input[0].value == 1
    assert "how large" in app.info[0].value
    app.number_input[1].set_value(20).run()
    app.button(key="build.paste.import").click().run()
    assert "1×20×32" in app.success[0].value
    pasted(app, GIVEN.format(numbers=288))
    assert not app.number_input


def test_one_of_several_is_chosen(lab_home: object) -> None:
    app = pasted(
        page(),
        "from torch import nn\na = nn.Linear\nb = nn.Sequential(nn.Linear(784, 2))\nc = nn.Sequential(nn.Linear(784, 3))\n",
    )
    assert list(app.selectbox[0].options) == ["b", "c"]
    app.selectbox[0].set_value("c").run()
    app.button(key="build.paste.import").click().run()
    assert not app.exception


def test_markup_in_the_source_stays_text(lab_home: object) -> None:
    app = pasted(page(), "![x](http://example.org/x.png) **bold** `code`\n")
    assert "![x]" not in app.error[0].value.replace("`` ![x](http://example.org/x.png) **bold** `code` ``", "")


def test_chinese(lab_home: object) -> None:
    set_language("zh_CN")
    app = AppTest.from_string(SCRIPT.replace("_session.enter()", "_session.choose_language('zh_CN')\n_session.enter()"),
                              default_timeout=60).run()  # fmt: skip
    pasted(app, GIVEN.format(numbers=100))
    assert "第 3 行" in app.error[0].value
    assert "导入" in app.button(key="build.paste.import").label
