"""Weights that may come from anyone: torchvision's fit by name and answer alike, anything else is one sentence."""

import io
import json
import math
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from time import perf_counter

import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from torch import nn
from torchvision import models

from cnnlab import weights
from cnnlab.architecture.presets import PRESETS
from cnnlab.build import Network
from cnnlab.cli import main
from cnnlab.errors import ModelError
from cnnlab.model import Model
from cnnlab.weights import fetching


def theirs(name: str) -> nn.Module:
    """Torchvision's network with weights and running statistics of its own, drawn quickly."""
    more = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = models.get_model(name, **more)
    module = module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for key, tensor in module.state_dict().items():
        if key.endswith("running_var") or (tensor.dim() == 1 and key.endswith("weight")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.dim() > 1:
            bound = math.sqrt(6 / tensor[0].numel())
            tensor.uniform_(-bound, bound, generator=generator)
        elif tensor.is_floating_point():
            tensor.uniform_(-0.1, 0.1, generator=generator)
        else:
            tensor.zero_()
    return module.requires_grad_(False)


def ours(name: str, module: nn.Module) -> Network:
    """Our network on torchvision's own tensors."""
    with torch.device("meta"):
        network = Network(PRESETS[name].architecture)
    network.load_state_dict(weights.state_for(name, module.state_dict()), assign=True)
    return network.requires_grad_(False)


@pytest.mark.parametrize("name", weights.NAMES)
def test_with_torchvisions_weights_the_answers_are_the_same_to_the_bit(name: str) -> None:
    module = theirs(name).eval()
    network = ours(name, module).eval()
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    answer = network(x)
    assert answer.equal(module(x))
    assert answer.shape == (1, 1000) and answer.std() > 1e-3


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "shufflenet_v2_x1_0"])
def test_the_same_while_they_learn(name: str) -> None:
    module = theirs(name).train()
    state = {key: value.clone() for key, value in module.state_dict().items()}
    with torch.device("meta"):
        network = Network(PRESETS[name].architecture)
    network.load_state_dict(weights.state_for(name, state), assign=True)
    network.train().requires_grad_(False)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert network(x).equal(module(x))
    moved = weights.state_for(name, module.state_dict())  # running statistics, after the batch
    assert all(value.equal(moved[key]) for key, value in network.state_dict().items())


@pytest.fixture
def squeezenet(tmp_path: Path) -> tuple[nn.Module, Path]:
    module = theirs("squeezenet1_1").eval()
    path = tmp_path / "squeezenet1_1-b8a52dc0.pth"
    torch.save(module.state_dict(), path)
    return module, path


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "wrapped", "parallel"])
def test_every_form_of_file_is_read(squeezenet, tmp_path: Path, form: str) -> None:
    state = squeezenet[0].state_dict()
    path = tmp_path / f"weights.{form}"
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    elif form == "wrapped":
        torch.save({"epoch": 3, "state_dict": state}, path)
    else:
        named = {f"module.{key}": value for key, value in state.items()} if form == "parallel" else state
        torch.save(named, path, _use_new_zipfile_serialization=form != "legacy")
    read = weights.read_weights(path)
    assert read.keys() == state.keys()
    assert all(read[key].equal(state[key]) for key in state)


