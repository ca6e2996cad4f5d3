"""Who proposes: the same answers bring the same proposals, a draw above a budget never trains, the hopeless are given up."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cnnlab.architecture import Architecture, Budget, check_budget
from cnnlab.search import Trial
from cnnlab.search.lane import Lane
from cnnlab.training.recipe import Recipe
from tests.search.makers import VARY, spec

Values = dict[str, object]


def any_network(_architecture: Architecture, _recipe: Recipe) -> None:
    """Let everything train."""


def play(lane: Lane, answer: Callable[[int, Values], Trial]) -> list[Trial]:
    trials: list[Trial] = []
    while not lane.over and (values := lane.propose()) is not None:
        trial = answer(len(trials) + 1, dict(values))
        for rung, acc in trial.seen:
            lane.falls_behind(rung, acc)
        lane.end(trial)
        trials.append(trial)
    return trials


def by_width(number: int, values: Values) -> Trial:
    acc = float(values["conv1.out_channels"]) / 100  # type: ignore[arg-type]
    return Trial(number, "guided", values, 1, 1, "done", acc, ((2, acc / 2), (4, acc)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["guided", "random"])
def test_a_lane_told_again_goes_on_with_the_same_proposals(name: str) -> None:
    asked = spec(trials=14, max_params=1600)
    whole = play(Lane(name, asked, any_network), by_width)
    assert len(whole) == 14
    again = Lane(name, asked, any_network, whole[:8])
    assert play(again, by_width) == [replace(trial, number=n) for n, trial in enumerate(whole[8:], 1)]
    broken_off = Lane(name, asked, any_network, [*whole[:8], replace(whole[8], state="training", acc=None, seen=())])
    assert broken_off.proposing
    broken_off.end(whole[8])
    assert [t.values for t in play(broken_off, by_width)] == [t.values for t in whole[9:]]


def test_the_dice_do_not_repeat_the_guide_and_another_seed_draws_otherwise() -> None:
    first = {name: Lane(name, spec(), any_network).propose() for name in ("guided", "random")}
    other = Lane("guided", spec(recipe=spec().recipe.changed(seed=4)), any_network).propose()
    assert first["guided"] != first["random"] and first["guided"] != other


def test_a_draw_above_a_budget_is_thrown_away_and_counted() -> None:
    asked = spec(trials=20, max_params=1600, max_macs=20_000)
    for name in ("guided", "random"):
        lane = Lane(name, asked, any_network)
        for trial in play(lane, by_width):
            trace = asked.space.draw(trial.values)[0].trace()
            assert trace.num_params <= 1600 and trace.macs <= 20_000
        assert sum(lane.refused.values()) > 0 and not lane.exhausted


def test_the_guide_learns_where_the_budget_ends() -> None:
    lane = Lane("guided", spec(trials=30, max_params=800), any_network)
    assert len(play(lane, by_width)) == 30
    assert lane.refused["params"] < 30 * 8


def test_a_space_wholly_above_the_budget_ends_at_once() -> None:
    lane = Lane("guided", spec(max_params=3), any_network)
    assert lane.propose() is None and lane.over and lane.refused["params"] >= 100


def test_a_shape_that_does_not_fit_is_thrown_away() -> None:
    lane = Lane("random", spec(("conv1.kernel_size=3,99",), trials=6), any_network)
    assert all(
        trial.values == {"conv1.kernel_size": 3}
        for trial in play(lane, lambda n, v: Trial(n, "random", v, 1, 1, "done", 0.5))
    )  # type: ignore[arg-type]
    assert lane.refused["shape"] > 0


def test_the_guide_finds_the_better_end_of_a_range() -> None:
    asked = spec((*VARY, "fc1.bias=True,False"), trials=30)
    trials = play(Lane("guided", asked, any_network), by_width)
    late = [trial.values["conv1.out_channels"] for trial in trials[15:]]
    assert sum(late) / len(late) > 6  # of 2 to 8


def test_one_that_falls_behind_is_given_up_and_never_in_a_search_without_pruning() -> None:
    for prune in (True, False):
        lane = Lane("random", spec(trials=30, prune=prune), any_network)
        for number in range(1, 13):
            values = lane.propose()
            assert values is not None
            assert not lane.falls_behind(2, 0.5 + number / 100) and not lane.falls_behind(4, 0.6 + number / 100)
            assert not lane.falls_behind(6, 0.7 + number / 100)
            lane.end(Trial(number, "random", values, 1, 1, "done", 0.9))
        lane.propose()
        assert not lane.falls_behind(2, 0.01)  # too early to tell
        assert not lane.falls_behind(4, 0.65)  # among the better three quarters
        assert lane.falls_behind(6, 0.68) is prune


def test_the_network_as_it_stands_is_tried_once() -> None:
    lane = Lane("yours", spec(), any_network)
    assert lane.propose() == {}
    lane.end(Trial(1, "yours", {}, 1, 1, "done", 0.5))
    assert lane.over


def test_what_could_never_be_trained_here_is_thrown_away() -> None:
    def small_only(architecture: Architecture, _recipe: Recipe) -> None:
        check_budget(architecture, budget=Budget(max_params=2000))

    lane = Lane("random", spec(trials=6), small_only)
    assert all(trial.values["conv1.out_channels"] <= 5 for trial in play(lane, by_width))  # type: ignore[operator]
    assert lane.refused["memory"] > 0
