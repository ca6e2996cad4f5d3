"""A notebook is executed by Jupyter's own client, far from the lab, and ends with the accuracy of the run."""

import json
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from click.testing import CliRunner

from cnnlab.cli import main
from tests.export.test_notebook import small_net

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def run(*words: str) -> Any:
    result = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def said(notebook: Any) -> str:
    """Return all that the cells printed."""
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def test_a_run_of_the_lab_ends_alike_in_jupyter(
    lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, out = tmp_path / "net.json", tmp_path / "far" / "run.ipynb"
    net.write_text(small_net(dropout=True).to_json())
    trained = run(
        *f"train --net {net} --data fashion_mnist-sample --epochs 2 --limit-train 400 --batch-size 40".split(),
        *"--flip --shift 1 --schedule one_cycle --seed 3".split(),
    )
    made = run("export", "--model", trained["run"], "--to", "notebook", "--out", str(out), "--with-data")
    assert made["notes"] == [] and made["files"] == [str(out), str(out.parent / "fashion_mnist-sample.npz")]
    notebook = nbformat.read(out, as_version=4)
    nbformat.validate(notebook)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(out.parent)}}
    ).execute()
    assert f"{trained['test_acc']:.2%} of the test images are right" in said(notebook)
    assert said(notebook).endswith("the same as in CNN Lab\n")