def test_a_model_is_made_that_knows_imagenets_classes_and_its_preprocessing(squeezenet, tmp_path: Path) -> None:
    module, path = squeezenet
    model = weights.borrow("squeezenet1_1", path)
    assert model.class_names == tuple(models.SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"])
    picture = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    normalised = (picture.float() / 255 - torch.tensor(model.preprocessing.mean).view(1, 3, 1, 1)) / torch.tensor(
        model.preprocessing.std
    ).view(1, 3, 1, 1)
    assert model.preprocessing.mean == (0.485, 0.456, 0.406) and model.preprocessing.std == (0.229, 0.224, 0.225)
    assert model.logits(picture).equal(module(normalised))
    model.save(tmp_path / "model.safetensors")
    assert Model.load(tmp_path / "model.safetensors").logits(picture).equal(model.logits(picture))


def test_googlenets_classifiers_on_the_way_are_left_aside_and_its_pictures_are_normalised_its_own_way(
    tmp_path: Path,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.device("meta"):
            full = models.googlenet(aux_logits=True, transform_input=True, init_weights=False)
    full = full.to_empty(device="cpu").eval().requires_grad_(False)
    for tensor in full.state_dict().values():
        tensor.fill_(0.01)
    full.load_state_dict(theirs("googlenet").state_dict(), strict=False)
    torch.save(full.state_dict(), tmp_path / "googlenet-1378be20.pth")
    model = weights.borrow("googlenet", tmp_path / "googlenet-1378be20.pth")
    picture = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    usual = models.GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    x = (picture.float() / 255 - torch.tensor(usual.mean).view(1, 3, 1, 1)) / torch.tensor(usual.std).view(1, 3, 1, 1)
    torch.testing.assert_close(model.logits(picture), full(x), rtol=1e-4, atol=1e-4)


def test_densenets_old_names_and_missing_counters_are_understood() -> None:
    state = theirs("densenet121").state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    assert old.keys() != state.keys()
    found, wanted = weights.state_for("densenet121", old), weights.state_for("densenet121", state)
    assert found.keys() == wanted.keys() and all(found[key].equal(wanted[key]) for key in wanted)


def test_what_does_not_fit_is_named_with_both_shapes(squeezenet) -> None:
    state = dict(squeezenet[0].state_dict())
    with pytest.raises(ModelError, match=r"conv1.weight: resnet18 needs \[64, 3, 7, 7\].* no such tensor"):
        weights.state_for("resnet18", state)
    few = {**state, "classifier.1.weight": torch.zeros(10, 512, 1, 1)}
    with pytest.raises(ModelError, match=r"classifier.1.weight: .*\[1000, 512, 1, 1\].*\[10, 512, 1, 1\]"):
        weights.state_for("squeezenet1_1", few)
    with pytest.raises(ModelError, match=r"more: the file has \[1\] float32, squeezenet1_1 has no such"):
        weights.state_for("squeezenet1_1", {**state, "more": torch.zeros(1)})
    with pytest.raises(ModelError, match="int64"):
        weights.state_for("squeezenet1_1", {**state, "features.0.bias": torch.zeros(64, dtype=torch.long)})
    with pytest.raises(ModelError, match="squeezenet1_1"):
        weights.published("mnist-sprint")


# ------------------------------------------------------------------------------------------ hostile files
class Plant:
    """Unpickled by a careless reader, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def hostile(folder: Path, planted: Path) -> dict[str, bytes]:
    def saved(value: object, **how) -> bytes:
        buffer = io.BytesIO()
        torch.save(value, buffer, **how)
        return buffer.getvalue()

    whole = saved({"a": torch.zeros(1000)})
    bomb = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in archive.infolist():
            packed.writestr(entry.filename, bytes(50_000_000) if "data/0" in entry.filename else archive.read(entry))
    wordy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(wordy, "w") as longer:
        for entry in archive.infolist():
            endless = b"\x80\x02(" + b"]" * 5_000_000 + b"l."
            longer.writestr(entry.filename, endless if entry.filename.endswith(".pkl") else archive.read(entry))
    return {
        "nothing": b"",
        "noise": bytes(range(256)) * 40,
        "text": b"import os\nos.system('true')\n" * 20,
        "pickle": pickle.dumps(Plant(planted)),
        "planted zip": saved({"a": torch.zeros(2), "b": Plant(planted)}),
        "planted legacy": saved({"b": Plant(planted)}, _use_new_zipfile_serialization=False),
        "whole module": saved(nn.Linear(2, 2)),
        "half a file": whole[: len(whole) // 2],
        "bomb": bomb.getvalue(),
        "a list": saved([torch.zeros(2)]),
        "numbers": saved({"a": 1}),
        "nameless": saved({1: torch.zeros(2)}),
        "sparse": saved({"a": torch.eye(3).to_sparse()}),
        "empty": saved({}),
        "header of 2^60 bytes": (2**60).to_bytes(8, "little") + b'{"a":1}',
        "safetensors that lies": (60).to_bytes(8, "little")
        + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'.ljust(60),
        "deep": b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "wordy": b"\x80\x04(" + b"]" * 30_000_000 + b"l.",
        "wordy zip": wordy.getvalue(),
    }


@pytest.mark.filterwarnings("error")
def test_a_hostile_file_is_refused_in_one_sentence_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    for number, (name, data) in enumerate(hostile(tmp_path, planted).items()):
        path = tmp_path / f"weights{number}.pth"
        path.write_bytes(data)
        began = perf_counter()
        with pytest.raises(ModelError) as caught:
            weights.borrow("resnet18", path)
        assert perf_counter() - began < 2, name
        assert path.name in str(caught.value) and "\n" not in str(caught.value), name
        assert not planted.exists(), name


def test_an_expanded_tensor_of_any_size_costs_nothing(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1).expand(10**12)}, tmp_path / "huge.pth")
    with pytest.raises(ModelError, match="conv1.weight: resnet18 needs .* the file has .1000000000000"):
        weights.borrow("resnet18", tmp_path / "huge.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        weights.read_weights(tmp_path / "absent.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        weights.read_weights(tmp_path)


def test_a_file_that_is_too_large_is_not_even_opened(tmp_path: Path) -> None:
    with (tmp_path / "large.pth").open("wb") as file:
        file.truncate(weights.files.MAX_WEIGHTS_BYTES + 1)
    with pytest.raises(ModelError, match="larger than 600 MB"):
        weights.read_weights(tmp_path / "large.pth")


# ------------------------------------------------------------------------------------------ fetching and the command
def test_the_published_files_carry_their_hash_and_say_how_many_parameters_there_are() -> None:
    for name in weights.NAMES:
        facts = weights.published(name)
        assert re.search(r"-[0-9a-f]{8,}\.pth$", facts.address), facts.address
        assert len(facts.class_names) == 1000 and 0.5 < facts.acc < 0.9
        assert (
            facts.num_params
            >= PRESETS[name].architecture.trace().num_params
            == (facts.num_params if name != "googlenet" else 6_624_904)
        )


def test_what_is_fetched_is_checked_against_its_hash(squeezenet, tmp_path: Path, monkeypatch) -> None:
    _module, path = squeezenet
    digest = __import__("hashlib").sha256(path.read_bytes()).hexdigest()
    right, wrong = path.with_name(f"right-{digest[:8]}.pth"), path.with_name("wrong-00000000.pth")
    for copy in (right, wrong):
        copy.write_bytes(path.read_bytes())
    steps = []
    kept = fetching.fetch("squeezenet1_1", right.as_uri(), steps.append)
    assert kept.read_bytes() == right.read_bytes() and steps[-1].done == right.stat().st_size
    assert fetching.fetch("squeezenet1_1", "https://nowhere.invalid/" + right.name) == kept  # no second time
    with pytest.raises(ModelError, match=r"not the published one.*net weights squeezenet1_1 --from FILE"):
        fetching.fetch("squeezenet1_1", wrong.as_uri())
    with pytest.raises(ModelError, match="could not be fetched"):
        fetching.fetch("squeezenet1_1", path.with_name("absent-00000000.pth").as_uri())
    assert [file.name for file in kept.parent.iterdir() if "part" in file.name or "wrong" in file.name] == []


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["net", "weights", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_makes_a_model_that_predicts(squeezenet, tmp_path: Path) -> None:
    module, path = squeezenet
    out = tmp_path / "model.safetensors"
    code, said, _error = run("squeezenet1_1", "--from", path, "--out", out, "--json")
    made = json.loads(said)
    assert (code, made["model"], made["classes"], made["num_params"]) == (0, str(out), 1000, 1_235_496)
    assert Model.load(out).about.name == "squeezenet1_1"
    code, said, _error = run("squeezenet1_1", "--from", path)
    assert code == 0 and weights.saved("squeezenet1_1").is_file() and str(weights.saved("squeezenet1_1")) in said


def test_the_command_says_where_weights_are_and_what_is_wrong(tmp_path: Path) -> None:
    code, said, _error = run("resnet18", "--json")
    assert code == 0 and json.loads(said)["address"].endswith(".pth")
    assert run("resnet18")[0] == 0
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"no")
    for arguments in (("resnet18", "--from", bad), ("lenet", "--fetch"), ("resnet18", "--from", bad, "--fetch")):
        code, said, error = run(*arguments)
        assert (code, said) == (2, "") and len(error.splitlines()) == 1, arguments
