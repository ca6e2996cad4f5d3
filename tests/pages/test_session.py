"""A session brings back what a workspace keeps, and speaks the learner's language."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cnnlab.architecture.presets import PRESETS
from cnnlab.workspace import ImageRef, Workspace, new_id
from pages import _session
from pages._session import controls


def run(script: Callable[[], None], **state: object) -> AppTest:
    at = AppTest.from_function(script, default_timeout=60)
    for key, value in state.items():
        at.session_state[key] = value
    at.run()
    assert not at.exception, [e.value for e in at.exception]
    return at


def said(at: AppTest) -> list[str]:
    return [element.value for element in at.text]


@pytest.fixture(autouse=True)
def _home(lab_home: Path) -> None:
    """Give each test an empty home."""


def test_a_reload_brings_everything_back() -> None:
    id = new_id()

    def work() -> None:
        from cnnlab.architecture.presets import PRESETS
        from cnnlab.training.recipe import Recipe
        from cnnlab.workspace import ImageRef
        from pages import _session

        _session.set_architecture(PRESETS["article-003-keras"].architecture)
        _session.set_recipe(Recipe(epochs=7))
        _session.set_data_name("fashion_mnist-sample")
        _session.set_model_ref("run:0123456789abcdef")
        _session.set_image_ref(ImageRef(index=42))
        _session.set_current_run("0123456789abcdef")
        _session.choose_language("zh_CN")
        _session.visit("explore")

    def look() -> None:
        import streamlit as st

        from pages import _session

        for value in (
            _session.architecture().name,
            _session.recipe().epochs,
            _session.data_name(),
            _session.model_ref(),
            _session.image_ref().index,
            _session.current_run(),
            _session.language(),
            _session.visited(),
        ):
            st.text(value)

    run(work, **{_session.keys.WORKSPACE: id})
    seen = said(run(look, **{_session.keys.WORKSPACE: id}))
    assert seen[:7] == [
        "article-003-keras",
        "7",
        "fashion_mnist-sample",
        "run:0123456789abcdef",
        "42",
        "0123456789abcdef",
        "zh_CN",
    ]
    assert "explore" in seen[7]
    other = said(run(look, **{_session.keys.WORKSPACE: new_id()}))
    assert other[0] == "mnist-sprint" and other[5] == "None" and other[6] == "en"


def test_what_cannot_be_read_is_the_default() -> None:
    id = new_id()
    Workspace(id).choose(architecture="{", recipe='{"epochs": -1}', model="nowhere", language="tlh")

    def look() -> None:
        import streamlit as st

        from pages import _session

        st.text(_session.architecture().name)
        st.text(_session.recipe().epochs)
        st.text(_session.model_ref())
        st.text(_session.language())

    preset = PRESETS["mnist-sprint"]
    assert said(run(look, **{_session.keys.WORKSPACE: id})) == [
        "mnist-sprint",
        str(preset.recipe.get("epochs", 3)),
        "bundled:mnist-sprint",
        "en",
    ]


def test_undo_and_redo() -> None:
    def work() -> None:
        import streamlit as st

        from pages import _session

        first = _session.architecture()
        _session.set_architecture(first.remove(0))
        _session.set_architecture(first.remove(0).remove(0))
        _session.set_architecture(first.remove(0).remove(0))  # no change, no step
        st.text(_session.undo_steps())
        _session.undo()
        _session.undo()
        _session.undo()  # nothing left
        st.text(_session.architecture() == first)
        st.text(_session.undo_steps())
        _session.redo()
        st.text(_session.architecture() == first.remove(0).renamed(f"{first.name} 2"))
        _session.set_architecture(first)
        st.text(_session.undo_steps())

    assert said(run(work)) == ["(2, 0)", "True", "(0, 2)", "True", "(2, 0)"]


def test_a_new_workspace_begins_empty_and_keeps_the_language() -> None:
    id = new_id()

    def work() -> None:
        import streamlit as st

        from cnnlab.workspace import ImageRef
        from pages import _session

        _session.choose_language("zh_CN")
        _session.set_image_ref(ImageRef(index=5))
        before = _session.workspace().id
        _session.new_workspace()
        st.text(_session.workspace().id != before)
        st.text(_session.image_ref().index)
        st.text(_session.language())

    assert said(run(work, **{_session.keys.WORKSPACE: id})) == ["True", "0", "zh_CN"]
    assert Workspace(id).choices.image == ImageRef(index=5)


@pytest.mark.parametrize(
    ("cookie", "taken"), [("A" * 43, True), ("short", False), ("../" * 20, False), ("é" * 50, False)]
)
def test_the_cookie_is_believed_only_if_it_is_an_id(cookie: str, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _self: {_session.COOKIE: cookie}))

    def look() -> None:
        import streamlit as st

        from pages import _session

        st.text(_session.workspace().id)

    assert (said(run(look)) == [cookie]) == taken


@pytest.mark.parametrize(
    ("locale", "language"), [("zh-CN", "zh_CN"), ("zh-Hans-SG", "zh_CN"), ("en-GB", "en"), ("fr", "en"), (None, "en")]
)
def test_the_browser_chooses_the_first_language(
    locale: str | None, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "locale", property(lambda _self: locale))

    def look() -> None:
        import streamlit as st

        from pages import _session

        st.text(_session.language())

    assert said(run(look)) == [language]


@pytest.mark.parametrize(
    ("ip", "headers", "teacher"),
    [(None, {}, True), ("192.168.1.7", {}, False), (None, {"X-Forwarded-For": "192.168.1.7"}, False)],
)
def test_the_teacher_sits_at_the_server(
    ip: str | None, headers: dict[str, str], teacher: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "ip_address", property(lambda _self: ip))
    monkeypatch.setattr(type(st.context), "headers", property(lambda _self: headers))
    monkeypatch.setenv("CNNLAB_TEACHER_PIN", "4711")
    monkeypatch.setattr("cnnlab.teacher.WRONG_PIN_S", 0.0)

    def look() -> None:
        import streamlit as st

        from pages import _session

        st.text(_session.is_teacher())
        st.text(_session.unlock_teacher("0000"))
        st.text(_session.unlock_teacher("4711"))
        st.text(_session.is_teacher())

    assert said(run(look)) == [str(teacher), "False", "True", "True"]


def test_without_a_pin_none_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CNNLAB_TEACHER_PIN", raising=False)

    def look() -> None:
        import streamlit as st

        from pages import _session

        st.text(_session.unlock_teacher(""))

    assert said(run(look)) == ["False"]


def test_an_editor_is_made_from_a_schema_and_refuses_with_a_sentence() -> None:
    def edit() -> None:
        import streamlit as st

        from cnnlab.training.recipe import LABELS, Recipe
        from pages._editor import spec_editor

        recipe = st.session_state.setdefault("recipe", Recipe())
        st.session_state["recipe"] = spec_editor(Recipe, recipe, "r", labels=LABELS, skip={"augmentation"})

    at = run(edit)
    assert at.number_input(key="r.batch_size").value == 64
    at.number_input(key="r.batch_size").set_value(16)
    at.selectbox(key="r.optimizer").set_value("sgd").run()
    assert at.session_state["recipe"].batch_size == 16 and at.session_state["recipe"].optimizer == "sgd"
    at.toggle(key="r.nesterov").set_value(True).run()
    assert "momentum" in at.error[0].value
    assert not at.session_state["recipe"].nesterov
    at.number_input(key="r.momentum").set_value(0.9).run()
    at.toggle(key="r.nesterov").set_value(True).run()
    assert at.session_state["recipe"].nesterov and not at.error
    at.number_input(key="r.limit_train").set_value(500).run()
    assert at.session_state["recipe"].limit_train == 500


@pytest.mark.parametrize("kind", ["Conv2d", "MaxPool2d", "BatchNorm2d", "Dropout", "Linear", "ReLU", "LeakyReLU"])
def test_every_layer_brings_its_editor(kind: str) -> None:
    def edit() -> None:
        import streamlit as st

        from cnnlab.architecture import LAYERS
        from pages._editor import spec_editor

        spec = LAYERS[st.session_state["kind"]]
        value = spec.model_validate({"Linear": {"out_features": 10}}.get(spec.__name__, {}))
        st.text(spec_editor(spec, value, "layer") == value)

    assert said(run(edit, kind=kind)) == ["True"]


def test_a_menu_whose_labels_changed_shows_the_truth_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "TOLD_S", 0.0)

    def script() -> None:
        import streamlit as st

        from pages import _session

        word = st.session_state.get("word", "learning")
        labels = {"a": f"run 1, {word}", "b": "run 2, done"}
        st.selectbox(
            "Run", list(labels), key=_session.seed("menu", "a", labels), format_func=lambda k: labels.get(k, k)
        )

    at = AppTest.from_function(script, default_timeout=60).run()
    assert not at.run().selectbox(key="menu").proto.set_value  # nothing new: the browser is left alone
    at.session_state["word"] = "stopped"
    at.run()
    assert not at.exception
    shown = at.selectbox(key="menu").proto
    assert shown.set_value and shown.raw_value == "run 1, stopped"
    at.selectbox(key="menu").set_value("b").run()
    assert at.selectbox(key="menu").value == "b"


def test_what_was_set_is_told_again_until_a_page_came_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit tells a browser once; one whose page is drawn anew at once has not seen it."""

    def work() -> None:
        import streamlit as st

        from pages import _session

        _session.visit("explain")
        st.pills("P", ["a", "b"], selection_mode="multi", key=_session.seed("p", ["a", "b"]))
        if st.session_state.interrupted:
            st.stop()
        _session.visited_whole()

    def told(at: AppTest) -> bool:
        (pills,) = at.get("button_group")
        assert pills.proto.set_value == (list(pills.proto.raw_values) == ["a", "b"])
        return bool(pills.proto.set_value)

    at = run(work, interrupted=True)
    assert told(at)
    assert told(at.run())
    at.session_state.interrupted = False
    assert told(at.run())
    assert told(at.run())  # the browser may not have come to show it yet
    monkeypatch.setattr(controls, "TOLD_S", 0.0)
    assert not told(at.run())  # the browser's own choice is not written over


