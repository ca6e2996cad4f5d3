"""The warm-up is ended with the lab, without a word."""

import pytest

from cnnlab.runs import machine, warm


@pytest.mark.parametrize("said", ["cannot schedule new futures after interpreter shutdown", "something else"])
def test_a_lab_that_is_ended_while_it_warms_up_says_nothing(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def refuse() -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(machine, "timings", refuse)
    if "shutdown" in said:
        warm._work("mnist")
        return
    with pytest.raises(RuntimeError, match=said):
        warm._work("mnist")
