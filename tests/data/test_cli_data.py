"""``python -m cnnlab data ...``: one JSON document, exit 2 with one sentence."""

import json

import pytest
import torchvision
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.data.known import KNOWN
from tests.data.published import cifar10_files, host, md5, picture_files, tar, unpack, zipped


@pytest.fixture(autouse=True)
def _own_home(lab_home, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str):
    return CliRunner().invoke(main, ["data", *words])


def test_list():
    result = run("list", "--json")
    assert result.exit_code == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert set(rows) == set(KNOWN)
    assert rows["mnist"] == {
        "name": "mnist", "title": "MNIST", "splits": {"train": 60000, "test": 10000}, "image_shape": [1, 28, 28],
        "classes": list("0123456789"), "origin": "bundled", "hash": KNOWN["mnist"].hash,
    }  # fmt: skip
    assert rows["cifar10"]["origin"] == "absent"
    assert rows["cifar10"]["hash"] is None
    assert "cifar10-sample" in run("list").stdout


def test_import_then_list_then_delete(tmp_path):
    unpack(picture_files(), tmp_path / "pets")
    result = run("import", str(tmp_path / "pets"), "--name", "pets", "--size", "16", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["name"] == "pets"
    assert found["splits"] == {"train": 10, "test": 2}
    assert found["image_shape"] == [3, 16, 16]
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["pets"]["hash"] == found["hash"]
    assert rows["pets"]["origin"] == "imported"
    said = run("import", str(tmp_path / "pets"), "--name", "pets2").stdout
    assert "pets2 (imported): 10 training and 2 test images of 3x32x32, 2 classes" in said
    assert "shorter side had 32 pixels" in said
    assert json.loads(run("delete", "pets", "--json").stdout) == {"deleted": "pets"}
    assert run("delete", "pets").exit_code == 2


def test_fetch(monkeypatch):
    archive = tar(cifar10_files())
    cls = torchvision.datasets.CIFAR10
    with host({"cifar-10-python.tar.gz": archive}) as address:
        monkeypatch.setattr(cls, "url", f"{address}cifar-10-python.tar.gz")
        monkeypatch.setattr(cls, "tgz_md5", md5(archive))
        result = run("fetch", "cifar10", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["name"], found["origin"], found["splits"]) == ("cifar10", "downloaded", {"train": 100, "test": 20})
    assert run("fetch", "mnist").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("import", "/nowhere/at/all"), "there is no file or folder"),
        (("fetch", "imagenet"), "cannot be fetched; these can: cifar10"),
        (("delete", "mnist"), "comes with the lab"),
        (("import", "BOMB"), "a path that climbs out"),
        (("import", "ONE"), "two to 1,000 are needed"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(tmp_path, words, sentence):
    bad = {
        "BOMB": zipped({"../a/x.png": b"x"}),
        "ONE": zipped(picture_files(classes=("cats",))),
    }
    if words[1] in bad:
        (tmp_path / "x.zip").write_bytes(bad[words[1]])
        words = (words[0], str(tmp_path / "x.zip"))
    result = run(*words, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
