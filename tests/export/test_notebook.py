"""The notebook's code does what the lab's loop does, to the bit, whatever the recipe asks for."""

import ast
import gzip
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch

from cnnlab.architecture import Architecture, make_layer
from cnnlab.architecture.blocks import Branches, Residual, Sequence
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.rare import RARE
from cnnlab.data import loader
from cnnlab.data.augmentation import Augmentation
from cnnlab.data.known import FOLDER
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError, DataError, RecipeError
from cnnlab.export.notebook import KNOWN_FIELDS, to_notebook, unknown_fields
from cnnlab.export.notebook_data import data_file
from cnnlab.export.subject import REPEATED, Subject, of_model, of_network, repeatable
from cnnlab.i18n import set_language
from cnnlab.model import Model
from cnnlab.runs import resolve
from cnnlab.training.change import Applied, Change
from cnnlab.training.recipe import Recipe
from tests.export.makers import cells, executed, same, trained

SMALL = {
    "epochs": 2,
    "batch_size": 32,
    "limit_train": 150,
    "precision": "float32",
    "memory_format": "channels_last",
    "threads": 1,
}


def small_net(*last: str, dropout: bool = False, norm: bool = True) -> Architecture:
    return Architecture(
        name="small",
        input_shape=(1, 28, 28),
        layers=(
            make_layer("Conv2d", out_channels=6, kernel_size=5, stride=2),
            *([make_layer("BatchNorm2d")] if norm else []),
            make_layer("ReLU"),
            *([make_layer("Dropout", p=0.2), make_layer("Dropout2d", p=0.2)] if dropout else []),
            make_layer("MaxPool2d"),
            make_layer("Flatten"),
            *([make_layer("Dropout")] if dropout else []),
            make_layer("Linear", out_features=10),
            *map(make_layer, last),
        ),
    )


