"""A disk that takes nothing more: the frame says so, every page goes on, and says nothing once there is room."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_lab_goes_on_while_the_disk_is_full(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("os.fsync", full)
        at.run()
        assert not at.exception, [e.value for e in at.exception]
        assert any("disk is full" in said.value for said in at.warning)
    at.run()
    assert not at.exception and not any("disk" in said.value for said in at.warning)
