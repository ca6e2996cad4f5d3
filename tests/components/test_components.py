"""The logic of the browser components, in node's own test runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.skipif(
    shutil.which("node") is None, reason="no node on the PATH: components are tested in the browser only"
)
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_components_in_node(name: str):
    done = subprocess.run(["node", "--test", str(HERE / name)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_grid_is_the_one_that_is_read():
    from cnnlab.data import sketch
    from cnnlab.home import ASSETS

    source = (ASSETS / "components" / "canvas.js").read_text(encoding="utf-8")
    assert f"const GRID = {sketch.GRID} " in source
    assert f"const MAX_STROKES = {sketch.MAX_STROKES}\n" in source
    assert f"const MAX_NUMBERS = {sketch.MAX_NUMBERS}\n" in source
