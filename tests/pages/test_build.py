"""The Build page: every control used once, every way in that a browser, a file or a link has."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import LAYERS, Architecture, make_layer, share
from cnnlab.architecture.network import MAX_LAYERS
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.repair import suggest
from cnnlab.training.recipe import Recipe
from pages import _build_state as state
from pages import _session
from tests.export.test_command import long_network

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "build.py")
LENET = PRESETS["article-000-lenet5"].architecture
EDITED = LENET.renamed(f"{LENET.name} 2")  # an edited preset is no longer the preset


@pytest.fixture
def page(lab_home: Path) -> Callable[..., AppTest]:
    """Return a function that opens the page with a network and a language."""

    def open_page(architecture: Architecture = LENET, language: str = "en", layer: int = 0, **query: str) -> AppTest:
        at = AppTest.from_file(PAGE, default_timeout=60)
        at.session_state[_session.keys.LANGUAGE] = language
        at.session_state[_session.keys.ARCHITECTURE] = architecture
        at.session_state[_session.keys.WIDGETS] = {state._LAYER: layer}
        for name, value in query.items():
            at.query_params[name] = value
        return checked(at.run())

    return open_page


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def turn_to(at: AppTest, tab: str) -> AppTest:
    """Open one of the four tabs below the bench."""
    at.session_state["build.tab.en"] = tab
    return checked(at.run())


def network(at: AppTest) -> Architecture:
    return at.session_state[_session.keys.ARCHITECTURE]


def click(at: AppTest, key: str) -> AppTest:
    return checked(at.button(key=key).click().run())


def metrics(at: AppTest) -> list[str]:
    return [metric.value for metric in at.metric]


# -------------------------------------------------------------------------------------------- what is shown
def test_the_totals_and_the_table_are_those_of_the_trace(page: Callable[..., AppTest]) -> None:
    at = page()
    assert metrics(at)[:3] == ["10", "61.71k", "416.5k"]
    table = turn_to(at, "Table").table[0].value
    assert list(table.iloc[:-1, 0]) == list(LENET.names)
    assert list(table.iloc[:-1, 2]) == ["×".join(map(str, row.output_shape or ())) for row in LENET.trace().rows]
    assert "61,706" in table.iloc[-1, 3]
    assert any("Sequential" in code.value for code in turn_to(at, "PyTorch").code)


def test_a_broken_layer_is_marked_said_and_mended_by_a_click(page: Callable[..., AppTest]) -> None:
    at = page()
    click(at, "build.preset.article-004-cnn")
    assert at.error[0].value == str(PRESETS["article-004-cnn"].error)
    assert state_of(at) == 7, "the layer that does not fit is the one to edit"
    assert metrics(at)[0] == "?"
    assert metrics(at)[1].startswith("≥")
    assert not any("≥ 0" in value for value in metrics(at))
    broken = turn_to(at, "Table").table[0].value.iloc[7]
    assert all(":red[" in cell for cell in broken if cell)
    labels = [str(suggestion.label) for suggestion in suggest(network(at))]
    assert [at.button(key=f"build.suggestion.{number}").label for number in range(len(labels))] == labels
    click(at, "build.suggestion.0")
    assert network(at) == PRESETS["article-004-cnn-fixed"].architecture, "the name is that of the mended preset"
    assert not at.error


def test_nothing_is_known_of_a_network_that_breaks_at_its_first_layer(page: Callable[..., AppTest]) -> None:
    at = page(LENET.replace(0, LENET.layers[0].model_copy(update={"kernel_size": 99})))
    assert metrics(at) == ["?"] * 4
    assert "≥" not in "".join(turn_to(at, "Table").table[0].value.iloc[-1])


def test_a_suggestion_says_all_that_it_changes(page: Callable[..., AppTest]) -> None:
    at = page(
        PRESETS["article-003-keras"].architecture.replace(0, make_layer("Conv2d", out_channels=8, kernel_size=30))
    )
    found = suggest(network(at))
    labels = [at.button(key=f"build.suggestion.{number}").label for number in range(len(found))]
    assert any(suggestion.further for suggestion in found)
    for suggestion, label in zip(found, labels):
        said = [str(suggestion.label), *map(str, suggestion.further)]
        assert all(one in label for one in said[: 3 if len(said) <= 3 else 1])
        assert len(said) <= 3 or f"then {len(said) - 1} more changes below" in label


def state_of(at: AppTest) -> int:
    return at.session_state[_session.keys.WIDGETS][state._LAYER]


def test_what_the_source_says_stands_with_a_presets_network(page: Callable[..., AppTest]) -> None:
    at = page()
    said = [text.value for text in at.markdown]
    assert all(paragraph in said for paragraph in PRESETS["article-000-lenet5"].note)
    checked(at.text_input(key="build.field.name").set_value("mine").run())
    assert network(at).name == "mine"
    assert not any(text.value in PRESETS["article-000-lenet5"].note for text in at.markdown)


@pytest.mark.parametrize("name", PRESETS)
def test_a_card_brings_network_recipe_and_data(page: Callable[..., AppTest], name: str) -> None:
    at = page(Architecture(name="other", input_shape=(1, 8, 8), layers=(make_layer("Flatten"),)))
    click(at, f"build.preset.{name}")
    assert network(at) == PRESETS[name].architecture
    assert at.session_state[_session.keys.DATA] == PRESETS[name].data
    recipe = at.session_state[_session.keys.RECIPE].model_dump()
    assert all(recipe[field] == value for field, value in PRESETS[name].recipe.items() if field != "augmentation")
    assert at.button(key=f"build.preset.{name}").disabled
    click(at, "build.undo")
    assert network(at).name == "other"


def test_one_can_begin_with_nothing(page: Callable[..., AppTest]) -> None:
    at = click(page(), "build.empty")
    assert network(at) == Architecture(name="my-network", input_shape=(1, 32, 32), layers=())
    assert at.button(key="build.empty").disabled
    click(at, "build.add")
    assert [layer.kind for layer in network(at).layers] == ["Conv2d"]
    click(click(at, "build.undo"), "build.undo")
    assert network(at) == LENET


def test_a_network_that_ends_in_maps_is_offered_a_head(page: Callable[..., AppTest]) -> None:
    at = page(Architecture(input_shape=(1, 8, 8), layers=(make_layer("Conv2d"),)))
    assert "8×6×6" in at.info[0].value
    click(at, "build.suggestion.0")
    assert network(at).output_shape == (10,)


def test_an_empty_network_says_how_to_begin(page: Callable[..., AppTest]) -> None:
    at = page(Architecture(input_shape=(1, 8, 8)))
    assert "no layer yet" in at.error[0].value
    click(at, "build.suggestion.0")
    assert network(at).output_shape == (10,)


def test_a_network_above_the_budget_is_described_and_warned_about(page: Callable[..., AppTest]) -> None:
    at = page(Architecture(input_shape=(3, 1024, 1024), layers=(make_layer("Conv2d", out_channels=10_000, padding=1),)))
    assert "activations" in at.warning[0].value
    assert metrics(at)[1] == "280k"


# -------------------------------------------------------------------------------------------- edit
@pytest.mark.parametrize("kind", LAYERS)
def test_every_field_of_every_kind_can_be_edited(page: Callable[..., AppTest], kind: str) -> None:
    before = [make_layer("Flatten")] if kind == "Linear" else []
    at = page(Architecture(input_shape=(2, 12, 12), layers=(*before, make_layer(kind))), layer=len(before))
    index = len(before)
    values = {"p": 0.125, "negative_slope": 0.2, "eps": 0.01, "momentum": 0.3, "bias": False, "padding": 1,
              "in_channels": 2, "in_features": 288, "kernel_size": 4, "ceil_mode": True}  # fmt: skip
    values["groups"] = 1 if kind == "ChannelShuffle" else 2
    for field in type(make_layer(kind)).model_fields:
        if field == "kind":
            continue
        value = values.get(field, 3)
        widget = at.toggle if isinstance(value, bool) else at.number_input
        at = checked(widget(key=f"build.field.{index}.{kind}.{field}").set_value(value).run())
        assert getattr(network(at).layers[index], field) == value
    edits = len(at.session_state[_session.keys.UNDO]) if _session.keys.UNDO in at.session_state else 0
    assert edits == len(type(make_layer(kind)).model_fields) - 1
    explained = [text.value for text in at.markdown]
    assert LAYERS[kind].explanation in explained
    assert LAYERS[kind].formula in "".join(text.value for text in at.latex)


def test_move_duplicate_remove_undo_redo(page: Callable[..., AppTest]) -> None:
    at = page(layer=3)
    assert at.button(key="build.undo").disabled
    steps = {
        "build.back": EDITED.move(3, 2),
        "build.on": LENET,
        "build.duplicate": EDITED.duplicate(3),
        "build.remove": LENET,
    }
    for key, wanted in steps.items():
        click(at, key)
        assert network(at) == wanted, key
    for wanted in [EDITED.duplicate(3), LENET, EDITED.move(3, 2), LENET]:
        click(at, "build.undo")
        assert network(at) == wanted
    assert at.button(key="build.undo").disabled
    click(at, "build.redo")
    assert network(at) == EDITED.move(3, 2)


@pytest.mark.parametrize(
    ("layer", "key", "value"),
    [(0, "build.field.0.Conv2d.out_channels", 12), (-1, "build.field.input.1", 40), (0, "build.field.name", "mine")],
)
def test_what_was_typed_is_undone_and_redone_in_the_field_too(
    page: Callable[..., AppTest], layer: int, key: str, value: object
) -> None:
    at = page(layer=layer)

    def field() -> Any:
        return (at.text_input if key.endswith("name") else at.number_input)(key=key)

    before = field().value
    checked(field().set_value(value).run())
    edited = network(at)
    assert edited != LENET
    click(at, "build.undo")
    assert (network(at), field().value) == (LENET, before)
    click(at, "build.redo")
    assert (network(at), field().value) == (edited, value)


def test_the_first_layer_cannot_move_up_nor_the_last_one_down(page: Callable[..., AppTest]) -> None:
    assert page(layer=0).button(key="build.back").disabled
    assert page(layer=len(LENET.layers) - 1).button(key="build.on").disabled


def test_removing_every_layer_leaves_the_input(page: Callable[..., AppTest]) -> None:
    at = page(Architecture(input_shape=(1, 8, 8), layers=(make_layer("ReLU"), make_layer("Flatten"))), layer=1)
    click(at, "build.remove")
    click(at, "build.remove")
    assert network(at).layers == ()
    assert at.number_input(key="build.field.input.0").value == 1


def test_the_input_is_edited_by_numbers_and_by_common_shapes(page: Callable[..., AppTest]) -> None:
    at = page(PRESETS["mnist-sprint"].architecture, layer=-1)
    click(at, "build.shape.3×32×32")
    assert network(at).input_shape == (3, 32, 32)
    for number, value in enumerate((2, 40, 50)):
        checked(at.number_input(key=f"build.field.input.{number}").set_value(value).run())
    assert network(at).input_shape == (2, 40, 50)


def test_another_layer_is_chosen_by_name(page: Callable[..., AppTest]) -> None:
    at = page()
    at.selectbox(key="build.chosen").set_value("conv2")
    checked(at.run())
    assert at.number_input(key="build.field.3.Conv2d.out_channels").value == 16


def test_the_batch_size_is_the_recipes(page: Callable[..., AppTest]) -> None:
    at = page()
    before = metrics(at)[3]
    checked(at.number_input(key="build.batch").set_value(512).run())
    assert at.session_state[_session.keys.RECIPE].batch_size == 512
    assert metrics(at)[3] != before


# -------------------------------------------------------------------------------------------- names and reloads
def test_an_edited_preset_has_a_name_of_its_own_and_a_name_that_is_taken_is_said(page: Callable[..., AppTest]) -> None:
    at = page(layer=3)
    click(at, "build.remove")
    assert network(at).name == at.text_input(key="build.field.name").value == EDITED.name
    checked(at.text_input(key="build.field.name").set_value(LENET.name).run())
    assert network(at).name == at.text_input(key="build.field.name").value == EDITED.name
    assert LENET.name in at.info[0].value and EDITED.name in at.info[0].value
    checked(at.text_input(key="build.field.name").set_value("  ").run())
    assert network(at).name == at.text_input(key="build.field.name").value == EDITED.name
    click(at, "build.undo")
    assert at.text_input(key="build.field.name").value == LENET.name


def test_the_recipe_that_was_shown_stays_when_the_network_is_edited(page: Callable[..., AppTest]) -> None:
    at = page(PRESETS["mnist-sprint"].architecture)
    before = at.session_state[_session.keys.RECIPE]
    click(at, "build.remove")
    again = reloaded(at)
    assert again.session_state[_session.keys.RECIPE] == before


def reloaded(at: AppTest) -> AppTest:
    """Return the page as a browser that knows only its cookie gets it."""
    again = AppTest.from_file(PAGE, default_timeout=60)
    again.session_state[_session.keys.WORKSPACE] = at.session_state[_session.keys.WORKSPACE]
    return checked(again.run())


def test_layer_panel_kind_network_and_undo_survive_a_reload(page: Callable[..., AppTest]) -> None:
    at = page()
    at.selectbox(key="build.chosen").set_value("conv2")
    checked(at.run())
    click(at, "build.duplicate")
    checked(at.segmented_control(key=state.PANEL).set_value(state.ADD).run())
    click(at, "build.kind.Dropout2d")
    at = reloaded(at)
    assert at.button(key="build.add").label == "Add Dropout2d after conv3"
    assert network(at) == EDITED.duplicate(3)
    click(at, "build.undo")
    assert network(at) == LENET
    assert at.button(key="build.undo").disabled
    click(at, "build.add")
    assert network(at) == EDITED.insert(5, make_layer("Dropout2d"))
    at = reloaded(at)
    assert at.selectbox(key="build.chosen").value == EDITED.insert(5, make_layer("Dropout2d")).names[5], (
        "the new layer is the one that is edited"
    )


def test_a_block_that_is_clicked_is_edited_although_the_other_panel_was_clicked_before(
    page: Callable[..., AppTest],
) -> None:
    at = page()
    checked(at.segmented_control(key=state.PANEL).set_value(state.ADD).run())
    click(at, "build.add")
    assert at.segmented_control(key=state.PANEL).value == state.EDIT


@pytest.mark.parametrize("kept", ["Conv9d", 7, None, (1, 2)])
def test_what_was_kept_and_is_no_more_is_the_default(page: Callable[..., AppTest], kept: object) -> None:
    at = page()
    at.session_state[_session.keys.WIDGETS] = {
        state._LAYER: kept if kept != 7 else 999,
        state._KIND: kept,
        state.PANEL: kept,
    }
    checked(at.run())
    assert at.selectbox(key="build.chosen").value == LENET.names[-1 if kept == 7 else 0]
    checked(at.segmented_control(key=state.PANEL).set_value(state.ADD).run())
    assert at.button(key="build.add").label.startswith("Add Conv2d")


# -------------------------------------------------------------------------------------------- add
@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind_is_in_the_palette_with_its_explanation_formula_and_outcome(
    page: Callable[..., AppTest], kind: str
) -> None:
    at = page()
    at.session_state[state.PANEL] = state.ADD
    checked(at.run())
    click(at, f"build.kind.{kind}")
    assert LAYERS[kind].explanation in [text.value for text in at.markdown]
    assert LAYERS[kind].formula in "".join(text.value for text in at.latex)
    outcome = " ".join(text.value for text in at.caption)
    assert ("put Flatten before it" if kind == "Linear" else "6×28×28 in") in outcome
    click(at, "build.add")
    assert network(at) == EDITED.insert(1, make_layer(kind))
    assert state_of(at) == 1


def test_one_layer_too_many_is_said_and_changes_nothing(page: Callable[..., AppTest]) -> None:
    full = Architecture(input_shape=(1, 4, 4), layers=(make_layer("ReLU"),) * MAX_LAYERS)
    at = page(full)
    click(at, "build.duplicate")
    assert str(MAX_LAYERS) in at.error[0].value
    assert network(at) == full


# -------------------------------------------------------------------------------------------- the drawing
ACTIONS = {
    "select": ({"do": "select", "index": 3}, LENET, 3, state.EDIT),
    "select the input": ({"do": "select", "index": -1}, LENET, -1, state.EDIT),
    "insert": ({"do": "insert", "index": 4}, LENET, 3, state.ADD),
    "insert first": ({"do": "insert", "index": 0}, LENET, -1, state.ADD),
    "remove": ({"do": "remove", "index": 1}, EDITED.remove(1), 1, state.EDIT),
    "move": ({"do": "move", "index": 0, "to": 2}, EDITED.move(0, 2), 2, state.EDIT),
}
NONSENSE = [
    None, "select", 7, [], {}, {"do": "select"}, {"do": "select", "index": 99}, {"do": "select", "index": "0"},
    {"do": "select", "index": True}, {"do": "remove", "index": -1}, {"do": "remove", "index": 12},
    {"do": "move", "index": 0}, {"do": "move", "index": 0, "to": 12}, {"do": "move", "index": -1, "to": 0},
    {"do": "insert", "index": -1}, {"do": "insert", "index": 14}, {"do": "explode", "index": 0}, {"do": ["move"]},
]  # fmt: skip


def on_drawing(action: object) -> tuple[Architecture, int, str]:
    """Let the drawing send ``action``, and return network, layer and panel after it."""

    def script() -> None:
        import streamlit as st

        from pages import _build_state

        st.session_state[_build_state.DRAWING] = st.session_state["sent"]
        _build_state.on_drawing()

    at = AppTest.from_function(script, default_timeout=60)
    at.session_state["sent"] = SimpleNamespace(action=action)
    at.session_state[_session.keys.LANGUAGE] = "en"
    at.session_state[_session.keys.ARCHITECTURE] = LENET
    checked(at.run())
    kept = at.session_state[_session.keys.WIDGETS] if _session.keys.WIDGETS in at.session_state else {}
    layer = kept.get(state._LAYER, 0)
    panel = at.session_state[state.PANEL] if state.PANEL in at.session_state else state.EDIT
    return network(at), layer, panel


@pytest.mark.parametrize("case", ACTIONS)
def test_what_the_drawing_asks_for(case: str, lab_home: Path) -> None:
    action, *wanted = ACTIONS[case]
    assert list(on_drawing(action)) == wanted


@pytest.mark.parametrize("action", NONSENSE, ids=repr)
def test_nonsense_from_a_browser_changes_nothing(action: object, lab_home: Path) -> None:
    assert on_drawing(action) == (LENET, 0, state.EDIT)


# -------------------------------------------------------------------------------------------- keep, open, share
def test_a_link_opens_once_and_leaves_the_address(page: Callable[..., AppTest]) -> None:
    at = page(net=share.to_text(PRESETS["article-003-keras"].architecture))
    assert network(at) == PRESETS["article-003-keras"].architecture
    assert "net" not in at.query_params
    assert "link" in at.info[0].value
    click(at, "build.undo")
    assert network(at) == LENET
    assert not at.info, "said once"


@pytest.mark.parametrize("text", ["", "nonsense", share.to_text(LENET)[:40], "1" + "A" * 20_000])
def test_a_bad_link_is_said_and_changes_nothing(page: Callable[..., AppTest], text: str) -> None:
    at = page(net=text)
    assert network(at) == LENET
    assert "link" in at.error[0].value
    assert "net" not in at.query_params


def test_only_the_open_tab_is_filled_and_it_is_open_again_after_a_reload(page: Callable[..., AppTest]) -> None:
    at = page()
    assert at.button(key="build.preset.mlp-lenet") and not at.table and not at.code
    turn_to(at, "Table")
    assert at.table and not [button for button in at.button if str(button.key).startswith("build.preset")]
    assert reloaded(at).table


@pytest.mark.parametrize("name", ["![x](https://example.org/x.png) **b** $y$ :red[z]", "a `b` <i> --> [c](d)"])
def test_a_name_from_elsewhere_is_shown_as_it_is(page: Callable[..., AppTest], name: str) -> None:
    at = turn_to(page(net=share.to_text(LENET.renamed(name))), "Save, open, share")
    click(at, "build.keep")
    for key in ("build.keep", "build.mine.0"):
        label = at.button(key=key).label
        assert name in label.replace("\\", "")
        assert not re.search(r"(?<!\\)[\[$*`:<]", label)
    at.file_uploader(key="build.upload").upload("bad.json", json.dumps({name: 1}).encode(), "application/json")
    checked(at.run())
    assert "![" not in at.error[0].value


def test_share_makes_a_link_that_opens(page: Callable[..., AppTest]) -> None:
    at = turn_to(page(), "Save, open, share")
    click(at, "build.share")
    link = next(code.value for code in at.code if "/build?net=" in code.value)
    shared = share.read(link.partition("?net=")[2])
    assert (shared.architecture, shared.data) == (LENET, at.session_state[_session.keys.DATA])
    assert Recipe.of(shared.recipe) == at.session_state[_session.keys.RECIPE]


def test_a_network_that_cannot_run_yet_can_be_shared(page: Callable[..., AppTest]) -> None:
    """To ask for help."""
    at = turn_to(page(broken := PRESETS["article-004-cnn"].architecture), "Save, open, share")
    click(at, "build.share")
    link = next(code.value for code in at.code if "?net=" in code.value)
    assert share.read(link.partition("?net=")[2]).architecture == broken


def test_a_link_that_is_too_long_is_a_file_that_is_opened_here(page: Callable[..., AppTest]) -> None:
    at = turn_to(page(long_network()), "Save, open, share")
    click(at, "build.share")
    assert not at.code and any("A link would take" in caption.value for caption in at.caption)
    assert "build.link.download" in [element.proto.id.rpartition("-")[2] for element in at.get("download_button")]


def test_a_file_is_opened(page: Callable[..., AppTest]) -> None:
    at = turn_to(page(), "Save, open, share")
    mine = PRESETS["lenet5-1998"].architecture.renamed("mine")
    at.file_uploader(key="build.upload").upload("mine.json", mine.to_json().encode(), "application/json")
    checked(at.run())
    assert network(at) == mine


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe\x00", b"[" * 200_000, b'{"layers": 3}'])
def test_a_bad_file_is_said_and_changes_nothing(page: Callable[..., AppTest], content: bytes) -> None:
    at = turn_to(page(), "Save, open, share")
    at.file_uploader(key="build.upload").upload("bad.json", content, "application/json")
    at.session_state[_session.keys.WIDGETS] = {state._LAYER: 3}
    checked(at.run())
    assert network(at) == LENET
    assert at.error
    assert state_of(at) == 3, "nothing was opened: the layer that is edited stays"
    assert state._REVEAL not in at.session_state


def test_another_network_is_opened_and_the_one_before_is_kept(page: Callable[..., AppTest]) -> None:
    at = turn_to(page(EDITED.remove(3)), "Save, open, share")
    at.file_uploader(key="build.upload").upload("other.json", LENET.remove(0).to_json().encode(), "application/json")
    checked(at.run())
    assert network(at) == LENET.renamed(f"{LENET.name} 3").remove(0), "another one has the next number already"
    assert at.button(key="build.mine.0").label == EDITED.name
    click(at, "build.mine.0")
    assert network(at) == EDITED.remove(3)
    assert [at.button(key=f"build.mine.{n}").label for n in range(2)] == [EDITED.name, f"{LENET.name} 3"]


def test_networks_are_kept_opened_and_forgotten(page: Callable[..., AppTest]) -> None:
    at = turn_to(page(), "Save, open, share")
    click(at, "build.keep")
    turn_to(at, "Presets")
    click(at, "build.preset.mlp-lenet")
    turn_to(at, "Save, open, share")
    assert at.button(key="build.mine.0").label == LENET.name
    click(at, "build.mine.0")
    assert network(at) == LENET
    click(at, "build.forget.0")
    assert not [button for button in at.button if button.key == "build.mine.0"]


def test_every_word_of_the_page_is_chinese(page: Callable[..., AppTest]) -> None:
    at = page(PRESETS["article-004-cnn"].architecture, language="zh_CN", layer=7)
    assert at.error[0].value == PRESETS["article-004-cnn"].error.text("zh_CN")  # type: ignore[union-attr]
    assert at.button(key="build.undo").label == "撤销"
    assert at.button(key="build.suggestion.0").label == "fc1：把 in_features 设为 4096"


def test_the_page_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from streamlit.testing.v1 import AppTest; "
        f"at = AppTest.from_file({PAGE!r}, default_timeout=60).run(); "
        "assert not at.exception, at.exception; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'captum')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(PAGE).parent.parent, timeout=120).returncode == 0


# -------------------------------------------------------------------------------------------- blocks
TREE = Architecture(
    name="my blocks",
    input_shape=(2, 12, 12),
    layers=(
        make_layer("Conv2d", out_channels=4, padding=1),
        make_layer("Sequence", name="stage", repeat=2, layers=(make_layer("Residual", layers=(make_layer("ReLU"),)),)),
        make_layer("Branches", branches=(make_layer("Sequence"), make_layer("Sequence", layers=(make_layer("ReLU"),)))),
        make_layer("SqueezeExcitation"),
        make_layer("Flatten"),
        make_layer("Linear"),
    ),
)


def test_a_block_is_one_entry_that_is_edited_moved_and_removed(page: Callable[..., AppTest]) -> None:
    at = page(TREE, layer=1)
    menu = at.selectbox(key="build.chosen")
    assert list(menu.options) == ["input", "conv1", "stage1–stage2", "branches1", "se1", "flatten", "fc1"]
    assert menu.value == "stage1–stage2" and metrics(at)[0] == "10"
    checked(at.number_input(key="build.field.1.Sequence.repeat").set_value(3).run())
    assert network(at).at(1) == TREE.at(1).model_copy(update={"repeat": 3})
    checked(at.text_input(key="build.field.1.Sequence.name").set_value("train").run())
    assert network(at).at(1).name == "stage" and any("word of PyTorch" in error.value for error in at.error)
    click(at, "build.on")
    assert [layer.kind for layer in network(at).layers][:4] == ["Conv2d", "Branches", "Sequence", "SqueezeExcitation"]
    click(at, "build.remove")
    assert [layer.kind for layer in network(at).layers][:3] == ["Conv2d", "Branches", "SqueezeExcitation"]
    click(at, "build.undo")
    assert [layer.kind for layer in network(at).layers][2] == "Sequence"
    for index in range(-1, len(TREE.layers)):
        page(TREE, layer=index)


def test_the_table_and_the_source_show_what_is_inside(page: Callable[..., AppTest]) -> None:
    at = page(TREE)
    assert list(turn_to(at, "Table").table[0].value.iloc[:-1, 0]) == list(TREE.names)
    assert any("class Branches" in code.value for code in turn_to(at, "PyTorch").code)


def test_a_block_that_does_not_fit_is_the_one_to_edit(page: Callable[..., AppTest]) -> None:
    at = page(TREE.insert((1, 0, 0), make_layer("Conv2d", out_channels=3, padding=1)), language="zh_CN")
    assert "stage1.residual1.add" in at.error[0].value and any("shortcut" in b.label for b in at.button)
    click(at, "build.suggestion.0")
    assert network(at).trace().error is None


def test_what_one_unit_sees_is_said_and_drawn_on_demand(page: Callable[..., AppTest]) -> None:
    at = page(layer=3)
    said = [text.value for text in at.markdown if text.value.startswith("One unit of **conv2** sees")]
    assert said == ["One unit of **conv2** sees 14×14 pixels, padding included."]
    (shown,) = [one for one in at.toggle if one.key == "build.field_shown"]
    at = checked(shown.set_value(True).run())
    assert any("make nine tenths of the effect" in text.value for text in at.markdown)
    assert any("Effect of each pixel on the middle unit of conv2" in html.proto.body for html in at.get("html"))
    assert any("Windows overlap most in the middle" in text.value for text in at.markdown)
    alone = page(layer=0)
    alone = checked(next(one for one in alone.toggle if one.key == "build.field_shown").set_value(True).run())
    assert any("One window alone is at work" in text.value for text in alone.markdown)
