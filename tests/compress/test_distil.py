"""Distillation: the loss is the paper's, and a pupil that listens learns more than one that does not."""

import pytest
import torch
import torch.nn.functional as F

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from cnnlab.compress.distil import Distilling, Lesson, lesson_loss
from cnnlab.compress.tuning import learned
from cnnlab.data.loader import load
from cnnlab.description import bundled_path
from cnnlab.errors import ModelError, RecipeError
from cnnlab.model import Model
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe
from tests.compress.makers import HEAD, model_of

PUPIL = Architecture(
    name="pupil",
    input_shape=(1, 28, 28),
    layers=(Conv2d(out_channels=4, kernel_size=5, stride=2), ReLU(), MaxPool2d(), Flatten(), Linear(out_features=10)),
)
SHORT = Recipe(epochs=1, batch_size=64, lr=0.01, limit_train=640, precision="float32", memory_format="contiguous")


@pytest.fixture(scope="module")
def teacher():
    return Model.load(bundled_path("mnist-sprint"))


def model_after(training):
    work = learned(training)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_the_loss_has_the_gradient_of_the_cross_entropy_with_soft_targets():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 10, generator=generator).requires_grad_()
    teacher, targets = torch.randn(6, 10, generator=generator) * 4, torch.randint(0, 10, (6,), generator=generator)
    t, s = 3.0, 0.6
    hard = F.cross_entropy(logits, targets)
    (got,) = torch.autograd.grad(
        lesson_loss(logits, teacher, hard, Lesson(temperature=t, soft=s)), logits, retain_graph=True
    )
    soft = -((teacher / t).softmax(1) * (logits / t).log_softmax(1)).sum(1).mean()
    (wanted,) = torch.autograd.grad((1 - s) * hard + s * t**2 * soft, logits)
    assert torch.allclose(got, wanted, atol=1e-6)
    same = lesson_loss(teacher, teacher, torch.tensor(0.0), Lesson(temperature=t, soft=1))
    assert float(same) == pytest.approx(0, abs=1e-5)


def test_who_does_not_listen_learns_as_if_alone(teacher):
    data = load("mnist")
    alone = model_after(Training(PUPIL, data, SHORT.changed(limit_train=192)))
    deaf = model_after(Distilling(PUPIL, data, SHORT.changed(limit_train=192), teacher, Lesson(soft=0)))
    assert all(torch.equal(alone.state[name], deaf.state[name]) for name in alone.state)


def test_who_listens_answers_more_like_the_teacher(teacher):
    data, recipe = load("mnist"), SHORT.changed(epochs=2)
    alone = model_after(Training(PUPIL, data, recipe))
    pupil = model_after(Distilling(PUPIL, data, recipe, teacher, Lesson(temperature=4, soft=0.9)))
    images = data.test.images[:500]
    wanted = (teacher.logits(images) / 4).softmax(1)

    def apart(model):
        return float(F.kl_div((model.logits(images) / 4).log_softmax(1), wanted, reduction="batchmean"))

    assert apart(pupil) < 0.8 * apart(alone)
    right = [int((model.logits(images).argmax(1) == data.test.targets[:500]).sum()) for model in (alone, pupil)]
    assert right[1] > 400


def test_with_the_teacher_alone_the_classes_do_not_count(teacher):
    data = load("mnist")
    training = Distilling(PUPIL, data, SHORT, teacher, Lesson(soft=1))
    x, targets = training._batch(torch.arange(32))
    others = targets.clone()
    others[:, 0] = (targets[:, 0] + 1) % 10
    loss, acc = training._judge(x, targets, 1.0)
    other, other_acc = training._judge(x, others, 1.0)
    assert torch.equal(loss, other) and not torch.equal(acc, other_acc)
    assert torch.allclose(targets[:, 1:], teacher.logits(training.images[:32]), atol=1e-5)


def test_a_batch_that_is_shared_out_teaches_the_same(teacher):
    one = Distilling(PUPIL, load("mnist"), SHORT.changed(threads=1), teacher, Lesson())
    two = Distilling(PUPIL, load("mnist"), SHORT.changed(threads=2), teacher, Lesson())
    index = torch.arange(64)
    assert one.learn(index, 0.01) == pytest.approx(two.learn(index, 0.01), rel=1e-5)
    for name, tensor in one.state().items():
        torch.testing.assert_close(tensor, two.state()[name], rtol=1e-3, atol=1e-5)


def test_a_teacher_that_does_not_fit_is_refused(teacher):
    data = load("mnist")
    with pytest.raises(RecipeError, match="mixup"):
        Distilling(PUPIL, data, SHORT.changed(mixup=0.2), teacher, Lesson())
    with pytest.raises(ModelError, match="12x12"):
        Distilling(PUPIL, data, SHORT, model_of(Conv2d(), ReLU(), *HEAD), Lesson())
    other = teacher.description.model_copy(update={"class_names": tuple("abcdefghij")})
    with pytest.raises(ModelError, match="a, b, c"):
        Distilling(PUPIL, data, SHORT, Model(other, teacher.state), Lesson())
