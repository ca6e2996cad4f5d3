"""What anyone may have written, a title, a name, a class, is shown as it is: it loads no picture and draws no markup."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import layers as L
from cnnlab.model import Model
from cnnlab.workspace import Workspace, new_id
from pages import _session
from tests.insight.makers import model_of

PAGES = Path(__file__).resolve().parent.parent.parent / "pages"
PICTURE = "![x](http://evil.example/x.png)"
IMAGE = "<img src=http://evil.example/x.png>"


@pytest.fixture
def space(lab_home: Path) -> Workspace:
    return Workspace(new_id())


def malicious(model: Model) -> Model:
    names = (PICTURE, *model.class_names[1:])
    about = model.about.model_copy(update={"data": IMAGE, "name": PICTURE, "result": {"test_acc": 0.5}})
    return Model(model.description.model_copy(update={"class_names": names, "about": about}), model.state)


def sure_of_first() -> Model:
    """Return a model that always says its first class."""
    model = model_of(
        (1, 28, 28), [L.Conv2d(out_channels=2, kernel_size=5, stride=4), L.Flatten(), L.Linear(out_features=10)]
    )
    state = {name: tensor * 0 for name, tensor in model.state.items()}
    state["fc1.bias"] = state["fc1.bias"].clone()
    state["fc1.bias"][0] = 9.0
    return malicious(Model(model.description, state))


def texts(at: AppTest) -> str:
    assert not at.exception, [one.value for one in at.exception]
    written = [*at.markdown, *at.caption, *at.warning, *at.error, *at.info]
    return "\n".join([*(one.value for one in written), *(one.label for one in at.button)])


@pytest.mark.parametrize("page", ["explore", "magnifier", "explain", "surgery"])
def test_what_a_model_says_of_itself_is_only_shown(space, page):
    source = space.save_model(sure_of_first().to_bytes())
    at = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_session.keys.MODEL] = source
    at.run()
    assert "![" not in texts(at)
    assert page == "surgery" or "evil.example" in texts(at)
    assert all("<img src=http" not in one.proto.body for one in at.get("html"))


def test_a_title_is_only_shown(space):
    def head() -> None:
        from dataclasses import replace

        from cnnlab.architecture.presets import PRESETS
        from cnnlab.data.loader import load
        from pages import _begin, _session

        _session.enter()
        title = "![x](http://evil.example/x.png)"
        data = load("mnist")
        few = replace(data, title=title, class_names=data.class_names[:3])
        _begin.mend_head(PRESETS["mnist-sprint"].architecture, few)

    at = AppTest.from_function(head, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.run()
    assert "evil.example" in texts(at) and "![" not in texts(at)


def test_a_networks_name_on_a_button_is_only_shown(space):
    def way() -> None:
        from cnnlab.architecture import Architecture
        from cnnlab.architecture.blocks import Residual
        from cnnlab.architecture.layers import Conv2d
        from pages import _network, _session

        _session.enter()
        name = "![x](http://evil.example/x.png)"
        block = Residual(layers=(Conv2d(out_channels=1, kernel_size=3, padding=1),))
        network = Architecture(name=name, input_shape=(1, 28, 28), layers=(block,))
        _network.crumbs(network, (0,), print, "way")

    at = AppTest.from_function(way, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.run()
    assert "evil.example" in texts(at) and "![" not in texts(at)


def test_messages_go_through_told() -> None:
    """A box of Streamlit's reads Markdown: what a message quotes of a file or a name would load pictures there."""
    boxes = re.compile(r"\b(?:st|why|box)\.(?:error|warning|info|toast|success|caption)\([^\n]*\.text\(")
    found = [f"{path.name}: {hit.group()}" for path in PAGES.rglob("*.py") for hit in boxes.finditer(path.read_text())]
    assert not found, found


def test_no_callback_makes_a_toast_of_its_own() -> None:
    """From the callback of a fragment's button it would take the place of the page's style sheet (``_session.say``)."""
    found = {
        f"pages/{path.relative_to(PAGES).as_posix()}": path.read_text(encoding="utf-8").count("st.toast(")
        for path in PAGES.rglob("*.py")
    }
    assert {name: count for name, count in found.items() if count} == {
        "pages/_hand.py": 1,  # within the body of the view
        "pages/_session/who.py": 1,
    }
