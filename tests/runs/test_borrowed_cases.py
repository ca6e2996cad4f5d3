"""The three ways to borrow that need no internet, from the data to the test accuracy, as a learner goes them."""

import pytest
import torch
from PIL import Image

from cnnlab.architecture.head import fitting, head
from cnnlab.data import loader
from cnnlab.data.drawings import make_set
from cnnlab.data.sources import import_path
from cnnlab.description import ModelRef
from cnnlab.errors import DataError
from cnnlab.model import Model
from cnnlab.runs import Engine, RunSpec, resolve
from cnnlab.training.recipe import Recipe
from cnnlab.training.transfer import Start
from cnnlab.workspace import Workspace, new_id

RECIPE = Recipe(epochs=8, batch_size=8, lr=0.003, full_train=True, precision="float32", threads=1, seed=1)


@pytest.fixture
def lab(lab_home):
    found = Engine(slots=1)
    yield found
    found.close()


def learned(lab, model, data, frozen=True, recipe=RECIPE):
    """Return the run that learns ``data`` with the body of a bundled model and a new last layer, and its model."""
    source, dataset = resolve(ModelRef(f"bundled:{model}")), loader.load(data)
    network = fitting(source.architecture, dataset.image_shape, len(dataset.class_names))
    last = head(network)
    body = tuple(row.name for row in network.trace().rows if row.num_params and row.name != last)
    start = Start(model=f"bundled:{model}", fresh=(last,), frozen=body if frozen else ())
    id = lab.submit(RunSpec(architecture=network, data=data, recipe=recipe, start=start))
    ended = lab.wait(id, 120)
    assert ended.state == "done", str(ended.error)
    assert ended.start.taken == body
    result = Model.from_bytes(lab.model(id))
    for name in body if frozen else ():
        for key, tensor in result.state.items():
            if key.startswith(name + "."):
                assert torch.equal(tensor, source.state[key])
    return ended, result


def test_digits_to_clothes(lab):
    few = RECIPE.changed(limit_per_class=10, epochs=6, batch_size=20)
    ended, model = learned(lab, "mnist-sprint", "fashion_mnist-sample", recipe=few)
    assert ended.images == 100 and model.class_names == loader.load("fashion_mnist-sample").class_names
    assert ended.test_acc > 0.6


def test_digits_to_drawings_of_ones_own(lab):
    space, digits = Workspace(new_id()), loader.load("mnist").test
    for name, target in (("hook", 7), ("ring", 0), ("stick", 1)):
        for index in digits.of_class(target)[:12].tolist():
            space.save_drawing(digits.images[index, 0].numpy(), class_name=name)
    made = make_set(space.drawings(), ["ring", "stick", "hook"], space.owner)
    ended, model = learned(lab, "mnist-sprint", made.name)
    assert model.class_names == ("ring", "stick", "hook") and ended.test_acc == 1.0
    seen = digits.images[digits.of_class(0)[50:90]]
    assert (model.logits(seen).argmax(1) == 0).float().mean() > 0.9


def test_photographs_to_two_classes_from_folders(lab, tmp_path):
    cifar = loader.load("cifar10-sample")
    for name, target in (("lorry", 9), ("frog", 6)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for place, index in enumerate(cifar.test.of_class(target)[:20].tolist()):
            picture = Image.fromarray(cifar.test.images[index].permute(1, 2, 0).numpy())
            picture.resize((48, 40)).save(tmp_path / "mine" / name / f"{place}.png")
    made = import_path(tmp_path / "mine", "lorries-and-frogs")
    ended, model = learned(lab, "cifar-blocks", made.name)
    assert made.image_shape == (3, 32, 32) and model.class_names == ("frog", "lorry")
    assert ended.test_acc >= 0.8


def test_a_run_on_a_drawn_set_that_is_gone_says_so_and_keeps_its_model(lab):
    space = Workspace(new_id())
    for place, image in enumerate(loader.load("mnist").test.images[:8, 0]):
        space.save_drawing(image.numpy(), class_name=("heart", "star")[place % 2])
    made = make_set(space.drawings(), ["heart", "star"], space.owner)
    few = RECIPE.changed(epochs=1, batch_size=2)
    ended, model = learned(lab, "mnist-sprint", made.name, recipe=few)
    space.delete()
    for again in (lambda: lab.branch(ended.id, 0), lambda: learned(lab, "mnist-sprint", made.name, recipe=few)):
        with pytest.raises(DataError, match="^this data set of drawings is gone"):
            again()
    assert Model.from_bytes(lab.model(ended.id)).class_names == ("heart", "star")
