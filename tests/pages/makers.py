"""Runs that are over, on the disk, without training any: what pages choose among."""

from cnnlab.model import Model
from cnnlab.runs.snapshot import Snapshot
from cnnlab.runs.store import Store, new_id
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace


def keep_run(space: Workspace, model: Model, *, created: float = 1.0, weights: bool = True, **changes) -> str:
    """Keep a run of ``space`` that has ``model`` as its weights; return its id."""
    values = {
        "id": new_id(), "name": model.architecture.name, "owner": space.owner, "state": "done",
        "net": model.architecture.name, "data": model.about.data or "mnist", "data_hash": "", "step": 10, "steps": 10,
        "epoch": 1, "epochs": 1, "images_per_s": 1.0, "train_s": 1.0, "time_left_s": None, "train_loss": 0.1,
        "train_acc": 0.9, "val_loss": 0.1, "val_acc": 0.9, "test_loss": 0.1, "test_acc": 0.9, "error": None,
        "recipe": Recipe(), "architecture_key": model.architecture.key, "created": created,
    }  # fmt: skip
    run = Snapshot(**{**values, **changes})
    store = Store()
    store.adopt(run, [], model.to_bytes() if weights else None)
    store.close()
    return run.id
