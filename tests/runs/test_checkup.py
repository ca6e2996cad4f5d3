"""A run before the rules: worked out once for all who look, anew when something has happened."""

from pathlib import Path

import pytest

from cnnlab.architecture.layers import Softmax
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import RunError
from cnnlab.runs import RunSpec, checkup, engine
from cnnlab.training.recipe import Recipe

SPRINT = PRESETS["mnist-sprint"].architecture
RECIPE = Recipe(epochs=2, batch_size=32, lr=0.003, limit_train=1600, threads=1, precision="float32")


@pytest.fixture(autouse=True)
def _home(lab_home: Path) -> object:
    yield
    engine().close()


def test_a_healthy_run_and_one_that_is_not() -> None:
    good = engine().submit(RunSpec(architecture=SPRINT, data="mnist", recipe=RECIPE))
    bad = engine().submit(RunSpec(architecture=SPRINT, data="mnist", recipe=RECIPE.changed(lr=5.0)))
    for id in (good, bad):
        assert engine().wait(id, 120).state == "done"
    sound, spoilt = checkup.checkup(good), checkup.checkup(bad)
    assert sound.findings == () and sound.history.steps == 100 and sound.image is not None
    assert "learning-rate-high" in {finding.rule for finding in spoilt.findings}
    assert checkup.checkup(bad) is spoilt  # nothing has happened since
    assert spoilt.image is not None and spoilt.image.shape == (1, 28, 28)


def test_a_run_that_is_none_is_said() -> None:
    with pytest.raises(RunError):
        checkup.checkup("0" * 12)


def test_before_a_run_the_description_alone_speaks() -> None:
    assert checkup.before(SPRINT, "mnist", RECIPE) == []
    twice = SPRINT.with_layers([*SPRINT.layers, Softmax(), Softmax()])
    assert [finding.rule for finding in checkup.before(twice, "mnist", RECIPE)] == ["softmax-twice"]
    assert checkup.before(twice, "no such set", RECIPE) == []


def test_what_the_catalogue_expects_is_what_there_is() -> None:
    facts = checkup.expected("mnist", RECIPE)
    assert facts is not None and facts.images == 1600 and facts.classes == 10 and max(facts.counts) == 160
    whole = checkup.expected("mnist", Recipe(full_train=True))
    assert whole is not None and whole.images == 60_000
    assert checkup.expected("no such set", RECIPE) is None
