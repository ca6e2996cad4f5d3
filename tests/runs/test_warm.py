"""A lab that is closed while it still gets ready ends quietly."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_program_that_ends_while_it_gets_ready_says_nothing(tmp_path):
    """The first measurement is a second's work: the program ends within it."""
    script = "import torch\nfrom cnnlab.runs.warm import warm_up\nwarm_up()"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "CNNLAB_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
