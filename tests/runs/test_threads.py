"""How many threads a run has: by the size of its step and this machine's timing; one where many begin at once."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from cnnlab.architecture.presets import PRESETS
from cnnlab.runs import Engine, machine
from cnnlab.runs.tables import RunRow
from cnnlab.training.recipe import Recipe
from tests.runs.labs import LONG, spec, until


@pytest.fixture(autouse=True)
def _timed(monkeypatch):
    best = {"precision": "bfloat16", "memory_format": "channels_last", "threads": 2}
    monkeypatch.setattr(machine, "timings", lambda: best)
    monkeypatch.setattr(machine, "cores", lambda: 4)


@pytest.mark.parametrize(
    ("net", "batch_size", "threads"),
    [
        ("article-000-lenet5", 64, 2),
        ("article-000-lenet5", 8, 1),
        ("mnist-sprint", 16, 1),
        ("mnist-sprint", 128, 2),
        ("article-003-keras", 32, 2),
        ("cifar-blocks", 512, 4),
    ],
)
def test_the_size_of_a_step_decides(net, batch_size, threads):
    recipe = machine.resolve_recipe(Recipe(batch_size=batch_size), PRESETS[net].architecture)
    assert recipe.threads == threads
    assert (recipe.precision, recipe.memory_format) == ("bfloat16", "channels_last")


def test_what_a_recipe_says_is_left_alone():
    asked = Recipe(batch_size=64, threads=3, precision="float32", memory_format="contiguous")
    assert machine.resolve_recipe(asked, PRESETS["article-000-lenet5"].architecture) == asked


@pytest.mark.parametrize("net", ["mnist-sprint", "cifar-blocks"])
def test_in_a_crowd_it_is_one_thread_unless_the_recipe_says_more(net):
    network = PRESETS[net].architecture
    assert machine.resolve_recipe(Recipe(batch_size=512), network, crowd=True).threads == 1
    assert machine.resolve_recipe(Recipe(batch_size=512, threads=3), network, crowd=True).threads == 3


def test_a_run_that_begins_beside_as_many_as_there_are_slots_has_one_thread(lab_home):
    """What is paused takes no core; what waits will."""
    lab, asked = Engine(slots=2), LONG.changed(batch_size=512, threads=0)
    sprint = {"architecture": PRESETS["mnist-sprint"].architecture}
    try:
        ids = [lab.submit(spec(asked, **sprint)) for _ in range(3)]
        assert [lab.snapshot(id).recipe.threads for id in ids] == [2, 2, 1]
        for id in ids[:2]:
            lab.command(id, {"do": "pause"})
            until(lambda id=id: lab.snapshot(id).state == "paused")
            with lab._store.database.write() as session:  # as slow as a busy machine's disk may be
                session.execute(update(RunRow).where(RunRow.id == id).values(state="running"))
        ids.append(lab.submit(spec(asked, **sprint)))
        assert lab.snapshot(ids[3]).recipe.threads == 2
        for id in ids:
            lab.command(id, {"do": "stop"})
            lab.wait(id, 60)
    finally:
        lab.close()