def test_a_control_shows_its_value_where_the_browser_missed_what_was_set() -> None:
    """What a browser knows of a control that it sees for the first time is its default alone."""

    def work() -> None:
        from pages import _choices

        _choices.pills("p", "P", ["a", "b", "c"], ["a"], str)
        _choices.segments("s", "S", ["a", "b"], "a")
        _choices.menu("m", "M", ["a", "b"], "a")
        _choices.slider("n", "N", 0, 9, 1, 1)
        _choices.toggle("t", "T", False)

    def defaults(at: AppTest) -> list[object]:
        pills, segments = (list(found.proto.default) for found in at.get("button_group"))
        menu, slider, toggle = at.selectbox[0].proto, at.slider[0].proto, at.toggle[0].proto
        return [pills, segments, menu.default, list(slider.default), toggle.default]

    at = run(work)
    assert defaults(at) == [[0], [0], 0, [1.0], False]
    pills, segments = at.get("button_group")
    pills.set_value(["b", "c"])
    segments.set_value("b")
    at.selectbox[0].set_value("b")
    at.slider[0].set_value(7)
    at.toggle[0].set_value(True)
    for _again in range(2):  # the move itself, and what was kept of it
        assert defaults(at.run()) == [[1, 2], [1], 1, [7.0], True]


def test_what_was_set_just_now_is_told_again_until_it_is_moved() -> None:
    """A page drawn twice within milliseconds: the browser shows the second drawing only, and would send its own value."""

    def work() -> None:
        import streamlit as st

        from pages import _session

        _session.visit("descent")
        st.number_input("N", -1.0, 1.0, key=_session.seed("n", 0.5))
        _session.visited_whole()

    at = run(work)
    for _again in range(2):
        (field,) = at.number_input
        assert field.proto.set_value and field.proto.value == 0.5
        at.run()
    at.number_input[0].set_value(0.25).run()
    assert not at.number_input[0].proto.set_value and at.number_input[0].value == 0.25


def test_what_was_left_for_the_next_draw_is_picked_up_once() -> None:
    def work() -> None:
        import streamlit as st

        from pages import _session

        st.text(_session.pick_up("word"))
        _session.leave("word", "refused")
        st.text(_session.pick_up("word"))
        st.text(_session.pick_up("word"))

    assert said(run(work)) == ["None", "refused", "None"]


def test_the_session_s_keys_are_touched_by_its_own_package_alone() -> None:
    for path in Path(_session.__file__).parent.parent.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "_session.keys" not in source and "_session import keys" not in source, path.name
