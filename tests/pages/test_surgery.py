"""The Surgery page: operations add up, are taken back, survive a reload, and what is kept opens on every page."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.description import ModelRef
from cnnlab.errors import ModelError
from cnnlab.insight.surgery import Edit, beginning, table_for
from cnnlab.model import Model
from cnnlab.runs import engine, jobs, resolve
from cnnlab.training.transfer import Start
from cnnlab.workspace import Workspace
from pages import _session
from tests.runs.labs import RECIPE, spec, until
from tests.wording import english_left

PAGES = Path(__file__).resolve().parent.parent.parent / "pages"
MODEL = ModelRef("bundled:mnist-sprint")


@pytest.fixture
def page(lab_home: Path) -> AppTest:
    return checked(AppTest.from_file(str(PAGES / "surgery.py"), default_timeout=60).run())


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


def choose(at: AppTest, key: str, value: object) -> AppTest:
    found = next(one for one in [*at.get("button_group"), *at.selectbox, *at.number_input] if one.key == key)
    return checked(found.set_value(value).run())


def press(at: AppTest, key: str) -> AppTest:
    return checked(at.button(key=key).click().run())


def space_of(at: AppTest) -> Workspace:
    return Workspace(at.session_state[_session.keys.WORKSPACE])


def numbers(at: AppTest) -> dict[str, str]:
    (told,) = (html.proto.body for html in at.get("html") if html.proto.body.startswith('<div class="lab-effect"'))
    return dict(re.findall(r'<div style="color:var\(--soft\)[^>]*875[^>]*>([^<]*)</div><div[^>]*>([^<]*)</div>', told))


def test_operations_add_up_and_are_taken_back(page):
    table = table_for(resolve(MODEL))
    plain = numbers(page)
    assert plain["Before"] == plain["After"] and plain["Other answers"] == "0"
    at = press(choose(choose(page, "surgery.layer", "conv2"), "surgery.unit.conv2", 5), "surgery.operate")
    at = choose(choose(at, "surgery.source.conv2", 3), "surgery.do", "rotate")
    at = press(at, "surgery.operate")
    edits = [Edit(do="silence", layer="conv2", unit=5), Edit(do="rotate", layer="conv2", unit=5, source=3)]
    effect = table.operate(edits)[1]
    assert numbers(at)["After"] == f"{effect.acc_after:.1%}"
    assert numbers(at)["Other answers"] == f"{len(effect.changed):,}"
    shown = "\n".join(one.value for one in at.markdown)
    assert "2 · `conv2.weight[5,3]` turned to the left by 90°" in shown and "1 · `conv2[5]` silenced" in shown
    again = AppTest.from_file(str(PAGES / "surgery.py"), default_timeout=60)  # as after a reload
    again.session_state[_session.keys.WORKSPACE] = at.session_state[_session.keys.WORKSPACE]
    assert numbers(checked(again.run())) == numbers(at)
    at = press(press(at, "surgery.undo"), "surgery.undo")
    assert numbers(at) == plain
    at = press(press(at, "surgery.redo"), "surgery.redo")
    assert numbers(at)["Loss"] == f"{effect.loss_after:.3f}"
    assert numbers(press(at, "surgery.clear")) == plain


@pytest.mark.parametrize("do", ["scale", "flip", "shuffle", "sobel", "initial", "write"])
def test_every_operation_can_be_done(page, do):
    at = choose(page, "surgery.source.conv1", 0) if do == "write" else page
    at = press(choose(at, "surgery.do", do), "surgery.operate")
    assert len(at.session_state[_session.keys.SURGERY][str(MODEL)]) == 1


def test_what_is_kept_is_a_model_for_every_page(page):
    at = press(page, "surgery.operate")
    name = next(one for one in at.text_input if one.label == "Name")
    name.set_value("without channel 0").run()
    at = press(at, "surgery.keep")
    (source,) = space_of(at).models()
    kept = Model.load(source.partition(":")[2])
    assert kept.about.result["surgery"] == [{"do": "silence", "layer": "conv1", "unit": 0}]
    assert "test_acc" not in kept.about.result
    assert not kept.state["conv1.weight"][0].any()
    at = press(at, "surgery.open.0")
    assert at.session_state[_session.keys.MODEL] == source
    for name in ("explore", "explain"):
        other = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=60)
        for key in (_session.keys.WORKSPACE, _session.keys.MODEL):
            other.session_state[key] = at.session_state[key]
        checked(other.run())
        model = next(one for one in other.selectbox if one.key == "model_line.ref")
        assert model.value == source and "without channel 0: your own model" in model.options
    at = press(at, "surgery.delete.0")
    assert not space_of(at).models() and at.session_state[_session.keys.MODEL] == _session.DEFAULT_MODEL


def test_nobody_opens_a_file_that_is_not_theirs(page, tmp_path):
    foreign = Workspace("x" * 43)
    source = foreign.save_model(resolve(MODEL).to_bytes())
    for path in (source, f"file:{tmp_path / 'a.safetensors'}"):
        at = AppTest.from_file(str(PAGES / "surgery.py"), default_timeout=60)
        at.session_state[_session.keys.MODEL] = path
        at.run()
        assert [error.value for error in at.error] == ["A model in a file can be opened on the command line only."]


def test_the_lesion_table_is_made_beside_the_page(page):
    at = press(page, "surgery.lesions.start")
    assert jobs.wait(space_of(at).owner, "lesions", 60).state == "done"
    at = checked(at.run())
    assert any("The costliest is channel" in one.value for one in at.markdown)
    assert len(at.get("plotly_chart")) == 1
    checked(choose(choose(at, "surgery.lesions.way", "sure"), "surgery.lesions.order", "number"))


def test_it_speaks_chinese(page):
    page.session_state[_session.keys.LANGUAGE] = "zh_CN"
    at = press(checked(page.run()), "surgery.operate")
    labels = [one.label for one in [*at.button, *at.selectbox, *at.number_input]]
    words = [*labels, *(one.value for one in at.markdown), *(one.value for one in at.caption)]
    assert not {word: english_left(word) for word in words if english_left(word.replace("mnist-sprint", ""))}


def test_untrained_is_the_first_moment_of_a_run(page):
    at = page
    id = engine().submit(spec(owner=space_of(at).owner))
    until(lambda: not engine().snapshot(id).live)
    ref = ModelRef(f"run:{id}")
    at.session_state[_session.keys.MODEL] = str(ref)
    at = choose(checked(at.run()), "surgery.do", "initial")
    at = press(at, "surgery.operate")
    model, first = resolve(ref), resolve(ModelRef(ref.source, 0))
    drawn = beginning(model)
    assert all((drawn[name] == first.state[name]).all() for name in first.state)
    effect = table_for(model).operate([Edit(do="initial", layer="conv1", unit=0)])[1]
    assert numbers(at)["After"] == f"{effect.acc_after:.1%}"


def by_hand(at: AppTest) -> list[float]:
    """Return the numbers of the kernel conv1[0,0], as they stand there to be typed over."""
    if not any(one.key == "surgery.do" and one.value == "write" for one in at.get("button_group")):
        at = choose(choose(at, "surgery.source.conv1", 0), "surgery.do", "write")
    (edited,) = (one for one in at.dataframe if "surgery.write" in one.proto.id)
    return [float(cell) for cell in edited.value.to_numpy().flatten()]


def test_by_hand_and_result_begin_where_the_run_began(page):
    first = resolve(MODEL)
    wanted = spec(
        RECIPE.changed(epochs=1), owner=space_of(page).owner, architecture=first.architecture,
        start=Start(model=str(MODEL)),
    )  # fmt: skip
    id = engine().submit(wanted)
    until(lambda: not engine().snapshot(id).live)
    ref = ModelRef(f"run:{id}")
    page.session_state[_session.keys.MODEL] = str(ref)
    at = press(choose(checked(page.run()), "surgery.do", "initial"), "surgery.operate")
    begun = first.state["conv1.weight"][0, 0].flatten().tolist()
    assert by_hand(at) == pytest.approx(begun, abs=1e-4)
    changed, effect = table_for(resolve(ref)).operate([Edit(do="initial", layer="conv1", unit=0)], first.state)
    assert numbers(at)["Loss"] == f"{effect.loss_after:.3f}"
    assert changed.about.result["start"]["title"] == "mnist-sprint"
    with pytest.raises(ModelError, match="began with weights of mnist-sprint"):
        beginning(changed)


def test_by_hand_needs_no_data_set(page):
    model = resolve(MODEL)
    about = model.about.model_copy(update={"data": "gone"})
    gone = Model(model.description.model_copy(update={"about": about}), model.state)
    source = space_of(page).save_model(gone.to_bytes())
    page.session_state[_session.keys.MODEL] = source
    done = [{"do": "scale", "layer": "conv1", "unit": 0, "factor": 2}]
    page.session_state[_session.keys.SURGERY] = {source: done}
    page.session_state[_session.keys.WIDGETS] = {"surgery.source.conv1": 0, "surgery.do": "write"}
    at = page.run()
    assert not at.exception and len(at.error) == 1 and "gone" in at.error[0].value
    (edited,) = at.dataframe
    twice = (2 * model.state["conv1.weight"][0, 0]).flatten().tolist()
    assert [float(cell) for cell in edited.value.to_numpy().flatten()] == pytest.approx(twice, abs=1e-4)
    assert not at.button(key="surgery.operate").disabled


def test_by_hand_is_offered_everywhere_and_says_what_it_needs(page):
    at = choose(page, "surgery.do", "write")
    assert len(at.dataframe) == 1 and not at.button(key="surgery.operate").disabled  # conv1 has one input only
    at = choose(at, "surgery.layer", "conv2")
    assert not at.dataframe and at.button(key="surgery.operate").disabled
    assert any("choose above from which input" in one.value for one in at.caption)


def test_the_empty_picture_of_a_silent_filter_says_why(page):
    shown = [html.proto.body for html in page.get("html") if html.proto.body.startswith("<figure")]
    assert len(shown) == 2 and not any("every weight 0" in one for one in shown)
    at = press(page, "surgery.operate")
    before, after = [html.proto.body for html in at.get("html") if html.proto.body.startswith("<figure")]
    assert "every weight 0" in after and "every weight 0" not in before


def test_what_changes_nothing_on_a_silent_channel_is_said(page):
    at = choose(press(page, "surgery.operate"), "surgery.do", "sobel")
    assert any("silenced already" in one.value for one in at.caption)
    for do in ("silence", "initial"):
        at = choose(at, "surgery.do", do)
        assert not any("silenced already" in one.value for one in at.caption)
    at = choose(press(at, "surgery.operate"), "surgery.do", "sobel")
    assert not any("silenced already" in one.value for one in at.caption)


@pytest.mark.parametrize("written", [1e9, -1e9])
def test_what_cannot_be_written_by_hand_is_said(page, monkeypatch, written):
    from pages import _operation

    size = resolve(MODEL).state["conv1.weight"].shape[-1]
    monkeypatch.setattr(
        _operation, "_written", lambda *args: ((written,) * size,) * size
    )  # AppTest types into no table
    at = choose(choose(page, "surgery.source.conv1", 0), "surgery.do", "write")
    assert at.button(key="surgery.operate").disabled
    assert any("cannot be written" in one.value for one in at.caption)


def reloaded(at: AppTest) -> AppTest:
    again = AppTest.from_file(str(PAGES / "surgery.py"), default_timeout=60)
    again.session_state[_session.keys.WORKSPACE] = at.session_state[_session.keys.WORKSPACE]
    return again.run()


def test_long_work_by_hand_survives_a_reload(page):
    values = [[0.1 + row / 7 + column / 11 for column in range(5)] for row in range(5)]
    side = resolve(MODEL).state["conv1.weight"].shape[-1]
    cut = [row[:side] for row in values[:side]]
    done = [{"do": "write", "layer": "conv1", "unit": 0, "source": 0, "values": cut} for _one in range(99)]
    space_of(page).keep_operations(str(MODEL), done)
    at = press(checked(reloaded(page)), "surgery.operate")
    assert any("**100 done**" in one.value for one in at.markdown)
    assert any("**100 done**" in one.value for one in checked(reloaded(at)).markdown)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"model": "%s", "done": [{"do": "melt"}]}',
        '{"model": "%s", "done": [{"do": "silence", "layer": "conv1", "unit": 0, "glow": 1}]}',
    ],
)
def test_damaged_work_is_no_work(page, text):
    press(page, "surgery.operate")
    (space_of(page).folder / "operations.json").write_text(text.replace("%s", str(MODEL)))
    assert any(one.value.startswith("Nothing done yet") for one in checked(reloaded(page)).caption)
