"""What "Find the fault" remembers of a learner, over pages and reloads: which fault, since when, and what was said."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import Architecture
from cnnlab.architecture.presets import PRESETS
from cnnlab.data.known import KNOWN
from cnnlab.errors import CnnLabError
from cnnlab.health.facts import DataFacts
from cnnlab.training.recipe import Recipe
from pages import _session

if TYPE_CHECKING:
    from cnnlab.health.faults import Fault
    from cnnlab.runs import Snapshot

BASE = "article-000-lenet5"
DATA = "mnist"
IMAGES = 6_400
RECIPE = Recipe(optimizer="adam", lr=1e-3, batch_size=64, epochs=3, limit_train=IMAGES)
"""Sound, and trained in a few seconds."""

_GAME = "fault.game"
_ASIDE = "fault.aside"
_PIECE = 200
"""What a kept value may hold."""


@dataclass(frozen=True)
class Game:
    """A fault that is being looked for.

    Attributes:
        number: what it is drawn from.
        since: when it began, in seconds since 1970.
        named_at: when the learner named it, or was told, in seconds since 1970; 0 before.
        told: whether the learner was told.
        wrong: the answers that were wrong.
    """

    number: int
    since: float
    named_at: float = 0.0
    told: bool = False
    wrong: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether the learner knows what it is."""
        return self.named_at > 0


def game() -> Game | None:
    """Return the fault that is being looked for, or None."""
    kept = _session.kept(_GAME, None)
    try:
        number, since, named_at, told, *wrong = kept
        return Game(int(number), float(since), float(named_at), bool(told), tuple(map(str, wrong)))
    except (TypeError, ValueError):
        return None


def begin(number: int) -> None:
    """Plant fault ``number``: its network and recipe become the next run's; the learner's own are laid aside."""
    if game() is None:
        texts = (_session.architecture().to_json(), _session.recipe().model_dump_json(),
                 _session.data_name(), _session.current_run() or "")  # fmt: skip
        for place, text in enumerate(texts):
            _session.keep(f"{_ASIDE}.{place}", tuple(text[i : i + _PIECE] for i in range(0, len(text), _PIECE)))
    planted = fault(number)
    _session.open_network(planted.architecture)
    _session.set_recipe(planted.recipe)
    _session.set_data_name(DATA)
    _session.set_current_run(None)
    _keep(Game(number, time.time()))


def answer(choice: str) -> None:
    """Take the learner's answer."""
    from cnnlab.health.faults import check

    now = game()
    if now is not None:
        right = check(fault(now.number), choice)
        wrong = now.wrong if right else (*now.wrong, choice)
        _keep(replace(now, named_at=time.time() if right else 0.0, wrong=wrong))


def tell() -> None:
    """Tell the learner what it is."""
    now = game()
    if now is not None:
        _keep(replace(now, named_at=time.time(), told=True))


def end() -> None:
    """End the game: the learner's own network, recipe and data come back."""
    _session.keep(_GAME, None)
    network, recipe, data, run = ("".join(_session.kept(f"{_ASIDE}.{place}", ())) for place in range(4))
    try:
        _session.set_architecture(Architecture.from_json(network))
        _session.set_recipe(Recipe.from_json(recipe))
        _session.set_data_name(data)
    except CnnLabError:
        _session.use_preset(_session.DEFAULT_PRESET)
    _session.set_current_run(run or None)


def fault(number: int) -> Fault:
    """Return fault ``number``: the same for everybody."""
    return _planted(number)


@lru_cache(maxsize=64)
def _planted(number: int) -> Fault:
    from cnnlab.health.faults import plant

    names = KNOWN[DATA].class_names
    facts = DataFacts(DATA, names, (IMAGES // len(names),) * len(names))
    planted = plant(number, PRESETS[BASE].architecture, RECIPE, facts)
    return replace(planted, architecture=planted.architecture.renamed(f"fault-{number}"))


def is_since(run: Snapshot, now: Game) -> bool:
    """Return whether ``run`` was begun while this fault was being looked for, whatever it trains."""
    return run.created >= now.since


def is_of(run: Snapshot, now: Game) -> bool:
    """Return whether ``run`` trains the planted network, or what was made of it, on its data, since it was planted.

    An edited network keeps its name, or has the next number after it: so a run of any other network that the learner
    starts meanwhile, here or on another device, is told apart.
    """
    name = fault(now.number).architecture.name
    return is_since(run, now) and run.data == DATA and (run.net == name or run.net.startswith(f"{name} "))


def counts(run: Snapshot, now: Game) -> bool:
    """Return whether ``run`` is one to judge: of the planted network, begun after the fault was named, and changed."""
    return now.named and run.created >= now.named_at and is_of(run, now) and not is_spoilt(run, now)


def is_planted(network: Architecture) -> bool:
    """Return whether ``network`` is the one with the fault that is being looked for, as it was planted."""
    now = game()
    if now is None:
        return False
    planted = fault(now.number).architecture
    return (network.layers, network.input_shape) == (planted.layers, planted.input_shape)


def is_spoilt(run: Snapshot, now: Game) -> bool:
    """Return whether ``run`` trains the fault as it was planted, on this machine or another."""
    planted = fault(now.number)
    return run.architecture.layers == planted.architecture.layers and _plain(run.recipe) == _plain(planted.recipe)


def _plain(recipe: Recipe) -> dict[str, Any]:
    """Return what a recipe says, without what the machine chose and what chance begins with."""
    return recipe.model_dump(exclude={"precision", "memory_format", "threads", "seed"})


def _keep(now: Game) -> None:
    _session.keep(_GAME, (now.number, now.since, now.named_at, now.told, *now.wrong))
