"""The Draw page without a browser: what was drawn before is answered, kept, tested again; bad pictures are said."""

import base64
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cnnlab.compress import answering
from cnnlab.compress.int8 import quantise
from cnnlab.data import loader
from cnnlab.data.sketch import Sketch
from cnnlab.description import ModelRef, bundled_path
from cnnlab.model import Model
from cnnlab.workspace import ImageRef, Workspace, new_id
from pages import _session
from tests.compress.makers import needs_int8

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = "import runpy\nrunpy.run_path('pages/draw.py', run_name='__page__')"


def sketch_of(digit, n=1):
    """Return what the canvas sends when ``digit`` (28, 28) is drawn, four times as large."""
    ink = base64.b64encode(np.kron(digit, np.ones((4, 4), np.uint8)).tobytes()).decode()
    return Sketch(n=n, end=True, box=(0, 0, 112, 112), ink=ink, strokes=[[150, 100, 100, 900, 900]])


@pytest.fixture
def space(lab_home):
    return Workspace(new_id())


@pytest.fixture
def page(space, monkeypatch):
    monkeypatch.chdir(ROOT)

    def open_page(**state):
        at = AppTest.from_string(PAGE, default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        at.session_state[_session.keys.LANGUAGE] = "en"
        for key, value in state.items():
            at.session_state[key] = value
        at.run()
        assert not at.exception, [e.value for e in at.exception]
        return at

    return open_page


def canvas(at):
    """Return the data that the component was given last."""
    import json

    found = [e for e in walk(at._tree) if getattr(e, "type", "") in ("bidi_component", "unknown") and has_data(e)]
    return json.loads(found[-1].proto.mixed.json or found[-1].proto.json)


def has_data(element):
    proto = getattr(element, "proto", None)
    return getattr(proto, "component_name", "") == "cnnlab.canvas"


def walk(element):
    yield element
    for child in getattr(element, "children", {}).values():
        yield from walk(child)


def html(at):
    return "\n".join(element.proto.body for element in walk(at._tree) if getattr(element, "type", "") == "html")


def test_a_blank_canvas_predicts_nothing(page):
    at = page()
    assert canvas(at)["models"] == [{"name": "mnist-sprint", "probs": None}]
    assert at.button(key="draw.keep").disabled
    assert 'class="seen-steps"' not in html(at)


def test_what_was_drawn_is_there_again_and_answered(page, space):
    sketch_of(loader.load("mnist").test.images[0, 0].numpy()).keep(space.folder)
    at = page()
    data = canvas(at)
    assert data["sketch"]["strokes"] == [[150, 100, 100, 900, 900]]
    probs = data["models"][0]["probs"]
    assert int(np.argmax(probs)) == int(loader.load("mnist").test.targets[0])
    assert sum(probs) == pytest.approx(1, abs=1e-3)
    assert 'class="seen-steps"' in html(at)
    assert 'class="seen-maps"' in html(at)


def test_three_models_answer_the_same_drawing(page, space):
    sketch_of(loader.load("mnist").test.images[1, 0].numpy()).keep(space.folder)
    at = page()
    at.selectbox(key="draw.compare.1").set_value("bundled:article-000-lenet5").run()
    at.selectbox(key="draw.compare.2").set_value("bundled:article-003-keras").run()
    models = canvas(at)["models"]
    assert [m["name"] for m in models] == ["mnist-sprint", "article-000-lenet5", "article-003-keras"]
    assert {int(np.argmax(m["probs"])) for m in models} == {2}
    again = page()  # a reload, or the way back from another page
    assert [m["name"] for m in canvas(again)["models"]] == [m["name"] for m in models]
    again.selectbox(key="draw.compare.1").set_value("").run()
    assert [m["name"] for m in canvas(again)["models"]] == ["mnist-sprint"]
    assert not [menu for menu in again.selectbox if menu.key == "draw.compare.2"]


def test_a_drawing_is_kept_tested_again_and_deleted(page, space):
    digit = loader.load("mnist").test.images[0, 0].numpy()
    sketch_of(digit).keep(space.folder)
    at = page()
    at.selectbox(key="draw.label").set_value(7).run()
    at.button(key="draw.keep").click().run()
    (kept,) = space.drawings()
    assert kept.label == 7
    assert at.selectbox(key="draw.label").value == 10  # nothing is said of the next one
    assert np.abs(kept.pixels.astype(int) - digit).mean() < 4
    assert 'figure class="right"' in html(at)
    assert "1 of 1 that you named are right." in html(at)
    assert _session.keys.IMAGE in at.session_state
    assert at.session_state[_session.keys.IMAGE] == ImageRef(kind="drawing", id=kept.id)
    at.button(key="draw.delete").click().run()
    assert not at.exception
    assert space.drawings() == ()
    assert 'class="kept-wall"' not in html(at)


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_of_a_digit_is_read(page, space):
    space.choose_widget("draw.mode", "show")
    at = page()
    digit = np.pad(255 - np.kron(loader.load("mnist").test.images[0, 0].numpy(), np.ones((5, 5), np.uint8)), 30,
                   constant_values=255)  # fmt: skip
    at.file_uploader(key="draw.upload").set_value(("seven.png", png(digit), "image/png")).run()
    assert not at.exception
    assert int(np.argmax(canvas(at)["models"][0]["probs"])) == 7
    assert canvas(at)["picture"].startswith("data:image/jpeg")


@pytest.mark.parametrize(
    "data", [b"", b"no picture", png(np.full((40, 40), 200, np.uint8)), png(np.eye(60, dtype=np.uint8) * 255)[:70]]
)
def test_a_bad_picture_is_one_sentence(page, space, data):
    space.choose_widget("draw.mode", "show")
    at = page()
    at.file_uploader(key="draw.upload").set_value(("bad.png", data, "image/png")).run()
    assert not at.exception
    assert len(at.error) == 1
    assert canvas(at)["models"][0]["probs"] is None
    assert _session.keys.IMAGE not in at.session_state or at.session_state[_session.keys.IMAGE].kind == "test"
    assert at.error[0].value.startswith("The picture")


def test_a_colour_model_takes_pictures(page, space):
    space.choose(model="bundled:cifar-blocks")
    at = page()
    image = loader.load("cifar10-sample").test.images[0].permute(1, 2, 0).numpy()
    at.file_uploader(key="draw.upload").set_value(("one.png", png(image), "image/png")).run()
    assert not at.exception
    data = canvas(at)
    assert data["mode"] == "show"
    assert len(data["models"][0]["probs"]) == len(data["classes"]) == 10
    assert 'class="seen-steps"' in html(at)
    (kept,) = (space.folder / "uploads").glob("*.png")
    assert at.session_state[_session.keys.IMAGE] == ImageRef(kind="upload", id=kept.stem)


def test_ones_own_run_of_a_bundled_network_stands_beside_it(page, space):
    from cnnlab.architecture import layers as L
    from tests.insight.makers import model_of
    from tests.pages.makers import keep_run

    loaded = loader.load("mnist").test
    sketch_of(loaded.images[0, 0].numpy()).keep(space.folder)
    mine = [of("mnist", model_of((1, 28, 28), [L.Flatten(), L.Linear(out_features=10)], seed=s)) for s in (0, 1)]
    ids = [keep_run(space, model, name="mnist-sprint", created=float(i)) for i, model in enumerate(mine)]
    space.choose(model=f"run:{ids[0]}")
    at = page()
    at.selectbox(key="draw.compare.1").set_value(f"run:{ids[1]}").run()
    at.selectbox(key="draw.compare.2").set_value("bundled:mnist-sprint").run()
    assert not at.exception
    models = canvas(at)["models"]
    assert [m["name"] for m in models] == ["mnist-sprint: your run 1", "mnist-sprint: your run 2", "mnist-sprint"]
    assert len({tuple(m["probs"]) for m in models}) == 3
    assert int(np.argmax(models[2]["probs"])) == 7


def test_a_picture_has_a_largest_size(page, space):
    space.choose_widget("draw.mode", "show")
    at = page()
    assert at.file_uploader(key="draw.upload").proto.max_upload_size_mb == 20


def of(data, model):
    """Return ``model`` as if it had learned from ``data``, with the classes of that."""
    from cnnlab.data.known import KNOWN

    about = model.about.model_copy(update={"data": data})
    changes = {"about": about, "class_names": KNOWN[data].class_names}
    return type(model)(model.description.model_copy(update=changes), model.state)


def clothes_run(space):
    from cnnlab.architecture import layers as L
    from tests.insight.makers import model_of
    from tests.pages.makers import keep_run

    model = of("fashion_mnist-sample", model_of((1, 28, 28), [L.Flatten(), L.Linear(out_features=10)]))
    return keep_run(space, model)


def test_a_model_of_clothes_gets_the_picture_not_a_digit(page, space):
    space.choose(model=f"run:{clothes_run(space)}")
    space.choose_widget("draw.mode", "show")
    at = page()
    image = loader.load("fashion_mnist-sample").test.images[2, 0].numpy()
    photo = 255 - np.kron(image, np.ones((6, 6), np.uint8))
    at.file_uploader(key="draw.upload").set_value(("shirt.png", png(photo), "image/png")).run()
    assert not at.exception and not at.error
    assert "light and dark exchanged" in html(at)
    assert "holds ink" not in html(at)
    assert at.session_state[_session.keys.IMAGE].kind == "upload"


def test_only_models_of_the_same_classes_are_compared(page, space):
    id = clothes_run(space)
    at = page()
    options = at.selectbox(key="draw.compare.1").options
    assert "with article-003-keras" in options
    assert not [option for option in options if "your run" in option or "cifar" in option]
    space.choose(model=f"run:{id}")
    assert not [menu for menu in page().selectbox if menu.key == "draw.compare.1"]


def test_the_hint_speaks_of_digits_only_where_they_are_read(page, space):
    assert "digit" in canvas(page())["labels"]["hint"]
    space.choose(model=f"run:{clothes_run(space)}")
    assert "digit" not in canvas(page())["labels"]["hint"]


def test_the_brush_is_kept_and_only_a_brush(page, space):
    assert canvas(page())["brush"] == 7.5
    at = page()
    for told in (99, "wide", None):
        at.session_state["draw.canvas"] = {"brush": told}
        assert canvas(at.run())["brush"] == 7.5
    at.session_state["draw.canvas"] = {"brush": 12}
    at.run()
    assert canvas(page())["brush"] == 12


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_page_says_what_it_is(page, language):
    from cnnlab.lessons import lesson

    at = page(**{_session.keys.LANGUAGE: language})
    assert lesson("draw", language).strip() in [text.value for text in at.markdown]


@needs_int8
def test_an_int8_model_is_made_ready_beside_the_page(page, space, monkeypatch):
    """The whole model answers meanwhile; the page never waits."""
    go, load, model = threading.Event(), answering._load, Model.load(bundled_path("article-000-lenet5"))
    source = space.save_model(quantise(model, loader.load("mnist").fit.images[:8]).to_bytes())
    monkeypatch.setattr(answering, "_load", lambda path: go.wait(60) and load(path))
    space.choose_widget("draw.compare.1", source)
    sketch_of(loader.load("mnist").test.images[0, 0].numpy()).keep(space.folder)
    at = page()
    whole, waiting = canvas(at)["models"]
    assert int(np.argmax(whole["probs"])) == 7
    assert waiting["probs"] is None and waiting["note"] == "is being made ready …"
    go.set()
    answering.answering(ModelRef(source))
    at.run()
    assert not at.exception and not at.error
    ready = canvas(at)["models"][1]
    assert int(np.argmax(ready["probs"])) == 7 and "note" not in ready
