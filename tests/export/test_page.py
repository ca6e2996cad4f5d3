"""The part of a page that exports: each thing has its way to a file, and what is lacking is said in both languages."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import Architecture, make_layer, share
from cnnlab.architecture.presets import PRESETS
from cnnlab.export import EXPORTS
from cnnlab.training.recipe import Recipe
from pages import _session

pytestmark = pytest.mark.usefixtures("lab_home")
LENET = PRESETS["article-000-lenet5"]
ROOT = Path(__file__).resolve().parent.parent.parent


def part() -> None:
    """Draw what another page puts in its place."""
    import streamlit as st

    from cnnlab.description import ModelRef
    from pages import _export, _session

    _session.enter()
    ref = st.session_state.get("ref")
    _export.export_choices(ModelRef(ref) if ref else None)


def opened(ref: str = "", network: Architecture = LENET.architecture, language: str = "en") -> AppTest:
    at = AppTest.from_function(part, default_timeout=60)
    at.session_state[_session.keys.LANGUAGE] = language
    at.session_state[_session.keys.ARCHITECTURE] = network
    at.session_state["ref"] = ref
    return checked(at.run())


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def downloads(at: AppTest) -> list[str]:
    return [element.proto.id.rpartition("-")[2] for element in at.get("download_button")]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_model_can_become_all_of_them(language: str) -> None:
    at = opened("bundled:article-003-keras", language=language)
    assert [key.split(".")[1] for key in downloads(at)] == ["pytorch", "keras", "model"]
    assert [button.key for button in at.button] == ["export.notebook.prepare", "export.onnx.prepare"]
    assert not at.error
    shared = share.read(at.code[0].value.partition("?net=")[2])
    assert (shared.architecture, shared.data) == (PRESETS["article-003-keras"].architecture, "mnist")
    if language == "zh_CN":
        words = [caption.value for caption in at.caption]
        assert len(words) == len(EXPORTS) and all(re.search(r"[\u4e00-\u9fff]", word) for word in words)


def test_a_notebook_is_prepared_and_kept_until_something_changes() -> None:
    at = opened("bundled:article-003-keras")
    checked(at.button(key="export.notebook.prepare").click().run())
    assert "export.notebook.download" in downloads(at)
    made = at.session_state[_session.keys.HERE]["export.prepared"][1]
    assert json.loads(made.data)["nbformat"] == 4
    at.session_state["ref"] = "bundled:article-000-lenet5"
    checked(at.run())
    assert "export.notebook.download" not in downloads(at)


def test_a_network_without_weights_says_what_it_lacks() -> None:
    at = opened()
    assert at.button(key="export.model.lacking").disabled
    assert any("a network without weights is no model yet" in caption.value for caption in at.caption)
    checked(at.button(key="export.notebook.prepare").click().run())
    assert any("to the machine" in caption.value for caption in at.caption)


def test_what_cannot_be_made_is_said_where_it_was_asked_for() -> None:
    at = opened(
        network=LENET.architecture.with_layers([*LENET.architecture.layers, make_layer("Linear", out_features=3)])
    )
    checked(at.button(key="export.notebook.prepare").click().run())
    assert ["the network ends in 3 numbers" in error.value for error in at.error] == [True]


def test_a_network_that_cannot_run_is_said_once() -> None:
    at = opened(network=PRESETS["article-004-cnn"].architecture)
    assert len(at.error) == 1 and not at.button


def test_a_link_brings_recipe_and_data_to_build() -> None:
    preset = PRESETS["cifar-blocks"]
    at = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=60)
    at.query_params["net"] = share.to_text(preset.architecture, {"lr": 0.02, "epochs": 7}, "cifar10-sample")
    checked(at.run())
    assert at.session_state[_session.keys.ARCHITECTURE] == preset.architecture
    assert at.session_state[_session.keys.RECIPE] == Recipe(lr=0.02, epochs=7)
    assert at.session_state[_session.keys.DATA] == "cifar10-sample"


def test_a_link_with_a_recipe_that_is_none_changes_nothing() -> None:
    at = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=60)
    at.query_params["net"] = share.to_text(PRESETS["cifar-blocks"].architecture, {"lr": -1}, "no such data")
    checked(at.run())
    assert [error.value.startswith("recipe: ") for error in at.error] == [True]
    assert at.session_state[_session.keys.ARCHITECTURE] != PRESETS["cifar-blocks"].architecture


def test_what_can_be_exported_is_known_without_torch() -> None:
    code = "import sys, cnnlab.export, pages._export; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
