"""Which checkpoints are kept: the first and the last always, epochs before others, the rest evenly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.errors import RunError
from cnnlab.runs.keeping import CheckpointInfo, budget_bytes, is_early, thinned


def kept(steps, whole=(), size=100):
    return [CheckpointInfo(step, step // 100, size, step in whole) for step in steps]


def test_early_steps():
    assert [step for step in range(70) if is_early(step)] == [0, 1, 2, 4, 8, 16, 32, 64]


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.booleans(), st.integers(1, 1000)), unique_by=lambda row: row[0]),
    st.integers(1, 20_000),
    st.integers(2, 50),
)
def test_a_budget_is_kept_to(rows, budget, most):
    found = [CheckpointInfo(step, 0, size, whole) for step, whole, size in sorted(rows)]
    gone = thinned(found, budget, most)
    left = [info for info in found if info not in gone]
    assert len(left) + len(gone) == len(found)
    assert left[:1] == found[:1] and left[-1:] == found[-1:]
    assert len(left) <= 2 or (len(left) <= most and sum(info.bytes for info in left) <= budget)
    if any(info.whole for info in gone):  # no epoch goes while another moment could
        assert all(info.whole for info in left[1:-1])
    if len(found) <= most and sum(info.bytes for info in found) <= budget:
        assert not gone


def test_what_is_left_is_spread_evenly():
    found = kept(range(0, 2_001, 10))
    gone = thinned(found, 100 * 21)
    left = [info.step for info in found if info not in gone]
    roots = [step**0.5 for step in left]
    gaps = [after - before for before, after in zip(roots, roots[1:])]
    assert len(left) == 21 and max(gaps) < 2.5 * min(gaps)


@pytest.mark.parametrize("value", ["many", "-1", "0", "nan", "1e400"])
def test_a_budget_that_is_none_is_one_sentence(monkeypatch, value):
    monkeypatch.setenv("CNNLAB_CHECKPOINT_MB", value)
    with pytest.raises(RunError, match="CNNLAB_CHECKPOINT_MB"):
        budget_bytes()


def test_a_run_keeps_to_its_budget(lab_home, monkeypatch):
    from cnnlab.runs import Engine
    from tests.runs.labs import RECIPE, spec

    monkeypatch.setenv("CNNLAB_CHECKPOINT_MB", "0.2")
    lab = Engine()
    try:
        id = lab.submit(spec(RECIPE.changed(epochs=12, limit_train=60, batch_size=5)))
        assert lab.wait(id, 60).state == "done"
        found = lab.checkpoints(id)
        assert (found[0].step, found[-1].step) == (0, 144) and 2 < len(found) < 12
        assert sum(info.bytes for info in found) <= 200_000
        files = sorted(path.name for path in (lab_home / "runs" / id).glob("step-*"))
        assert files == [f"step-{info.step:08d}.safetensors" for info in found]
    finally:
        lab.close()
