"""Home is never empty, needs no torch, and knows the next step."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture.presets import PRESETS
from cnnlab.data.loader import load
from cnnlab.description import ModelRef
from cnnlab.runs import RunSpec, engine, resolve
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _chain, _session
from tests.pages.makers import keep_run

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _home(lab_home: Path) -> None:
    """Give each test an empty home."""


def home(id: str | None = None) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = id or new_id()
    at.run()
    assert not at.exception, [e.value for e in at.exception]
    return at


def html(at: AppTest) -> str:
    return "\n".join(e.proto.body for e in at.get("html") if not e.proto.body.startswith("<style>"))


def test_the_first_visit_shows_a_whole_chain() -> None:
    text = html(home())
    assert "lab-chain" in text and "data:image/png" in text and "svg+xml" in text
    assert "mnist-sprint" in text and text.count("lab-bar-row") == 10


def test_the_network_answers_once_torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chain, "warm", lambda: False)
    id = new_id()
    assert "asking the network" in html(home(id))
    monkeypatch.setattr(_chain, "warm", lambda: True)
    text = html(home(id))
    assert "It says: 7" in text and "lab-best" in text


def test_the_next_step_is_marked() -> None:
    id = new_id()
    assert steps(home(id)) == ["next", "", "", "", ""]
    Workspace(id).choose(architecture=PRESETS["article-000-lenet5"].architecture.to_json())
    at = home(id)
    assert steps(at) == ["ready-made", "next", "", "", ""]
    assert "article-000-lenet5" in html(at) and "It says" not in html(at)  # it has learned nothing yet


def test_whoever_has_been_everywhere_is_led_on() -> None:
    id = new_id()
    assert not [one for one in home(id).get("page_link") if one.proto.page == "surgery"]
    Workspace(id).choose(
        architecture=PRESETS["mnist-sprint"].architecture.remove(3).to_json(), visited=("draw", "explore", "explain")
    )
    space = Workspace(id)
    space.choose(run=keep_run(space, resolve(ModelRef("bundled:mnist-sprint"))))
    at = home(id)
    assert steps(at) == ["done"] * 5 and "10 layers, 5 of which learn" in html(at)
    assert {"magnifier", "convolution", "surgery"} <= {one.proto.page for one in at.get("page_link")}


def test_a_network_that_cannot_run_is_mended_before_it_is_trained() -> None:
    id = new_id()
    Workspace(id).choose(architecture=PRESETS["article-004-cnn"].architecture.to_json())
    assert steps(home(id)) == ["next", "", "", "", ""]


def steps(at: AppTest) -> list[str]:
    import re

    return re.findall(r'<p class="lab-step"><b>\d</b><span>(.*?)</span>', html(at))


def test_the_newest_drawing_is_shown() -> None:
    id = new_id()
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 14] = 255
    assert "your drawing" not in html(home(id))
    Workspace(id).save_drawing(pixels)
    assert "your drawing" in html(home(id))


def test_home_is_there_before_torch() -> None:
    """In a process of its own: what the first page needs must not import torch or captum."""
    script = (
        "import sys; from unittest import mock\n"
        "import cnnlab.runs; cnnlab.runs.warm_up = lambda: mock.Mock(is_alive=lambda: True)\n"
        "from streamlit.testing.v1 import AppTest\n"
        "at = AppTest.from_file('app.py', default_timeout=60).run()\n"
        "assert not at.exception, at.exception\n"
        "assert any('lab-chain' in e.proto.body for e in at.get('html'))\n"
        "print(sorted({'torch', 'captum', 'torchvision'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_learned_run_answers_with_its_final_weights_and_in_each_language(monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnlab.runs.run import Run
    from cnnlab.runs.weights import Weights

    monkeypatch.setattr(_chain, "warm", lambda: True)
    monkeypatch.setattr(Weights, "due", False)  # as when one step takes longer than anybody waits
    space, seen, finish = Workspace(new_id()), [], Run._finish

    def look_before_the_end(run: Run, training: object, state: str) -> None:
        space.choose(run=run.id)
        seen.append(bars(home(space.id)))  # all steps are done, the weights of the beginning are laid out
        finish(run, training, state)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "_finish", look_before_the_end)
    recipe = Recipe(epochs=1, batch_size=32, lr=0.003, limit_train=320, threads=1, precision="float32")
    net = PRESETS["mnist-sprint"].architecture
    lab = engine()
    try:
        id = lab.submit(RunSpec(architecture=net, data="mnist", recipe=recipe, owner=space.owner))
        assert lab.wait(id, 120).state == "done"
        end = bars(home(space.id))
        model = resolve(ModelRef(f"run:{id}"))
        best = float(model.probs(load("mnist").test.images[:1]).max())
        assert f"{best:.1%}" in "".join(end) and end != seen[0]
        assert "Accuracy over the steps" in html(home(space.id))
        space.choose(language="zh_CN")
        assert "Accuracy over the steps" not in html(home(space.id))
    finally:
        lab.close()


def bars(at: AppTest) -> list[str]:
    import re

    return re.findall(r'<div class="lab-bar-row.*?</div>', html(at))
