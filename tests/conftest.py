"""What every test stands on: a home of its own, one torch thread, examples that never change.

Set before anything of the lab is imported: where state goes, how many threads torch starts, where matplotlib
(which captum imports) keeps its cache. Nothing here reads or writes the user's real data folder.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_SESSION_HOME = tempfile.mkdtemp(prefix="cnnlab-tests-")
os.environ["CNNLAB_HOME"] = _SESSION_HOME
os.environ["MPLCONFIGDIR"] = str(Path(_SESSION_HOME) / "matplotlib")
os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported: the same sums on every machine
os.environ.pop("CNNLAB_TEACHER_PIN", None)

settings.register_profile(
    "lab", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("lab")


def pytest_unconfigure() -> None:
    """Stop the process-wide engine, if a test started it, and remove the session's home."""
    runs = sys.modules.get("cnnlab.runs.engine")
    if runs is not None and hasattr(runs, "engine"):
        runs.engine().close()
    shutil.rmtree(_SESSION_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _english_and_one_thread() -> Iterator[None]:
    """Let each test begin in English and with one torch thread, whatever the one before it did."""
    from cnnlab.i18n import set_language

    set_language("en")
    if "torch" in sys.modules:
        import torch  # waits where the lab's background warm-up is importing it right now

        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
    yield
    set_language("en")


@pytest.fixture(autouse=True)
def _components_stay_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all AppTests of the process share one registry of components.

    A page's component registers when its module is imported, once; before Streamlit 1.67 each AppTest began with an
    empty registry all the same.
    """
    app_test = sys.modules.get("streamlit.testing.v1.app_test")
    if app_test is not None:
        monkeypatch.setattr(app_test, "BidiComponentManager", _shared_components)


@pytest.fixture(autouse=True)
def _keras_keeps_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Streamlit not clear Keras's session after each script run: that collects the garbage of the whole process.

    The lab never imports Keras; tests do, to compare with it. Every page tested after one of them in the same process
    would take most of a second longer.
    """
    runner = sys.modules.get("streamlit.runtime.scriptrunner.script_runner")
    if runner is not None:
        monkeypatch.setattr(runner, "_clean_problem_modules", lambda: None)


@cache
def _shared_components() -> Any:
    from streamlit.components.v2.component_manager import BidiComponentManager

    return BidiComponentManager()


@pytest.fixture
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home for this test alone."""
    monkeypatch.setenv("CNNLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
