"""Runs: the table and its filters, names and notes, the bin, what differs; each learner's own alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import layers as L
from cnnlab.architecture import share
from cnnlab.model import Model
from cnnlab.runs import engine
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _names, _runs_one, _runs_table, _session
from tests.insight.makers import model_of
from tests.pages.makers import keep_run

ROOT = Path(__file__).resolve().parent.parent.parent


def net(seed: int = 0, units: int = 10) -> Model:
    return model_of((1, 28, 28), [L.Flatten(), L.Linear(out_features=units), L.Linear(out_features=10)], seed=seed)


@pytest.fixture
def space(lab_home: Path) -> object:
    yield Workspace(new_id())
    engine().close()


@pytest.fixture
def page(space: Workspace) -> Callable[..., AppTest]:
    def open_page(*chosen: str, language: str = "en", **widgets: object) -> AppTest:
        if chosen:
            widgets["runs.chosen"] = chosen
        for key, value in widgets.items():
            space.choose_widget(key, value)
        at = AppTest.from_file(str(ROOT / "pages" / "runs.py"), default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        at.session_state[_session.keys.LANGUAGE] = language
        return fine(at.run())

    return open_page


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def table(at: AppTest) -> str:
    return "".join(element.proto.json for element in at.get("bidi_component"))


def text(at: AppTest) -> str:
    return "\n".join(
        [*(e.proto.body for e in at.get("html")), *(e.value for e in (*at.markdown, *at.subheader, *at.info))]
    )


def test_nothing_yet_says_what_to_do(page):
    at = page()
    assert "There is none yet" in at.info[0].value and not at.get("bidi_component")


def test_a_row_says_all_that_the_table_promises(page, space):
    first = keep_run(
        space, net(), created=1.0, name="first", test_acc=0.9876, chosen_step=7, train_s=75.0, notes="a  note"
    )
    keep_run(space, net(), created=2.0, name="second", test_acc=None, val_acc=0.5, state="stopped", step=4,
             parent=first, parent_step=3, changes=({"step": 2, "change": {"lr": 0.1}},))  # fmt: skip
    mine = dict(enumerate(reversed(engine().list(owner=space.owner)), 1))
    rows = [_runs_table.row(n, run, mine, ()) for n, run in mine.items()]
    cells = {name: (cell["text"], cell.get("small", "")) for name, cell in rows[0]["cells"].items()}
    assert cells["name"] == ("first", "run 1 · a note")
    assert cells["recipe"][0] == "Adam 0.001 · batch 64 · 3 epochs · seed 0"
    assert cells["params"][0] == "7960" and cells["time"][0] == "1:15 min"
    assert cells["acc"] == ("98.76%", "test set; step 7, chosen by validation")
    assert cells["state"] == ("done", "") and cells["parent"][0] == "–"
    cells = {name: (cell["text"], cell.get("small", "")) for name, cell in rows[1]["cells"].items()}
    assert cells["acc"] == ("50.00%", "validation") and cells["state"] == ("stopped", "40%")
    assert cells["parent"] == ("run 1", "step 3") and cells["recipe"][1] == "live changes: 1"


def test_an_accuracy_on_seen_images_is_called_so_and_ranked_with_none(space):
    keep_run(space, net(), recipe=Recipe(full_train=True), state="stopped", test_acc=None, val_acc=0.99)
    run = engine().list(owner=space.owner)[0]
    assert _runs_table.row(1, run, {1: run}, ())["cells"]["acc"] == {
        "text": "99.00%", "small": "seen images", "sort": None,
    }  # fmt: skip
    assert "Test accuracy" not in [column["title"] for column in _runs_table.columns()]


def test_what_is_to_be_deleted_is_named_beside_the_button(page, space):
    ids = [keep_run(space, net(), created=float(n), name=name) for n, name in enumerate(("apple", "pear", "plum"), 1)]
    said = text(page(ids[2], ids[0])).replace("\\", "")
    assert "Chosen: plum (3), apple (1)" in said and "pear (2)" not in said


def test_a_branch_beside_its_parent_says_where_it_began_and_what_was_changed(page, space):
    one = keep_run(space, net(), created=1.0, recipe=Recipe(lr=0.01))
    two = keep_run(space, net(), created=2.0, recipe=Recipe(lr=0.02), parent=one, parent_step=1200, step=2000,
                   changes=({"step": 1500, "change": {"lr": 0.5}},))  # fmt: skip
    said = text(page(one, two))
    assert "Run 2 is a branch of run 1: up to step 1,200 they are one and the same." in said
    assert "Changed at step 1,200: Learning rate 0.01 → 0.02" in said
    assert "Run 2, changed by hand while learning:" in said and "1. step 1,500: Learning rate 0.02 → 0.5" in said
    assert "is a branch of" not in text(page(two))


def test_the_curves_are_zoomed_until_one_says_otherwise(page, space):
    id = keep_run(space, net(), recipe=Recipe(full_train=True))
    at = page(id)
    assert at.toggle(key="runs.zoomed").value
    assert "run 1: learns from all training images" in at.caption[0].value
    fine(at.toggle(key="runs.zoomed").set_value(False).run())
    assert space.choices.widgets["runs.zoomed"] is False


def test_filters_narrow_the_table_and_are_kept(page, space):
    keep_run(space, net(), created=1.0, name="apple", net="one", notes="does Cosine help")
    keep_run(space, net(), created=2.0, name="pear", net="two", state="failed", data="cifar10-sample")
    at = page()
    assert "apple" in table(at) and "pear" in table(at) and "2 of 2 runs" in text(at)
    at.selectbox(key="runs.state").set_value("done").run()
    assert "apple" in table(at) and "pear" not in table(at) and "1 of 2 runs" in text(at)
    at = page()  # after a reload
    assert at.selectbox(key="runs.state").value == "done" and "pear" not in table(at)
    at.selectbox(key="runs.state").set_value("").run()
    at.selectbox(key="runs.net").set_value("two").run()
    assert "pear" in table(at) and "apple" not in table(at)
    at.selectbox(key="runs.net").set_value("").run()
    at.selectbox(key="runs.data").set_value("mnist").run()
    assert "apple" in table(at) and "pear" not in table(at)
    at.selectbox(key="runs.data").set_value("").run()
    at.text_input(key="runs.text").set_value("cosine HELP").run()
    assert "apple" in table(at) and "pear" not in table(at)
    at.text_input(key="runs.text").set_value("nowhere").run()
    assert not at.get("bidi_component") and "No run is like this" in text(fine(at))


def test_one_run_is_renamed_and_noted(page, space):
    id = keep_run(space, net(), name="old")
    at = page(id)
    at.text_input(key=f"runs.{id}.name").set_value(" new ").run()
    fine(at).text_area(key=f"runs.{id}.notes").set_value("it *learned*").run()
    fine(at)
    run = engine().snapshot(id)
    assert (run.name, run.notes) == ("new", "it *learned*")
    assert '"new"' in table(at) and "it *learned*" in table(at)
    at.text_input(key=f"runs.{id}.name").set_value("   ").run()
    assert engine().snapshot(id).name == "new"  # never without a name


def test_what_is_deleted_lies_in_the_bin_until_it_is_emptied(page, space):
    keep, gone = keep_run(space, net(), created=1.0, name="keep"), keep_run(space, net(), created=2.0, name="pear")
    space.choose(run=gone, model=f"run:{gone}")
    at = page(gone)
    at.button(key="runs.delete").click().run()
    assert "pear" not in table(fine(at)) and "Deleted: pear" in text(at)
    assert (space.choices.run, space.choices.model) == (keep, _session.DEFAULT_MODEL)
    assert engine().snapshot(gone).name == "pear"  # nothing is lost
    at.button(key="runs.undo").click().run()
    assert "pear" in table(fine(at))
    at = page(gone)
    at.button(key="runs.delete").click().run()
    at = page()  # nor by a reload
    at.button(key=f"runs.bin.{gone}").click().run()
    assert "pear" in table(fine(at)) and "runs.undo" not in {b.key for b in at.button}
    at = page(gone)
    at.button(key="runs.delete").click().run()
    at.button(key=f"runs.bin.{gone}").click().run()
    assert "pear" in table(fine(at))
    at = page(gone)
    at.button(key="runs.delete").click().run()
    at.button(key="runs.bin.empty").click().run()
    assert [run.id for run in engine().list()] == [keep] and "runs.bin.empty" not in {b.key for b in fine(at).button}
    assert space.choices.bin == ()


def test_a_full_bin_says_so_and_takes_nothing(page, space):
    id = keep_run(space, net(), name="one")
    space.choose(bin=tuple(f"{n:016x}" for n in range(50)))
    at = page(id)
    at.button(key="runs.delete").click().run()
    assert "Empty it first" in at.warning[0].value and '"one"' in table(at)


def test_a_live_run_is_not_deleted(page, space, monkeypatch):
    id = keep_run(space, net(), name="busy")
    every = _names.own_runs
    from dataclasses import replace

    monkeypatch.setattr(_names, "own_runs", lambda: {n: replace(r, state="running") for n, r in every().items()})
    assert page(id).button(key="runs.delete").disabled


def test_two_runs_beside_each_other(page, space):
    one = keep_run(space, net(), created=1.0, recipe=Recipe(lr=0.01))
    two = keep_run(space, net(units=20), created=2.0, recipe=Recipe(lr=0.02))
    at = page(two, one)
    said = text(at)
    assert "Learning rate" in said and ">0.02<" in said and ">0.01<" in said
    assert "out_features=20" in said and "out_features=10" in said
    assert len(at.get("plotly_chart")) == 2
    for axis in ("epochs", "time"):
        fine(at.button_group(key="runs.axis").set_value(axis).run())
        assert space.choices.widgets["runs.axis"] == axis and len(at.get("plotly_chart")) == 2
    same = page(one, keep_run(space, net(seed=3), created=3.0, recipe=Recipe(lr=0.01)))
    assert "The recipes are the same." in text(same) and "The networks are the same." in text(same)


def test_over_seeds(page, space):
    for seed, acc in enumerate((0.97, 0.98, 0.96)):
        keep_run(space, net(), created=float(seed + 1), recipe=Recipe(seed=seed), test_acc=acc)
    at = page()
    assert "97.00%" in text(at) and "± 1.00" in text(at)
    button = next(b for b in at.button if b.key.startswith("runs.seeds."))
    assert button.label == "Compare these 3 runs"
    button.click().run()
    assert len(Workspace(space.id).choices.widgets["runs.chosen"]) == 3 and len(fine(at).get("plotly_chart")) == 2


def test_nobody_sees_anothers_runs(page, space):
    other = Workspace(new_id())
    id = keep_run(other, net(), name="secret")
    mine = keep_run(space, net(), name="mine")
    at = page(id)
    assert "secret" not in table(at) + text(at) and not at.get("plotly_chart")
    at = page(id, mine)
    assert "secret" not in table(at) + text(at) and len(at.text_input) == 2  # the search and one name


def test_what_the_browser_sends_is_only_taken_as_ids(page, space):
    at = page()
    at.session_state[_session.keys.WORKSPACE] = space.id
    asked = "import streamlit as st\nfrom pages import _runs_table, _session\n_session.enter()\nst.session_state[_runs_table.KEY] = {sent}\n_runs_table._taken()"
    for sent, kept in (
        ("{'chosen': ['a', 'b']}", ("a", "b")),
        ("{'chosen': 7}", ("a", "b")),
        ("{'chosen': [1]}", ("a", "b")),
    ):
        at = AppTest.from_string(asked.format(sent=sent), default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        fine(at.run())
        assert Workspace(space.id).choices.widgets["runs.chosen"] == kept


def test_an_exported_file_has_a_name_that_every_system_takes(space):
    run = engine().snapshot(keep_run(space, net(), name="../我的 运行: <1>"))
    assert _runs_one.file_name(3, run) == "我的-运行-1-3.zip"


def test_a_run_leaves_the_lab_in_every_form(page, space):
    id = keep_run(space, net(), name="mine")
    at = page(id)
    assert not at.code
    fine(at.toggle(key=f"runs.{id}.forms").set_value(True).run())
    shared = share.read(next(code.value for code in at.code if "?net=" in code.value).partition("?net=")[2])
    assert shared.architecture == net().architecture
    assert "runs.forms.onnx.prepare" in {button.key for button in at.button}


def test_in_chinese(page, space):
    keep_run(space, net(), created=1.0, recipe=Recipe(seed=0))
    keep_run(space, net(), created=2.0, recipe=Recipe(seed=1))
    at = page(language="zh_CN")
    assert "多个种子的结果" in text(at) and "批量 64" in text(at)


def test_the_weights_of_the_chosen_runs_are_laid_below_each_other(page, space):
    zeros = net()
    for tensor in zeros.state.values():
        tensor.zero_()
    ids = [
        keep_run(space, net(1), created=1.0, name="plain"),
        keep_run(space, zeros, created=2.0, name="sparse", recipe=Recipe(l1=0.01)),
        keep_run(space, net(), created=3.0, state="failed", weights=False),
    ]
    at = page(*ids)
    assert "lab-weights" not in text(at)  # nothing is read before it is asked for
    at.session_state["runs.weights"] = True
    fine(at.run())
    said = text(at)
    assert said.count('<div class="lab-weights-bars">') == 2 and "7,840 weights" in said
    assert "run 2 · sparse</b><small>L1 penalty 0.01</small><span>closer to 0 than 0.001: 100.0%" in said
    at.segmented_control(key="runs.weights.layer").set_value("fc2").run()
    assert "100 weights" in text(fine(at))
    gone = page(ids[2])
    gone.session_state["runs.weights"] = True
    assert "lab-weights" not in text(fine(gone.run()))
