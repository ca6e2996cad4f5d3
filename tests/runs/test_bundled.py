"""The bundled models are what their metadata says: trained by a recipe, tested, small, and as good as recorded."""

import struct

import pytest

from cnnlab.architecture.presets import PRESETS
from cnnlab.data.loader import load
from cnnlab.description import bundled_models, bundled_path
from cnnlab.model import ModelRef
from cnnlab.runs import resolve
from cnnlab.training.recipe import Recipe

PROMISED = {"mnist-sprint": 0.993, "article-003-keras": 0.985, "article-000-lenet5": 0.98, "cifar-blocks": 0.90}


def test_all_that_are_promised_are_there():
    assert set(PROMISED) <= set(bundled_models())


@pytest.mark.parametrize("name", PROMISED)
def test_it_says_where_it_comes_from(name):
    model = resolve(ModelRef(f"bundled:{name}"))
    about = model.about
    assert model.architecture == PRESETS[name].architecture
    assert (
        Recipe.of(about.recipe).model_dump(mode="json").items()
        >= {name: value for name, value in about.recipe.items() if name != "augmentation"}.items()
    )
    assert about.result["test_acc"] >= PROMISED[name]
    assert f"--net {name} " in about.result["command"]
    assert about.data == PRESETS[name].data
    header = struct.unpack("<Q", bundled_path(name).read_bytes()[:8])[0]
    assert header < bundled_path(name).stat().st_size < 1_000_000


@pytest.mark.parametrize("name", [name for name in PROMISED if name != "cifar-blocks"])
def test_it_reaches_its_accuracy_on_the_mnist_test_set(name):
    model, mnist = resolve(ModelRef(f"bundled:{name}")), load("mnist")
    assert model.about.data_hash == mnist.hash
    acc = (model.probs(mnist.test.images).argmax(1) == mnist.test.targets).double().mean().item()
    assert acc == pytest.approx(
        model.about.result["test_acc"], abs=2e-4
    )  # two images: other machines round differently


def test_cifar_blocks_recognises_the_sample_of_the_test_set():
    model, sample = resolve(ModelRef("bundled:cifar-blocks")), load("cifar10-sample")
    assert model.class_names == sample.class_names
    right = (model.probs(sample.test.images).argmax(1) == sample.test.targets).double().mean().item()
    assert right >= 0.89  # 1,000 of the 10,000 images: 91.3 % of them where it was made
