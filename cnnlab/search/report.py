"""A search in words and plain values: what a command prints, and the one sentence that says whether it beat luck."""

from __future__ import annotations

from typing import Any

from cnnlab.i18n import Message
from cnnlab.search.asked import Search, Trial
from cnnlab.search.front import front, pairs_won, standard_error
from cnnlab.search.importance import NEEDED, importance

_CHANCE = 0.05


def report(search: Search) -> dict[str, Any]:
    """Return the search as JSON values; the networks of the front and of each lane's best in full."""
    images = val_images(search.spec.data)
    ahead = {trial.number for trial in front(search.trials)}
    found = importance(search)
    best = {lane: search.best(lane) for lane in search.spec.lanes}
    won = pairs_won(search.of("guided"), search.of("random"))
    return {
        "search": search.id,
        "state": search.state,
        "note": str(search.note) if search.note else None,
        "spent_s": round(search.spent_s, 3),
        "data": search.spec.data,
        "val_images": images,
        "chosen_by": "val_acc",
        "vary": [str(choice) for choice in search.spec.choices],
        "draws_possible": search.spec.space.size,
        "budgets": {name: getattr(search.spec, name) for name in ("max_params", "max_macs", "seconds")},
        "thrown_away": dict(search.thrown_away),
        "trials": [_row(trial, trial.number in ahead) for trial in search.trials],
        "best": {lane: None if trial is None else _best(search, trial) for lane, trial in best.items()},
        "front": [_best(search, trial, tested=False) for trial in front(search.trials)],
        "verdict": str(verdict(search, images)),
        "pairs": None if won is None else {"won": round(won[0], 4), "chance": round(won[1], 4)},
        "importance": None
        if found is None
        else {
            "method": "PED-ANOVA",
            "trials": found.trials,
            "top": found.top,
            "choices": {
                name: {"share": round(share, 4), "noise": round(found.noise[name], 4), "above_noise": found.told(name)}
                for name, share in found.shares.items()
            },
        },
        "importance_needs": NEEDED,
    }


def _row(trial: Trial, ahead: bool) -> dict[str, Any]:
    return {
        "number": trial.number,
        "lane": trial.lane,
        "state": trial.state,
        "values": trial.values,
        "num_params": trial.num_params,
        "macs": trial.macs,
        "val_acc": trial.acc,
        "seen": [list(point) for point in trial.seen],
        "train_s": round(trial.train_s, 3),
        "on_front": ahead,
        "same_as": trial.same_as,
        "run": trial.run,
        "error": str(trial.error) if trial.error else None,
    }


def _best(search: Search, trial: Trial, tested: bool = True) -> dict[str, Any]:
    architecture, recipe = search.network(trial)
    return {
        "number": trial.number,
        "lane": trial.lane,
        "values": trial.values,
        "val_acc": trial.acc,
        **({"test_acc": trial.test_acc if search.over else None} if tested else {}),
        "num_params": trial.num_params,
        "macs": trial.macs,
        "run": trial.run,
        "architecture": architecture.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
    }


def val_images(data: str) -> int:
    """Return how many images choose; raises DataError where the data set is not here."""
    from cnnlab.data.loader import load

    return len(load(data).val)


def verdict(search: Search, images: int) -> Message:
    """Return one sentence on whether the search did better than luck, on ``images`` validation images."""
    guided, dice = search.best("guided"), search.best("random")
    if guided is None or guided.acc is None:
        return Message("No proposal has learned to its end yet.")
    if dice is None or dice.acc is None:
        if search.spec.baseline:
            return Message("There is nothing to compare with yet: no network drawn by luck has learned to its end.")
        return Message("Nothing was drawn by luck alone, so nobody can tell whether this is more than luck.")
    apart = round((guided.acc - dice.acc) * images)
    error = 2 * (standard_error(guided.acc, images) ** 2 + standard_error(dice.acc, images) ** 2) ** 0.5 * images
    values = {"apart": abs(apart), "images": images, "error": max(1, round(error))}
    if abs(apart) <= error:
        return Message(
            "Luck did as well: the best of the search and the best by luck differ by {apart} of {images:,} validation "
            "images, and chance in measuring alone makes up to about {error}.",
            **values,
        )
    if apart > 0 and (won := pairs_won(search.of("guided"), search.of("random"))) is not None and won[1] > _CHANCE:
        return Message(
            "The search came out ahead this once: its best names {apart} of {images:,} validation images more right than "
            "luck's. But its trials as a whole are not better than luck's beyond chance; try another seed before you "
            "believe it.",
            **values,
        )
    if apart > 0:
        return Message(
            "The search did better than luck: its best names {apart} of {images:,} validation images more right, and "
            "chance in measuring makes up to about {error}.",
            **values,
        )
    return Message(
        "Luck did better than the search: its best names {apart} of {images:,} validation images more right, and chance "
        "in measuring makes up to about {error}.",
        **values,
    )


def pairs(search: Search) -> Message | None:
    """Return a sentence on all trials of both, not only their best; None where one of the two has none."""
    won = pairs_won(search.of("guided"), search.of("random"))
    if won is None:
        return None
    return Message(
        "Taken in pairs, a trial of the search is better than one by luck in {share:.0%} of them; dealt out by chance, as "
        "many or more would be so in {chance:.0%} of cases.",
        share=won[0],
        chance=won[1],
    )
