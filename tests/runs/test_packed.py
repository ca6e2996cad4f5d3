"""A run as a zip: out, in again, and what is refused."""

import io
import json
import zipfile

import pytest

from cnnlab.errors import CnnLabError
from cnnlab.runs import Engine, packed
from tests.runs.labs import RECIPE, spec


@pytest.fixture(scope="module")
def zipped(tmp_path_factory):
    """Return the zip of one run that was trained, and its snapshot."""
    folder = tmp_path_factory.mktemp("zipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNLAB_HOME", str(folder / "home"))
        lab = Engine()
        id = lab.submit(spec(RECIPE.changed(epochs=1, limit_train=60), name="out"))
        run = lab.wait(id, 60)
        data = packed.pack_run(lab, id)
        lab.close()
    return data, run


@pytest.fixture
def lab(lab_home):
    found = Engine()
    yield found
    found.close()


def zip_of(files, **settings):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", **settings) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def files_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def bring(lab, data, name="mine.zip"):
    return packed.unpack_run(lab, io.BytesIO(data), name, "bea")


def test_there_and_back(lab, zipped):
    data, run = zipped
    assert sorted(files_of(data)) == [
        "architecture.json",
        "history.csv",
        "model.safetensors",
        "recipe.json",
        "run.json",
    ]
    back = lab.snapshot(bring(lab, data))
    assert (back.owner, back.name, back.state) == ("bea", "out", "done") and back.id != run.id
    assert (back.test_acc, back.recipe, back.architecture) == (run.test_acc, run.recipe, run.architecture)
    assert files_of(packed.pack_run(lab, back.id))["model.safetensors"] == files_of(data)["model.safetensors"]


def with_changes(files, *changes):
    made = [{"step": step, "change": change} for step, change in changes]
    return zip_of({**files, "run.json": json.dumps({**json.loads(files["run.json"]), "changes": made}).encode()})


def test_live_changes_come_along_and_are_checked(lab, zipped):
    files = files_of(zipped[0])
    back = lab.snapshot(bring(lab, with_changes(files, (1, {"lr": 0.5}), (2, {"frozen": ["conv1"]}))))
    assert back.changes == ({"step": 1, "change": {"lr": 0.5}}, {"step": 2, "change": {"frozen": ["conv1"]}})
    assert back.recipe_now.lr == 0.5 and back.recipe.lr == RECIPE.lr
    for change in ({"lr": 1e9}, {"frozen": ["conv9"]}, {"momentum": 0.9}, {"evil": 1}, {}):
        with pytest.raises(CnnLabError):
            bring(lab, with_changes(files, (1, change)))
    assert len(lab.list()) == 1


def test_event_files_for_tensorboard_come_along(lab, zipped):
    again = files_of(packed.pack_run(lab, bring(lab, zipped[0]), tensorboard=True))
    assert len(again) == 6 and any("tfevents" in name for name in again)
    assert lab.snapshot(bring(lab, zip_of(again))).name == "out"  # and do not stand in the way back


def test_a_folder_inside_the_zip_is_fine_and_other_files_are_passed_over(lab, zipped):
    files = {f"run 7/{name}": data for name, data in files_of(zipped[0]).items()}
    id = bring(lab, zip_of({**files, "run 7/virus.exe": b"MZ", "../../evil.json": b"{}", "/etc/architecture": b"x"}))
    assert lab.snapshot(id).has_model


def flipped(data):
    at = data.rindex(b"PK\x01\x02") // 2
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


def test_hostile_zips_are_refused_in_one_sentence_that_names_the_upload(lab, zipped, monkeypatch):
    data, _run = zipped
    files = files_of(data)
    cases = {
        "no zip": b"hello",
        "cut short": data[: len(data) // 2],
        "damaged": flipped(data),
        "no run": zip_of({"readme.txt": b"hello"}),
        "climbs out": zip_of({f"../{name}": one for name, one in files.items() if name != "architecture.json"}),
        "another packing": zip_of(files, compression=zipfile.ZIP_LZMA),
        "a pickle": zip_of({**files, "model.safetensors": b"\x80\x04pickle"}),
        "no recipe": zip_of({name: one for name, one in files.items() if name != "recipe.json"}),
        "deep JSON": zip_of({**files, "architecture.json": b"[" * 100_000}),
        "hostile recipe": zip_of({**files, "recipe.json": b'{"lr": "__import__(\'os\')"}'}),
        "many": zip_of({str(n): b"" for n in range(packed.MOST_MEMBERS + 1)}),
    }
    for what, case in cases.items():
        with pytest.raises(CnnLabError) as told:
            bring(lab, case)
        said = told.value.text("en")
        assert "/tmp" not in said and "\n" not in said and len(said) < 400, (what, said)
    assert lab.list() == []


def test_a_zip_that_grows_is_stopped(lab, zipped, monkeypatch):
    monkeypatch.setattr(packed, "MOST_BYTES", 3_000_000)
    bomb = zip_of({**files_of(zipped[0]), "history.csv": b"0" * 50_000_000}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1_000_000
    with pytest.raises(CnnLabError, match="unpacks to more than 3 MB"):
        bring(lab, bomb)


def test_a_name_is_only_a_name(lab):
    with pytest.raises(CnnLabError) as told:
        bring(lab, b"", "../../etc/passwd.zip")
    assert told.value.text("en").startswith("passwd.zip cannot be read")
