"""Every page opens in every language, inside its frame, with no word left in the other one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ButtonGroup, Selectbox, SelectSlider, Slider

from cnnlab.home import ASSETS
from cnnlab.i18n import LANGUAGES
from cnnlab.lessons import glossary, lesson
from pages import _registry, _session
from tests.wording import english_left

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [page.name for page in _registry.PAGES]
NO_LESSON = {"data", "teacher"}
"""Pages that say all that they have to say where it stands."""
LESSONS = {
    language: [
        lesson(path.stem, language) for path in (ASSETS / "lessons" / "en").glob("*.md") if path.stem != "glossary"
    ]
    for language in LANGUAGES
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], AppTest]:
    """Return a function that runs the whole app once, with one page as its first, in one language.

    AppTest's own ``switch_page`` runs a page without the frame that ``app.py`` draws around it.
    """

    def open_page(name: str, language: str) -> AppTest:
        st.set_option("client.showErrorDetails", "full")  # a failing page says why
        real = st.Page
        monkeypatch.setattr(
            st, "Page", lambda *args, **settings: real(*args, **{**settings, "default": settings["url_path"] == name})
        )
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        at.session_state[_session.keys.LANGUAGE] = language
        at.run()
        monkeypatch.setattr(st, "Page", real)
        return at

    return open_page


def words(at: AppTest) -> Iterator[str]:
    """Yield what can be read on the page: text, and every widget's label, help, placeholder and options."""
    yield from _words(at._tree)  # page, sidebar, and whatever lies above them, such as a dialog


def _words(element: object) -> Iterator[str]:
    proto = getattr(element, "proto", None)
    for name in ("label", "help", "placeholder", "body", "caption", "element_toolbar"):
        text = getattr(proto, name, None)
        if isinstance(text, str) and text and not text.startswith("<style>"):
            yield text
    for option in getattr(element, "options", []) or []:
        yield str(getattr(option, "content", option))
    for child in getattr(element, "children", {}).values():
        yield from _words(child)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens(name: str, language: str, opened: Callable[[str, str], AppTest]) -> None:
    at = opened(name, language)
    assert (ROOT / "pages" / f"{name}.py").is_file()
    assert not at.exception, [e.value for e in at.exception]
    assert not at.error, [e.value for e in at.error]
    shown = list(words(at))
    assert shown, "an empty page"
    if name not in NO_LESSON:
        assert any(text.strip() in one for text in LESSONS[language] for one in shown), "no lesson beside it"
    if language == "zh_CN":
        left = {text: english_left(text) for text in shown if english_left(text)}
        assert not left, left


def test_the_registry_lists_the_pages_that_there_are() -> None:
    files = {path.stem for path in (ROOT / "pages").glob("*.py") if not path.name.startswith("_")}
    assert files == set(PAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_the_lab_are_one_tap_away(language: str) -> None:
    at = AppTest.from_string("from pages._glossary import glossary_button\nglossary_button()", default_timeout=60)
    at.session_state[_session.keys.LANGUAGE] = language
    at.run().button(key="glossary.open").click().run()
    assert not at.exception
    shown = "\n".join(words(at))
    assert all(entry.word in shown and entry.text in shown for entry in glossary(language=language))


def test_the_glossary_finds_words_before_texts() -> None:
    found = [entry.word for entry in glossary("stride", "en")]
    assert found[0] == "Stride"
    assert [e.word for e in glossary("  LEARNING rate ", "en")][0] == "Learning rate"
    assert glossary("步幅", "zh_CN")[0].word.startswith("步幅")
    assert glossary("no such word", "en") == ()
    assert len(glossary(language="en")) == len(glossary(language="zh_CN")) > 40


@pytest.mark.parametrize("name", PAGES)
def test_what_a_control_shows_is_its_default_too(name: str, opened: Callable[[str, str], AppTest]) -> None:
    """A browser that missed what a control was set to shows its default."""
    at = opened(name, "en")
    controls = [one for one in _elements(at._tree) if getattr(one, "key", None) and f"{one.key}~" in at.session_state]
    assert "frame.language" in {one.key for one in controls}
    assert {one.key: _default(one.proto) for one in controls} == {one.key: _value(one, at) for one in controls}


def _elements(element: Any) -> Iterator[Any]:
    yield element
    for child in getattr(element, "children", {}).values():
        yield from _elements(child)


def _default(proto: Any) -> Any:
    if hasattr(proto, "tab_container"):
        return proto.tab_container.default_tab_index
    if proto.DESCRIPTOR.fields_by_name["default"].is_repeated:
        return [round(one, 6) for one in proto.default]
    return round(proto.default, 6) if isinstance(proto.default, float) else proto.default


def _value(control: Any, at: AppTest) -> Any:
    """Return what a control holds, as its default says it."""
    if hasattr(control.proto, "tab_container"):
        return [tab.label for tab in control.children.values()].index(at.session_state[control.key])
    if isinstance(control, Selectbox):
        return control.index
    if isinstance(control, ButtonGroup):
        return list(control.indices)
    if isinstance(control, (Slider, SelectSlider)):
        place = [*control.options].index(str(control.value)) if isinstance(control, SelectSlider) else control.value
        return [round(place, 6)]
    return (
        round(control.value, 6)
        if isinstance(control.value, float)
        else control.value or type(_default(control.proto))()
    )
