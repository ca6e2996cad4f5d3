"""Fetches and imports in the background: seen while they run, called off, one at a time."""

import io
import threading

import pytest

from cnnlab.data import jobs, sources, store
from cnnlab.data.catalog import info
from cnnlab.data.progress import Progress
from cnnlab.errors import DataError
from cnnlab.i18n import Message
from tests.data.published import picture_files, unpack, zipped


@pytest.fixture(autouse=True)
def _fresh(lab_home, monkeypatch):
    jobs.cancel()
    jobs.wait(10)
    jobs.forget()
    yield
    jobs.cancel()
    jobs.wait(10)
    jobs.forget()


def gate(monkeypatch):
    """Let fetches wait: return what opens the gate, and what says that one has come to it."""
    opened, reached = threading.Event(), threading.Event()

    def slow(name, report):
        report(Progress(Message("downloading {file}", file="x"), 30, 120))
        reached.set()
        while not opened.wait(0.01):
            report(Progress(Message("downloading {file}", file="x"), 60, 120))
        return info("mnist")

    monkeypatch.setattr(sources, "fetch", slow)
    return opened, reached


def test_progress_is_seen_and_the_outcome_kept(monkeypatch):
    opened, reached = gate(monkeypatch)
    assert jobs.current() is None
    jobs.start_fetch("cifar10")
    assert reached.wait(10)
    job = jobs.current()
    assert (job.title, job.state) == ("cifar10", jobs.RUNNING)
    assert job.part_done in (0.25, 0.5)
    assert str(job.progress.what) == "downloading x"
    jobs.forget()  # what runs is not forgotten
    assert jobs.current().state == jobs.RUNNING
    opened.set()
    assert jobs.wait(10).state == jobs.DONE
    assert jobs.current().result.name == "mnist"
    jobs.forget()
    assert jobs.current() is None


def test_one_at_a_time(monkeypatch):
    opened, reached = gate(monkeypatch)
    jobs.start_fetch("cifar10")
    assert reached.wait(10)
    upload = sources.keep_upload([("pets.zip", io.BytesIO(b"x"))])
    with pytest.raises(DataError, match="cifar10 is being fetched or imported"):
        jobs.start_import(upload, remove=True)
    assert not upload.exists()
    opened.set()
    jobs.wait(10)


def test_cancel_ends_it(monkeypatch):
    _opened, reached = gate(monkeypatch)
    jobs.start_fetch("cifar10")
    assert reached.wait(10)
    jobs.cancel()
    job = jobs.wait(10)
    assert job.state == jobs.CANCELLED
    assert str(job.error) == "cancelled; nothing was changed"
    jobs.start_fetch("cifar10")  # and the next one may begin
    assert jobs.current().state == jobs.RUNNING


def test_failure_is_a_sentence(tmp_path):
    jobs.start_import(tmp_path / "nowhere")
    job = jobs.wait(10)
    assert job.state == jobs.FAILED
    assert "there is no file or folder" in str(job.error)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("fault", "sentence"), [(MemoryError(), "fit into memory"), (ZeroDivisionError("x"), "should not have")]
)
def test_a_fault_does_not_leave_it_running(monkeypatch, fault, sentence):
    def broken(name, report):
        raise fault

    monkeypatch.setattr(sources, "fetch", broken)
    jobs.start_fetch("cifar10")
    job = jobs.wait(10)
    assert job.state == jobs.FAILED
    assert sentence in str(job.error)


def test_an_upload_is_imported_and_removed(tmp_path):
    (tmp_path / "pets.zip").write_bytes(zipped(picture_files()))
    with (tmp_path / "pets.zip").open("rb") as file:
        upload = sources.keep_upload([("../../C:\\pets.zip", file)])
    assert upload.name == "pets.zip"
    assert upload.parent.parent.parent == store.folder()
    jobs.start_import(upload, "pets", title="pets.zip", remove=True)
    assert jobs.wait(30).state == jobs.DONE
    assert [path.name for path in store.folder().iterdir()] == ["pets.safetensors"]


def test_several_uploads_are_one_folder(tmp_path):
    from tests.data.published import idx_files

    folder = unpack(idx_files(30, 20), tmp_path / "idx")
    files = [(path.name, path.open("rb")) for path in sorted(folder.iterdir())]
    upload = sources.keep_upload(files)
    for _name, file in files:
        file.close()
    jobs.start_import(upload, None, remove=True)
    job = jobs.wait(30)
    assert job.state == jobs.DONE
    assert job.result.name == "upload"
    assert job.result.splits == {"train": 30, "test": 20}
    assert [path.name for path in store.folder().iterdir()] == ["upload.safetensors"]


@pytest.mark.parametrize("sent", [1, 2])
def test_what_an_upload_lacks_is_said_without_a_hidden_folders_name(tmp_path, sent):
    from tests.data.published import idx_files

    folder = unpack(idx_files(30, 20), tmp_path / "idx")
    files = [(path.name, io.BytesIO(path.read_bytes())) for path in sorted(folder.iterdir())[:sent]]
    jobs.start_import(sources.keep_upload(files), None, remove=True)
    job = jobs.wait(30)
    assert job.state == jobs.FAILED
    assert str(job.error).startswith("upload lacks train-images-idx3-ubyte")
    assert list(store.folder().iterdir()) == []


def test_only_an_upload_is_dropped(tmp_path):
    (tmp_path / "pets.zip").write_bytes(zipped(picture_files()))
    jobs.start_import(tmp_path / "pets.zip", "pets", remove=True)
    assert jobs.wait(30).state == jobs.DONE
    assert (tmp_path / "pets.zip").is_file()
