"""Is borrowing worth it: the runs of the comparison, what they are matched by, and the means they come to."""

import errno
import json
import os
from dataclasses import replace
from statistics import mean, stdev

import pytest
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.data import store
from cnnlab.data.dataset import Split, content_hash
from cnnlab.data.loader import load
from cnnlab.description import ModelRef
from cnnlab.errors import RecipeError, RunError
from cnnlab.figures.set_sizes import sizes as chart
from cnnlab.figures.set_sizes import sizes_alt, steps_text
from cnnlab.runs import engine, resolve
from cnnlab.runs.comparing import Comparison, at_work, begin, look, stop
from cnnlab.runs.set_sizes import Point, SizesSpec, cells, matched, points, sizes_for
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe
from cnnlab.training.transfer import Start
from tests.runs.labs import spec, until

SPRINT = resolve(ModelRef("bundled:mnist-sprint")).architecture
DATA = "fashion_mnist-sample"
START = Start(model="bundled:mnist-sprint", fresh=("fc1",), frozen=("bn1", "conv1"))
RECIPE = Recipe(
    batch_size=10, lr=0.01, precision="float32", memory_format="contiguous", threads=1, schedule="reduce_on_plateau",
    layer_lr={"conv2": 0.1}, limit_train=50, early_stopping=2,
)  # fmt: skip


def asked(sizes=(2, 4), seeds=2, steps=6, start=START, **fields):
    run = spec(RECIPE, architecture=SPRINT, data=DATA, start=start, **fields)
    return SizesSpec(spec=run, sizes=sizes, seeds=seeds, steps=steps)


@pytest.fixture
def home(lab_home):
    yield lab_home
    engine().close()


def test_both_ways_differ_in_their_beginning_only():
    found = cells(asked(), load(DATA))
    assert [(cell.size, cell.seed, cell.borrowed) for cell in found] == [
        (size, seed, way) for size in (2, 4) for seed in (0, 1) for way in (False, True)
    ]
    for new, borrowed in zip(found[::2], found[1::2]):
        assert (
            new.steps == borrowed.steps == {2: 6, 4: 8}[new.size]
            and new.spec.start is None
            and borrowed.spec.start == START
        )
        assert new.spec.recipe == borrowed.spec.recipe.changed(layer_lr={}) != borrowed.spec.recipe
        recipe = new.spec.recipe
        assert (recipe.limit_per_class, recipe.limit_train, recipe.full_train) == (new.size, None, True)
        assert (recipe.schedule, recipe.early_stopping, recipe.seed) == ("constant", 0, new.seed)
        assert recipe.epochs * (10 * new.size // recipe.batch_size) == new.steps


def test_sizes_are_those_that_every_class_has():
    assert sizes_for(load("mnist")) == (10, 100, 1000)
    assert sizes_for(load(DATA)) == (10, 100, 500)


def test_a_class_without_an_image_leaves_nothing_to_compare(home):
    train = load(DATA).train
    kept = (train.targets != 3).nonzero().squeeze(1)[:40]
    cut = replace(load(DATA), name="cut", origin="imported", train=Split(train.images[kept], train.targets[kept]))
    assert sizes_for(cut) == ()
    cut = replace(cut, hash=content_hash(cut.train, cut.test))
    store.write(cut)
    told = CliRunner().invoke(main, ["sizes", "--net", "mnist-sprint", "--data", "cut", "--start", "mnist-sprint"])
    assert told.exit_code == 2 and "Every class needs an image" in told.stderr and "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("given", "said"), [({"start": None}, "nothing to compare"), ({"sizes": (10, 501)}, "501 images.*has 500")]
)
def test_what_cannot_be_compared_is_refused(given, said):
    with pytest.raises(RecipeError, match=said):
        cells(asked(**given), load(DATA))


def test_a_comparison_is_read_from_its_runs_and_goes_on_where_it_was(home):
    first = Comparison(asked(sizes=(2,), seeds=1)).run()
    assert [len(point.values) for point in first] == [1, 1] and first[0].spread is None
    work = Comparison(asked(sizes=(2,), seeds=2))
    runs = engine().list("ann")
    assert len(runs) == 2 and len(matched(work.cells, runs)) == 2
    found = work.run()
    runs = engine().list("ann")
    assert len(runs) == 4  # the first two were not made again
    for point in found:
        mine = [run.test_acc for run in runs if (run.start is not None) == point.borrowed]
        assert point.mean == pytest.approx(mean(mine)) and point.spread == pytest.approx(stdev(mine))
        assert point.steps == 6 == runs[0].steps
    assert all([info.step for info in engine().checkpoints(run.id)] == [0, 6] for run in runs)
    progress = look(asked(sizes=(2,), seeds=2))
    assert (progress.done, progress.total, progress.live, progress.points) == (4, 4, False, found)
    engine().delete(runs[0].id)
    assert look(asked(sizes=(2,), seeds=2)).done == 3
    changed = replace(runs[1], changes=({"step": 3, "change": {"lr": 0.5}},))
    assert len(matched(work.cells, [changed])) == 0  # somebody has laid a hand on it
    assert not points(cells(asked(sizes=(2,), start=START.model_copy(update={"fresh": ()})), load(DATA)), runs)[
        1
    ].values