RECIPES: dict[str, dict[str, Any]] = {
    "adam": {},
    "bfloat16": {"precision": "bfloat16"},
    "contiguous": {"memory_format": "contiguous"},
    "two threads": {"threads": 2},
    "another seed": {"seed": 7},
    "sgd, nesterov, decay, one cycle": {
        "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3, "schedule": "one_cycle",
    },
    "adamw, cosine, warm-up": {"optimizer": "adamw", "schedule": "cosine", "warmup_epochs": 0.7, "weight_decay": 0.01},
    "rmsprop, triangular": {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "triangular"},
    "adagrad, stairs": {"optimizer": "adagrad", "lr": 0.02, "schedule": "step", "step_factor": 0.5},
    "plateau": {"epochs": 6, "lr": 0.05, "schedule": "reduce_on_plateau", "plateau_patience": 0, "plateau_factor": 0.3},
    "early stopping": {"epochs": 12, "lr": 0.05, "early_stopping": 1},
    "l1, clipping": {"l1": 1e-3, "clip_norm": 0.5},
    "smoothing": {"label_smoothing": 0.1},
    "mse": {"loss": "mse"},
    "mixup": {"mixup": 0.4},
    "mixup, mse": {"mixup": 1.0, "loss": "mse"},
    "all augmentations": {
        "augmentation": {
            "shift": 2, "crop_padding": 2, "rotate": 10.0, "scale": 0.1, "shear": 5.0, "flip": True, "cutout": 6, "noise": 0.05,
        },
    },
    "flip": {"augmentation": {"flip": True}},
    "rotate": {"augmentation": {"rotate": 12.0}},
    "whiten, mirror": {"whiten": True, "mirror": True},
    "all images": {"full_train": True},
    "whole set at once": {"batch_size": 10_000},
    "one by one": {"batch_size": 1, "limit_train": 20},
    "single layers slower or faster": {"layer_lr": {"conv1": 0.1, "bn1": 3.0}},
    "single layers with momentum, clipping": {
        "layer_lr": {"fc1": 0.2}, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "clip_norm": 0.5, "l1": 1e-4,
    },
    "some of each class": {"limit_train": None, "limit_per_class": 13},
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_the_notebook_ends_with_the_same_weights_and_accuracy(name: str) -> None:
    architecture = small_net(norm=name != "one by one")
    subject, training = trained(architecture, Recipe.of({**SMALL, **RECIPES[name]}))
    names = executed(subject)
    assert subject.model is not None
    assert same(names["network"].state_dict(), subject.model.state) == []
    assert names["accuracy"] == names["SHOWN"] == subject.test_acc


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_batch_shared_out_among_threads(threads: int, precision: str) -> None:
    """Nothing in this network needs to see a whole batch: each thread has a share of it."""
    recipe = Recipe.of({**SMALL, "threads": threads, "precision": precision, "augmentation": {"shift": 2}})
    subject, _training = trained(small_net(norm=False), recipe)
    names = executed(subject)
    assert subject.model is not None
    assert same(names["network"].state_dict(), subject.model.state) == []
    assert names["accuracy"] == names["SHOWN"] == subject.test_acc


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous"])
def test_dropout_and_softmax(loss: str, memory_format: str) -> None:
    recipe = Recipe.of({**SMALL, "loss": loss, "memory_format": memory_format})
    subject, training = trained(small_net("Softmax", dropout=True), recipe)
    assert subject.model is not None
    assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


def test_a_padded_input() -> None:
    architecture = small_net().with_input((1, 33, 32))
    subject, training = trained(architecture, Recipe.of({**SMALL, "whiten": True}))
    assert subject.model is not None
    assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


def test_a_batch_that_is_too_large_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnlab.training.checks.PART_BYTES", 200_000)
    recipe = Recipe.of({**SMALL, "batch_size": 64, "augmentation": {"shift": 1}, "mixup": 0.3})
    subject, training = trained(small_net(norm=False), recipe)
    assert 1 < training._part < 64
    assert subject.model is not None
    assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


def data_cell(data: str) -> str:
    """Return the cell that loads ``data``."""
    recipe = Recipe.of({**SMALL, "full_train": True, "limit_train": None})
    shape = loader.load(data).image_shape
    subject = of_network(small_net().with_input(shape), recipe, data)
    return cells(to_notebook(subject)[0])[1]


HEAD = cells(to_notebook(of_network(small_net(), Recipe.of(SMALL), "mnist"))[0])[0]


def loaded(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(HEAD, names)
    exec(source, names)
    return names


def test_the_data_comes_from_torchvision_where_the_lab_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = data_cell("mnist")
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in (FOLDER / "mnist").glob("*.gz"):  # as torchvision has them once they are fetched
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    monkeypatch.setitem(sys.modules, "cnnlab.data.loader", None)
    monkeypatch.chdir(tmp_path)
    names = loaded(source)
    assert names["images"].shape == (60_000, 1, 28, 28) and names["test_targets"].shape == (10_000,)


@pytest.mark.parametrize(("data", "name"), [("cifar10-sample", "CIFAR10"), ("fashion_mnist-sample", "FashionMNIST")])
def test_a_sample_is_cut_out_of_the_published_set(data: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, dataset = data_cell(data), loader.load(data)

    class Published:
        """What torchvision gives, with only the images of the sample in it."""

        def __init__(self, folder: str, train: bool, download: bool) -> None:
            split = dataset.train if train else dataset.test
            grey = split.images.shape[1] == 1
            self.data = split.images[:, 0] if grey else split.images.permute(0, 2, 3, 1).numpy()
            self.targets = split.targets if grey else split.targets.tolist()

    monkeypatch.setitem(sys.modules, "cnnlab.data.loader", None)
    monkeypatch.setattr(f"torchvision.datasets.{name}", Published)
    assert torch.equal(loaded(source)["images"], dataset.train.images)


def test_other_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = data_cell("fashion_mnist-sample")
    (tmp_path / "fashion_mnist-sample.npz").write_bytes(data_file("cifar10-sample"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="these are not the images"):
        loaded(source)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_changes_by_hand_are_repeated(optimizer: str) -> None:
    made: list[dict[str, Any]] = [
        {"lr": 0.01},
        {"dropout": {"drop1": 0.6, "drop3": 0.0}, "weight_decay": 0.01},
        {"lr": 0.002},
    ]
    if optimizer != "adam":
        made += [{"momentum": 0.8}, {"momentum": 0.0, "lr": 0.02}, {"momentum": 0.5}]
    changes = [Applied(step=step, change=Change.of(one)) for step, one in zip((0, 2, 2, 3, 5, 6), made)]
    recipe = Recipe.of({**SMALL, "optimizer": optimizer, "schedule": "cosine"})
    subject, training = trained(small_net(dropout=True), recipe, changes)
    assert training.changes == tuple(changes) == subject.changes
    assert subject.model is not None and subject.unlike == ()
    assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


LIVE: dict[str, tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]] = {
    "smaller batches, then larger": (
        {"schedule": "one_cycle", "epochs": 3}, [(0, {"batch_size": 50}), (3, {"batch_size": 16}), (5, {"batch_size": 64})],
    ),
    "another batch between epochs": ({"schedule": "cosine"}, [(4, {"batch_size": 20, "lr": 0.01})]),
    "other batches of shifted images": ({"augmentation": {"shift": 2}}, [(2, {"batch_size": 20})]),
    "one image that would be left alone": ({"batch_size": 47}, [(1, {"batch_size": 23})]),
    "batches and plateau": (
        {"epochs": 5, "lr": 0.05, "schedule": "reduce_on_plateau", "plateau_patience": 0}, [(3, {"batch_size": 24})],
    ),
    "batches and stairs": ({"schedule": "step", "warmup_epochs": 0.5, "epochs": 3}, [(2, {"batch_size": 16})]),
    "frozen and freed": ({}, [(0, {"frozen": ["conv1", "bn1"]}), (5, {"frozen": []})]),
    "frozen with momentum": (
        {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9}, [(0, {"frozen": ["conv1"]}), (3, {"frozen": ["fc1"]}), (6, {"frozen": []})],
    ),
    "frozen, rmsprop": ({"optimizer": "rmsprop", "momentum": 0.5}, [(2, {"frozen": ["conv1"]}), (4, {"frozen": []})]),
    "frozen, l1, early stopping": (
        {"l1": 1e-3, "early_stopping": 1, "epochs": 6, "lr": 0.05}, [(1, {"frozen": ["bn1"]}), (5, {"l1": 0.0})],
    ),
    "rates of layers": ({"layer_lr": {"fc1": 0.5}}, [(2, {"layer_lr": {"conv1": 0.1}}), (5, {"layer_lr": {}})]),
    "rates of layers later": ({"optimizer": "sgd", "momentum": 0.9}, [(3, {"layer_lr": {"conv1": 0.1}, "frozen": ["bn1"]})]),
    "l1, clipping": ({}, [(1, {"l1": 1e-3}), (2, {"clip_norm": 0.1}), (5, {"clip_norm": 0.0, "l1": 0.0})]),
    "nesterov": ({"optimizer": "sgd", "momentum": 0.9}, [(2, {"nesterov": True}), (5, {"nesterov": False})]),
    "augmentation": (
        {"augmentation": {"shift": 1}}, [(2, {"augmentation": {"flip": True, "noise": 0.1}}), (5, {"augmentation": {}})],
    ),
    "mixup": ({}, [(2, {"mixup": 0.4}), (6, {"mixup": 0.0})]),
    "all at once": (
        {"epochs": 3, "optimizer": "sgd", "momentum": 0.5, "clip_norm": 1.0, "augmentation": {"flip": True}},
        [
            (2, {"batch_size": 16, "mixup": 0.3, "l1": 1e-4, "clip_norm": 0.3, "nesterov": True, "momentum": 0.9}),
            (6, {"frozen": ["conv1"], "augmentation": {"rotate": 9.0}, "layer_lr": {"fc1": 2.0}, "weight_decay": 0.01}),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
def test_whatever_was_changed_by_hand_is_repeated_to_the_bit(name: str) -> None:
    recipe, made = LIVE[name]
    changes = [Applied(step=step, change=Change.of(change)) for step, change in made]
    subject, training = trained(small_net(), Recipe.of({**SMALL, **recipe}), changes)
    assert training.changes == tuple(changes) == subject.changes
    assert subject.model is not None and subject.unlike == ()
    names = executed(subject)
    assert same(names["network"].state_dict(), subject.model.state) == []
    assert names["accuracy"] == subject.test_acc


@pytest.mark.parametrize("threads", [1, 2])
def test_batches_that_are_cut_anew_and_shared_out(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnlab.training.checks.PART_BYTES", 4 * 7000 * 20)  # a batch in several parts
    changes = [Applied(step=step, change=Change.of({"batch_size": size})) for step, size in ((1, 40), (4, 90))]
    subject, _training = trained(small_net(norm=False), Recipe.of({**SMALL, "threads": threads, "epochs": 3}), changes)
    assert subject.model is not None
    assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


def test_every_live_change_is_repeated() -> None:
    """A change that is new needs its code in the notebook, and its line in ``LIVE``, before it is known here."""
    assert REPEATED == Change.model_fields.keys()


def test_changes_that_fit_no_run_are_said() -> None:
    subject, _training = trained(small_net(), Recipe.of({**SMALL, "limit_train": 40, "epochs": 1}))
    assert subject.model is not None
    for change in ({"frozen": ["conv9"]}, {"momentum": 0.5}, {"batch_size": 0}, {"sharpness": 1}):
        log = [{"step": 0, "lr": 0.01}, {"step": 0, **change}]
        about = subject.model.about.model_copy(update={"result": {"changes": log, "test_acc": 0.5}})
        strange = of_model(Model(subject.model.description.model_copy(update={"about": about}), subject.model.state))
        assert strange.changes == ()
        assert ["changed by hand while it ran (2 times)" in str(note) for note in strange.unlike] == [True]


@pytest.mark.parametrize("told", [5, [5], [{"lr": 1}], [{"step": 1}], [{"step": 1, "lr": "x"}], "ab", {"step": 1}])
def test_a_strange_log_of_changes_is_no_log(told: Any) -> None:
    assert repeatable({"changes": told}) is None


def test_rounded_weights_are_tested_as_they_are_kept() -> None:
    subject, training = trained(small_net(), Recipe.of(SMALL))
    assert subject.model is not None
    state = {name: tensor.half() if tensor.dim() > 1 else tensor for name, tensor in subject.model.state.items()}
    rounded = Model(subject.model.description, state)
    assert same(executed(of_model(rounded))["network"].state_dict(), rounded.state) == []


def test_a_preset_brings_its_recipe_and_its_data() -> None:
    preset = PRESETS["article-003-keras"]
    subject = of_network(preset.architecture, Recipe.of(preset.recipe), preset.data)
    file, notes = to_notebook(subject)
    assert "SHOWN" not in cells(file)[-1]
    assert ["leaves precision, memory_format, threads to the machine" in str(note) for note in notes] == [True]


def test_what_cannot_be_trained_is_said() -> None:
    with pytest.raises(RecipeError, match="nobody said how this network is trained"):
        to_notebook(of_network(small_net()))
    with pytest.raises(DataError, match="no data set called nowhere"):
        to_notebook(of_network(small_net(), Recipe(), "nowhere"))
    with pytest.raises(CnnLabError, match="the pictures of cifar10-sample are 3x32x32"):
        to_notebook(of_network(small_net(), Recipe(), "cifar10-sample"))
    subject, _training = trained(small_net(), Recipe.of({**SMALL, "limit_train": 40, "epochs": 1}))
    with pytest.raises(DataError, match="not those that this model learned from"):
        to_notebook(replace(subject, data="mnist", data_hash="0" * 64))


BLOCKS = [
    name
    for name, preset in PRESETS.items()
    if preset.architecture.input_shape in ((1, 28, 28), (1, 32, 32)) and not preset.architecture.is_flat
]


@pytest.mark.parametrize("name", [*BLOCKS, "lenet5-1998"])
def test_a_preset_with_blocks_ends_alike(name: str) -> None:
    preset = PRESETS[name]
    given = {**preset.recipe, "epochs": 1, "limit_train": 40, "batch_size": 16}
    recipe = Recipe.of({**given, **{key: SMALL[key] for key in ("precision", "memory_format", "threads")}})
    subject, training = trained(preset.architecture, recipe)
    assert subject.model is not None
    assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


def test_blocks_with_dropout_clipping_and_a_softmax_inside() -> None:
    drop = make_layer("Dropout2d", p=0.3)
    way = Sequence(layers=(make_layer("Conv2d", out_channels=4, padding=1), drop), repeat=2)
    architecture = Architecture(
        input_shape=(1, 28, 28),
        layers=(
            Sequence(name="stem", layers=(make_layer("Conv2d", out_channels=4, stride=2),)),
            Branches(branches=(way, Sequence(layers=(make_layer("Dropout"),)), Sequence()), join="add"),
            Residual(layers=(make_layer("Conv2d", out_channels=6, stride=2, padding=1), drop), shortcut="pad"),
            Sequence(
                name="head",
                layers=tuple(map(make_layer, ("AdaptiveAvgPool2d", "Flatten", "Dropout", "Linear", "Softmax"))),
            ),
        ),
    )
    for memory_format in ("channels_last", "contiguous"):
        recipe = Recipe.of(
            {**SMALL, "memory_format": memory_format, "clip_norm": 0.1, "optimizer": "sgd", "whiten": True}
        )
        subject, training = trained(architecture, recipe)
        assert subject.model is not None
        assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


def test_drawn_codes() -> None:
    layers = [make_layer("Flatten"), make_layer("Linear", out_features=12), make_layer("Tanh"), RARE["RBF"]()]
    subject, training = trained(Architecture(input_shape=(1, 28, 28), layers=tuple(layers)), Recipe.of(SMALL))
    assert subject.model is not None
    assert same(executed(subject)["network"].state_dict(), subject.model.state) == []


def test_the_notebook_carries_out_every_field_of_a_recipe() -> None:
    """A field that is new needs its code in the notebook, and its line in ``RECIPES``, before it is known here."""
    assert Recipe.model_fields.keys() | Augmentation.model_fields.keys() == KNOWN_FIELDS


def test_a_model_has_its_notebook_where_its_data_is_not() -> None:
    model = resolve(ModelRef("bundled:cifar-blocks"))
    file, notes = to_notebook(of_model(model))
    data = cells(file)[1]
    assert 'datasets.CIFAR10("data", train=train, download=True)' in data and model.about.data_hash in data
    assert notes == ()


def test_a_field_that_the_notebook_does_not_know_is_said() -> None:
    class Later(Recipe):
        sharpness: float = 0.0

    assert unknown_fields(Later(lr=0.5)) == []
    assert unknown_fields(Later(sharpness=0.5)) == ["sharpness"]


def test_a_model_that_was_made_otherwise_says_so() -> None:
    subject, _training = trained(small_net(), Recipe.of({**SMALL, "limit_train": 40, "epochs": 1}))
    assert subject.model is not None and subject.unlike == ()
    description = subject.model.description
    for result, says in (
        ({"made_from": "another", "compressed": "pruning"}, "(compressed: pruning, made_from: another)"),
        ({"test_acc": 0.5, "parent": "0" * 16, "parent_step": 7}, "that run is no longer here"),
        ({"step": 3, "steps": 9}, "taken at step 3 of 9"),
    ):
        about = description.about.model_copy(update={"result": result})
        model = Model(description.model_copy(update={"about": about}), subject.model.state)
        assert [says in str(note) for note in of_model(model).unlike] == [True]


def test_what_a_strange_model_says_never_becomes_code() -> None:
    model = resolve(ModelRef("bundled:cifar-blocks"))
    evil = '"); import os  # '

    def noted(**fields: Any) -> Subject:
        about = model.about.model_copy(update=fields)
        return of_model(Model(model.description.model_copy(update={"about": about}), model.state))

    with pytest.raises(DataError):
        to_notebook(noted(data=evil))
    with pytest.raises(DataError):
        to_notebook(noted(data_hash=evil))
    log = [{"step": 1, "dropout": {evil: 0.5}}, {"step": 2, evil: 1}]
    file, _notes = to_notebook(noted(name=evil, result={"test_acc": 0.5, "changes": log[:1], evil: "![](http://x)"}))
    for source in cells(file):
        imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import)]
        assert all(alias.name != "os" for node in imported for alias in node.names)
    assert repeatable({"changes": log}) is None
    assert "![" not in json.loads(file)["cells"][0]["source"][4]


def test_the_notebook_speaks_the_learners_language() -> None:
    set_language("zh_CN")
    file, _notes = to_notebook(of_network(small_net(), Recipe.of(SMALL), "fashion_mnist-sample"))
    notebook = nbformat.reads(file.decode(), as_version=4)
    nbformat.validate(notebook)
    told = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert all(re.search(r"[\u4e00-\u9fff]", source) for source in told)
