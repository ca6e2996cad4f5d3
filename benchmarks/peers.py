"""The same network, data and optimizer under skorch, Lightning and Keras 3 (torch backend), fed as their examples do.

Each gets the images as one float32 array that was scaled and normalised before the clock starts, which is kinder than
reading them one by one: skorch and Keras take arrays, Lightning a ``DataLoader`` over a ``TensorDataset``. All train
LeNet-5 of article 000 with Adam at batch 64 in float32, with torch's own number of threads.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.lenet import BATCH, LENET, STEPS, WARM
from cnnlab.build import build
from cnnlab.data.dataset import DataSet
from cnnlab.description import Preprocessing
from cnnlab.training.loop import generator_for

LR = 1e-3


def peers(dataset: DataSet) -> dict[str, Callable[[], float] | str]:
    """Return for each peer a function that returns its images/s, or why it cannot be measured."""
    preprocessing = Preprocessing.of(LENET, dataset)
    count = STEPS * BATCH
    x, y = preprocessing.apply(dataset.train.images[:count]), dataset.train.targets[:count]
    found: dict[str, Callable[[], float] | str] = {}
    for name, make in (("skorch", _skorch), ("Lightning", _lightning), ("Keras 3", _keras)):
        try:
            found[name] = make(x, y)
        except ImportError:
            found[name] = f"{name} is not installed (benchmarks/requirements.txt)"
    return found


def _network() -> nn.Module:
    return build(LENET, generator_for(0, "init"))


def _speed(train: Callable[[Tensor, Tensor], Any], x: Tensor, y: Tensor) -> float:
    """Return images/s of ``train`` over all of ``x``, after a warm-up on a few batches."""
    train(x[: WARM * BATCH], y[: WARM * BATCH])
    began = perf_counter()
    train(x, y)
    return len(y) / (perf_counter() - began)


def _skorch(x: Tensor, y: Tensor) -> Callable[[], float]:
    from skorch import NeuralNetClassifier

    def run() -> float:
        net = NeuralNetClassifier(
            _network(), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=LR, batch_size=BATCH,
            max_epochs=1, train_split=None, iterator_train__shuffle=True, verbose=0, warm_start=True,
        )  # fmt: skip
        return _speed(lambda a, b: net.fit(a.numpy(), b.numpy()), x, y)

    return run


def _lightning(x: Tensor, y: Tensor) -> Callable[[], float]:
    import lightning

    class Lit(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = _network()

        def training_step(self, batch: Any, _index: int) -> Tensor:
            images, targets = batch
            return F.cross_entropy(self.network(images), targets)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=LR)

    class Clock(lightning.Callback):
        """From the first batch of the epoch to its end: what comes before is Lightning's set-up, not its training."""

        def on_train_epoch_start(self, *_: Any) -> None:
            self.began = perf_counter()

        def on_train_epoch_end(self, *_: Any) -> None:
            self.took = perf_counter() - self.began

    def run() -> float:
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        module, clock = Lit(), Clock()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for count in (WARM * BATCH, len(y)):
                trainer = lightning.Trainer(
                    max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=[clock],
                    enable_progress_bar=False, enable_model_summary=False,
                )  # fmt: skip
                trainer.fit(module, DataLoader(TensorDataset(x[:count], y[:count]), batch_size=BATCH, shuffle=True))
        return len(y) / clock.took

    return run


def _keras(x: Tensor, y: Tensor) -> Callable[[], float]:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    def run() -> float:
        pool = {"pool_size": 2, "data_format": "channels_first"}
        conv = {"activation": "relu", "data_format": "channels_first"}
        model = keras.Sequential([
            keras.layers.Input((1, 32, 32)),
            keras.layers.Conv2D(6, 5, **conv), keras.layers.MaxPooling2D(**pool),
            keras.layers.Conv2D(16, 5, **conv), keras.layers.MaxPooling2D(**pool),
            keras.layers.Flatten(), keras.layers.Dense(120, activation="relu"),
            keras.layers.Dense(84, activation="relu"), keras.layers.Dense(10),
        ])  # fmt: skip
        model.compile(keras.optimizers.Adam(LR), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return _speed(lambda a, b: model.fit(a.numpy(), b.numpy(), batch_size=BATCH, epochs=1, verbose=0), x, y)

    return run
