"""Searches that really train: the same each time, chosen by validation, broken off and continued, kept as files."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.cli.train import OWNER
from cnnlab.errors import ArchitectureError, DataError, ShapeError
from cnnlab.runs import RunSpec, engine, limits, set_limits
from cnnlab.search import Search, SearchError, SearchSpec, Trial, best_so_far, front, jobs, pairs_won, standard_error
from cnnlab.search.importance import NEEDED, importance
from cnnlab.search.report import report, verdict
from tests.search.makers import DATA, TINY, spec

LONG_S = 60.0


@pytest.fixture(autouse=True)
def _own_home(lab_home: Path) -> Iterator[None]:
    yield
    jobs.close()
    engine().close()


def finished(asked: SearchSpec) -> Search:
    id = jobs.start(asked)
    found = jobs.wait(asked.owner, id, LONG_S)
    assert not found.live
    return found


def essence(search: Search) -> list[object]:
    return [(t.number, t.lane, t.values, t.acc, t.state, t.seen, t.num_params) for t in search.trials]


def test_a_search_trains_and_gives_the_same_each_time() -> None:
    first = finished(spec(trials=3))
    assert first.state == "done" and first.note is None
    assert [len(first.of(lane)) for lane in ("yours", "guided", "random")] == [1, 3, 3]
    assert essence(first) == essence(finished(spec(trials=3)))
    assert essence(first) != essence(finished(spec(trials=3, recipe=spec().recipe.changed(seed=8))))


def test_what_is_chosen_by_is_validation_and_the_point_opens_as_its_network() -> None:
    search = finished(spec(keep_runs=True))
    for trial in search.trials:
        assert trial.run is not None and trial.acc is not None
        snapshot, events = engine().snapshot(trial.run), engine().events(trial.run)
        whole = [event["acc"] for event in events if event["kind"] == "val" and event["whole"]]
        if trial.state == "done":
            assert trial.acc == whole[-1] and trial.test_acc == snapshot.test_acc
        architecture, recipe = search.network(trial)
        assert architecture.trace().num_params == trial.num_params
        assert (snapshot.architecture, snapshot.recipe.lr) == (architecture, recipe.lr)
    best = search.best()
    assert best is not None and best.acc == max(t.acc or 0 for t in search.trials if t.counts)


def test_the_runs_that_others_beat_are_removed_and_the_rest_stay() -> None:
    search = finished(spec())
    kept = {trial.run for trial in search.trials if trial.run}
    assert {run.id for run in engine().list("learner")} == kept
    assert {trial.number for trial in front(search.trials)} <= {trial.number for trial in search.trials if trial.run}


def test_a_search_is_stopped_and_goes_on_to_what_it_would_have_found() -> None:
    whole = finished(spec(prune=False))
    id = jobs.start(spec(prune=False))
    deadline = time.monotonic() + LONG_S
    while sum(trial.over for trial in jobs.get("learner", id).trials) < 3:
        assert time.monotonic() < deadline
        jobs.wait("learner", id, 0.05)
    with pytest.raises(SearchError, match="at work"):
        jobs.start(spec())
    jobs.stop("learner", id)
    stopped = jobs.wait("learner", id, LONG_S)
    assert stopped.state == "stopped" and stopped.can_continue
    assert not [run for run in engine().list("learner") if run.live and engine().wait(run.id, LONG_S).live]
    jobs.resume("learner", id)
    assert essence(jobs.wait("learner", id, LONG_S)) == essence(whole)


def test_a_search_lasts_as_a_file_and_a_program_that_ended_leaves_it_interrupted() -> None:
    search = finished(spec(trials=1))
    path = next((jobs._folder("learner")).glob("*.json"))
    assert Search.from_dict(json.loads(path.read_bytes())) == search
    path.write_text(json.dumps(replace(search, state="running", process=(2**22 + 1, 1.0)).as_dict()))
    jobs._threads.clear()
    assert jobs.get("learner", search.id).state == "interrupted"
    path.write_text("{}")
    with pytest.raises(SearchError, match="no record"):
        jobs.get("learner", search.id)
    assert jobs.mine("learner") == []


def test_searches_are_their_owners() -> None:
    search = finished(spec(trials=1))
    assert [one.id for one in jobs.mine("learner")] == [search.id]
    assert jobs.mine("somebody else") == []
    for id in (search.id, "../../etc/passwd", ""):
        with pytest.raises(SearchError, match="no such search"):
            jobs.get("somebody else", id)
    jobs.delete("learner", search.id)
    assert jobs.mine("learner") == [] and engine().list("learner") == []


def test_a_program_that_ends_leaves_a_search_that_goes_on_in_the_next(tmp_path: Path) -> None:
    code = (
        "from tests.search.makers import spec\nfrom cnnlab.search import jobs\n"
        "id = jobs.start(spec(trials=3, prune=False))\n"
        "while not any(t.over for t in jobs.get('learner', id).trials): jobs.wait('learner', id, 0.05)\n"
        "print(id)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    broken_off = jobs.get("learner", ended.stdout.strip())
    assert broken_off.state == "interrupted" and not all(trial.over for trial in broken_off.trials)
    jobs.resume("learner", broken_off.id)
    on = jobs.wait("learner", broken_off.id, LONG_S)
    assert on.state == "done" and len(on.trials) == 7 and all(trial.over for trial in on.trials)
    assert essence(on) == essence(finished(spec(trials=3, prune=False)))


def test_the_time_is_a_budget_too() -> None:
    search = finished(spec(trials=400, seconds=1.0))
    assert search.state == "done" and search.spent_s < 20 and len(search.trials) < 100
    assert "time is up" in str(search.note) and all(trial.over for trial in search.trials)
    assert not [run for run in engine().list("learner") if run.live]


def test_a_search_leaves_the_owners_other_runs_their_places() -> None:
    before = limits()
    set_limits(before.model_copy(update={"live_runs": 1}))
    search = finished(spec(trials=1))
    assert [trial.state for trial in search.trials] == ["done"] * 3


def test_a_run_of_the_learner_does_not_wait_for_the_search() -> None:
    id = jobs.start(spec(trials=100, prune=False))
    while len(jobs.get("learner", id).trials) < 3:
        assert jobs.wait("learner", id, 0.05).live
    begun = len(jobs.get("learner", id).trials)
    asked = RunSpec(architecture=TINY, data=DATA, recipe=spec().recipe, owner="learner")
    own = engine().wait(engine().submit(asked), LONG_S)
    assert own.state == "done"
    assert len(jobs.get("learner", id).trials) - begun <= 2 * engine().room[0] + 2  # of about two hundred still to come
    jobs.stop("learner", id)


def test_what_goes_wrong_is_said_before_anything_is_begun() -> None:
    wrong = TINY.replace(4, TINY.layers[4].model_copy(update={"out_features": 7}))
    for bad, error in (
        ({"data": "nowhere"}, DataError),
        ({"architecture": wrong}, ArchitectureError),
        ({"architecture": TINY.remove(3)}, ShapeError),
        ({"vary": ("conv5.out_channels=2..3",)}, SearchError),
    ):
        with pytest.raises(error):
            jobs.start(spec(**bad))  # type: ignore[arg-type]
    assert jobs.mine("learner") == [] and engine().list("learner") == []
    with pytest.raises(SearchError):
        spec(trials=0)


# -- what it says -------------------------------------------------------------------------------------------------


def made(*accs: float, lane: str = "guided") -> list[Trial]:
    first = 1 if lane == "guided" else 101
    return [
        Trial(first + n, lane, {"conv1.out_channels": 2 + n % 7, "lr": 0.01}, 100 + 10 * n, 1, "done", acc)  # type: ignore[arg-type]
        for n, acc in enumerate(accs)
    ]


def test_the_front_is_what_no_other_beats() -> None:
    trials = made(0.5, 0.4, 0.7, 0.7, 0.6, 0.9)
    assert [trial.acc for trial in front(trials)] == [0.5, 0.7, 0.9]
    given_up = replace(trials[0], number=50, state="pruned", acc=0.99, num_params=1)
    assert front([*trials, given_up]) == front(trials)
    assert best_so_far([given_up, *trials]) == (None, 0.5, 0.5, 0.7, 0.7, 0.7, 0.9)


def test_importance_says_what_mattered_and_is_silent_on_few_trials() -> None:
    search = Search("a", spec(), 0.0, "done", tuple(made(*[0.5] * (NEEDED - 1))))
    assert importance(search) is None
    trials = tuple(
        Trial(n, "random", {"conv1.out_channels": 2 + n * 5 % 7, "lr": 10 ** -(1 + (n * 7 % 20) / 7)}, 1, 1, "done",
              (2 + n * 5 % 7) / 10 + 0.001 * (n % 3))
        for n in range(1, 41)
    )  # fmt: skip
    found = importance(replace(search, id="b", trials=trials))
    assert found is not None and found.trials == 40 and abs(sum(found.shares.values()) - 1) < 1e-9
    assert list(found.shares)[0] == "conv1.out_channels" and found.told("conv1.out_channels")
    dealt = tuple(replace(trial, acc=((trial.number * 37) % 41) / 41) for trial in trials)
    luck = importance(replace(search, id="c", trials=dealt))
    assert luck is not None and sum(luck.told(name) for name in luck.shares) <= 1


def test_the_verdict_takes_no_luck_for_wisdom() -> None:
    def said(guided: float, dice: float | None) -> str:
        trials = [*made(guided), *([] if dice is None else made(dice, lane="random"))]
        return str(verdict(Search("a", spec(), 0.0, "done", tuple(trials)), 6000))

    assert said(0.95, 0.949).startswith("Luck did as well")
    assert said(0.95, 0.90).startswith("The search came out ahead this once")  # one against one says nothing
    assert said(0.90, 0.95).startswith("Luck did better")
    assert "nothing to compare" in said(0.9, None)
    many = [*made(*[0.9 + n / 100 for n in range(6)]), *made(*[0.8 + n / 100 for n in range(6)], lane="random")]
    assert str(verdict(Search("a", spec(), 0.0, "done", tuple(many)), 6000)).startswith("The search did better")
    assert standard_error(0.9, 100) == pytest.approx(0.03)


def test_pairs_are_counted_one_by_one_and_chance_by_dealing_anew() -> None:
    guided, dice = made(0.5, 0.7, 0.9), made(0.6, 0.7, lane="random")
    dice.append(replace(dice[0], number=199, state="pruned", acc=0.99))
    wins = [[(a > b) + (a == b) / 2 for b in (0.6, 0.7, -1.0)] for a in (0.5, 0.7, 0.9)]
    found = pairs_won(guided, dice)
    assert found is not None and found[0] == sum(map(sum, wins)) / 9 and 0.1 < found[1] < 0.9
    alike = pairs_won(made(*[0.5] * 4), made(*[0.5] * 4, lane="random"))
    assert alike == (0.5, 1.0)
    assert pairs_won(guided, []) is None
    far = pairs_won(made(*[0.9] * 6), made(*[0.1] * 6, lane="random"))
    assert far is not None and far[0] == 1.0 and far[1] < 0.01


def test_a_trial_that_fails_is_said_and_the_search_goes_on() -> None:
    search = finished(
        spec(("lr=9..10",), trials=2, recipe=spec().recipe.changed(lr=0.01, optimizer="sgd", momentum=0.99))
    )
    assert search.state == "done"
    for trial in search.trials:
        assert (trial.error is not None) == (trial.state == "failed")


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command_searches_and_prints_one_document(tmp_path: Path) -> None:
    net = tmp_path / "net.json"
    net.write_text(TINY.to_json())
    asked = [
        "search", "--net", str(net), "--data", DATA, "--vary", "conv1.out_channels=2..8", "--vary", "lr=1e-4..1e-1:log",
        "--trials", "2", "--max-params", "2000", "--limit-train", "320", "--epochs", "1", "--batch-size", "32",
    ]  # fmt: skip
    ran = CliRunner().invoke(main, [*asked, "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["state"] == "done" and found["chosen_by"] == "val_acc" and found["val_images"] == 500
    assert len(found["trials"]) == 5 and all(t["num_params"] <= 2000 for t in found["trials"] if t["lane"] != "yours")
    assert {"guided", "random", "yours"} == set(found["best"])
    written = tmp_path / "best.json"
    written.write_text(json.dumps(found["front"][-1]["architecture"]))
    assert CliRunner().invoke(main, ["net", "show", str(written)]).exit_code == 0
    assert found["importance"] is None and found["importance_needs"] == NEEDED
    listed = CliRunner().invoke(main, ["search", "--net", str(net), "--list"])
    assert "conv1.out_channels=2..8:log" in listed.stdout


def test_the_command_goes_on_with_a_search_that_was_broken_off() -> None:
    whole = finished(spec(trials=2, owner=OWNER))
    work = jobs.foreground(spec(trials=2, owner=OWNER), lambda search: len(search.trials) > 2 and work.stop())
    stopped = work.run()
    assert stopped.state == "stopped" and report(stopped)["best"]["yours"]["test_acc"] is None
    ran = CliRunner().invoke(main, ["search", "--resume", stopped.id, "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["state"] == "done" and [t["val_acc"] for t in found["trials"]] == [t.acc for t in whole.trials]
    for again in (stopped.id, "no-such"):
        assert CliRunner().invoke(main, ["search", "--resume", again]).exit_code == 2


@pytest.mark.parametrize(
    "flags",
    [["--vary", "nonsense"], ["--vary", "conv7.out_channels=1..2"], [], ["--vary", "lr=1e-3..1e-1", "--trials", "0"]],
)
def test_the_command_says_in_one_sentence_what_is_wrong(flags: list[str]) -> None:
    ran = CliRunner().invoke(main, ["search", "--net", "mnist-sprint", *flags])
    assert ran.exit_code == 2 and "Traceback" not in ran.output and len(ran.stderr.strip().splitlines()) == 1


def test_without_anything_that_may_vary_the_command_says_how_to_find_out() -> None:
    assert "'--vary'" in CliRunner().invoke(main, ["search", "--net", "mnist-sprint"]).stderr


def test_a_report_keeps_the_test_images_out_until_the_end() -> None:
    search = finished(spec(trials=1))
    best = report(search)["best"]["guided"]
    assert best["test_acc"] is not None
    assert report(replace(search, state="running"))["best"]["guided"]["test_acc"] is None
