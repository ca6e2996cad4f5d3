"""Distillation: a small network learns from what a large one answers, not from the classes alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.data.augment import augment
from cnnlab.data.dataset import DataSet
from cnnlab.errors import ModelError, RecipeError
from cnnlab.i18n import N_
from cnnlab.model import Model
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe


class Lesson(BaseModel):
    """How much a small network listens to the large one, and how softly that speaks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(
        4.0,
        gt=0,
        le=100,
        title=N_("Temperature"),
        description=N_("The logits are divided by it: the larger it is, the more the unlikely classes count."),
    )
    soft: float = Field(
        0.7,
        ge=0,
        le=1,
        title=N_("Weight of the teacher"),
        description=N_("0: only the true classes count; 1: only what the large network answers."),
    )


def lesson_loss(logits: Tensor, teacher: Tensor, hard: Tensor, lesson: Lesson) -> Tensor:
    """Return the loss of a batch.

        (1 - s) * hard + s * T^2 * sum_k q_k log(q_k / p_k),  p = softmax(logits / T), q = softmax(teacher / T)

    T^2 keeps the gradient of the second part as large as it is at T = 1.

    Shape:
        logits, teacher: (N, K) float.
        hard: (), the loss on the true classes.

    Source: Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 2 (there the cross-entropy with q, which has the same gradient).
    """
    t = lesson.temperature
    soft = F.kl_div((logits / t).log_softmax(1), (teacher / t).log_softmax(1), reduction="batchmean", log_target=True)
    return (1 - lesson.soft) * hard + lesson.soft * t * t * soft


class Distilling(Training):
    """A run whose loss listens to ``teacher``, who sees each picture as it was varied for the pupil.

    Args:
        architecture: the small network, which begins anew.
        dataset: what it learns from.
        recipe: how; its loss is the one on the true classes.
        teacher: the large network; it does not change.
        lesson: how much it counts.

    Raises:
        ModelError: the teacher knows other classes, or looks at pictures of another shape.
        RecipeError: the recipe lays images over each other (mixup).
        Also what ``Training`` raises.
    """

    def __init__(
        self, architecture: Architecture, dataset: DataSet, recipe: Recipe, teacher: Model, lesson: Lesson
    ) -> None:
        if teacher.class_names != dataset.class_names:
            raise ModelError(
                "the teacher knows the classes {theirs}, the data has {ours}; they must be the same, in the same order",
                theirs=", ".join(teacher.class_names[:12]),
                ours=", ".join(dataset.class_names[:12]),
            )
        if teacher.preprocessing.data_shape != dataset.image_shape:
            raise ModelError(
                "this model looks at pictures of {wanted}, but {given} arrives",
                wanted="x".join(map(str, teacher.preprocessing.data_shape)),
                given="x".join(map(str, dataset.image_shape)),
            )
        if recipe.mixup:
            raise RecipeError("mixup: a teacher answers for whole images here; use mixup 0")
        super().__init__(architecture, dataset, recipe)
        self._teacher, self._teaching, self._lesson = teacher.copy_network(), teacher.preprocessing, lesson

    def _batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pictures and, for each, its class and behind it the teacher's logits: (N, 1 + K) float."""
        images = augment(self.images.index_select(0, index), self.recipe.augmentation, self._generators["augmentation"])
        with torch.no_grad(), self._autocast():
            answers = self._teacher.logits(self._teaching.apply(images)).float()
        classes = self.targets.index_select(0, index)[:, None].float()
        return self.input_of(images), torch.cat([classes, answers], 1)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        hard = super()._loss(logits, self._classes(targets))
        return lesson_loss(logits, targets[:, 1:], hard, self._lesson)

    def _classes(self, targets: Tensor) -> Tensor:
        return targets[:, 0].long()