def test_in_the_background_one_for_each_owner_until_it_is_stopped(home):
    begin(asked(sizes=(2, 4), seeds=5, steps=400))
    with pytest.raises(RunError, match="at work"):
        begin(asked())
    until(lambda: any(run.step for run in engine().list("ann")))
    assert look(asked(sizes=(2, 4), seeds=5, steps=400)).live and not look(asked()).live
    stop("ann")
    until(lambda: not at_work("ann"))
    assert all(not run.live for run in engine().list("ann"))


def test_the_chart_says_means_spreads_and_how_many_seeds():
    found = (
        Point(10, False, 200, (0.5, 0.6), 2), Point(10, True, 200, (0.7,), 2), Point(100, False, 190, (), 2),
    )  # fmt: skip
    said = sizes_alt(found)
    assert "from scratch, 10 images a class: 55.0% ± 7.1 points over 2 seeds" in said
    assert "borrowed, 10 images a class: 70.0% (one seed" in said and "100 images" not in said
    assert (
        steps_text(found)
        == "Steps of each run, the same for both ways: 200 with 10 images a class, 190 with 100 images a class."
    )
    figure = chart(found)
    means = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [list(trace.y) for trace in means] == [[pytest.approx(0.55)], [0.7]]
    assert list(means[0].error_y.array) == [pytest.approx(0.0707, abs=1e-4)]


WORDS = ("sizes", "--net", "mnist-sprint", "--data", DATA, "--start", "mnist-sprint", "--threads", "1")


def test_on_the_command_line(home):
    told = CliRunner().invoke(
        main, [*WORDS, "--fresh", "fc1", "--sizes", "3", "--seeds", "2", "--steps", "4", "--json"]
    )
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert [(one["size"], one["borrowed"], len(one["values"]), one["steps"]) for one in found] == [
        (3, False, 2, 4), (3, True, 2, 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sizes", "ten"], "numbers above 0"),
        (["--sizes", "0"], "numbers above 0"),
        (["--sizes", "501"], "the smallest class of fashion_mnist-sample has 500"),
        (["--fresh", "fc7", "--sizes", "2", "--steps", "1"], "fc7 is no layer with weights"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_2(home, words, said):
    told = CliRunner().invoke(main, [*WORDS, *words])
    assert told.exit_code == 2 and said in told.stderr and "Traceback" not in told.stderr


def no_room(monkeypatch, suffix):
    """Let the disk have no room for any file whose name ends in ``suffix``."""
    files = engine()._store.files
    put = files.put

    def full(name, data):
        if name.endswith(suffix):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return put(name, data)

    monkeypatch.setattr(files, "put", full)


def test_a_run_whose_weights_find_no_room_ends_the_comparison_with_a_note(home, monkeypatch):
    no_room(monkeypatch, "model.safetensors")
    begin(asked(sizes=(2,), seeds=1))
    until(lambda: not at_work("ann"))
    runs = engine().list("ann")
    assert [run.state for run in runs if run.state == "interrupted"] and len(runs) <= 2
    assert not [run for run in runs if run.live]
    assert "the disk is full" in look(asked(sizes=(2,), seeds=1)).note.text()


def fly():
    """Begin a long comparison; return the id of a run of it that learns."""
    begin(asked(sizes=(4,), seeds=1, steps=800))
    return until(lambda: next((run.id for run in engine().list("ann") if run.step), None))


def test_a_run_that_is_changed_while_it_learns_ends_the_comparison_and_stays(home):
    id = fly()
    engine().command(id, {"do": "change", "lr": 0.5})
    until(lambda: not at_work("ann"))
    left = engine().list("ann")
    assert id in [run.id for run in left] and len(left) <= 2
    assert "was changed while it learned" in look(asked(sizes=(4,), seeds=1, steps=800)).note.text()


def test_a_run_that_its_learner_deletes_is_not_made_again(home):
    id = fly()
    engine().delete(id, "ann")
    until(lambda: not at_work("ann"))
    assert not [run for run in engine().list("ann") if run.live or run.state == "done"]
    assert look(asked(sizes=(4,), seeds=1, steps=800)).note is None


def test_when_one_run_fails_the_others_that_fly_end(home, monkeypatch):
    learn = Training.learn

    def may_fail(training, *given):
        if not training.recipe.layer_lr:  # the one with new weights
            raise MemoryError
        return learn(training, *given)

    monkeypatch.setattr(Training, "learn", may_fail)
    monkeypatch.setattr(type(engine()), "room", (2, 2**40))
    begin(asked(sizes=(4,), seeds=1, steps=800))
    until(lambda: not at_work("ann"))
    assert [run.state for run in engine().list("ann")] == ["failed"]
    assert "smaller batch size" in look(asked(sizes=(4,), seeds=1, steps=800)).note.text()
