"""The next step of a run is told with what its optimizer remembers: torch's own optimizer, given the same, is the judge."""

import pytest
import torch

from cnnlab.architecture import Address
from cnnlab.description import ModelRef
from cnnlab.insight.backwards import memory_of, walk
from cnnlab.runs import engine, resolve
from cnnlab.training.checkpoint import Checkpoint
from cnnlab.training.optim import learning_rate, make_optimizer, remembered
from tests.insight.makers import picture_for
from tests.runs.labs import spec

RECIPES = [{"optimizer": "adam", "schedule": "one_cycle"}, {"optimizer": "sgd", "momentum": 0.9, "schedule": "cosine"}]
WEIGHTS = ("conv1.weight[1,0,1,1]", "fc1.bias[3]")


def ended(**recipe):
    asked = spec()
    id = engine().submit(asked.model_copy(update={"recipe": asked.recipe.changed(**recipe)}))
    assert engine().wait(id, 60).state == "done"
    return id


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe["optimizer"])
def test_the_next_step_of_a_kept_moment_is_that_of_torchs_optimizer_with_its_memory(lab_home, recipe):
    id = ended(**recipe)
    middle = [info.step for info in engine().checkpoints(id)][1:-1]
    ref = ModelRef(f"run:{id}", middle[len(middle) // 2])
    model = resolve(ref)
    memory = memory_of(ref, model)
    run = engine().snapshot(id)
    assert memory is not None and memory.step == ref.step and not memory.last
    assert memory.lr == pytest.approx(learning_rate(run.recipe, ref.step, run.steps, run.steps // run.recipe.epochs))
    images, targets = torch.stack([picture_for(model, seed) for seed in range(4)]), torch.tensor([0, 1, 2, 3])
    for steps in (0, 2):
        network = model.copy_network().requires_grad_(True)
        optimizer = make_optimizer(network.parameters(), memory.recipe)
        for name, parameter in network.named_parameters():
            state = {
                key.rpartition("/")[2]: one.clone() for key, one in memory.tensors.items() if key.startswith(f"{name}/")
            }
            assert state
            optimizer.state[parameter] = state
        optimizer.param_groups[0]["lr"] = memory.lr
        here = walk(model, images, targets, None, steps, training=False, memory=memory)
        for _step in range(steps + 1):
            optimizer.zero_grad()
            logits = network.logits(model.preprocessing.apply(images))
            smoothing = memory.recipe.label_smoothing
            torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing).backward()
            optimizer.step()
        wanted, known = network.state_dict(), remembered(network, optimizer)
        for weight in WEIGHTS:
            told, at = here.next_step(weight), Address.parse(weight)
            name = f"{at.layer}.{at.tensor}"
            assert told.number == ref.step + steps + 1 and told.remembered and told.lr == memory.lr
            assert told.after == pytest.approx(float(wanted[name][at.index]), rel=1e-5, abs=1e-6)
            for key, value in told.remembers.items():
                tensor = known[f"{name}/{key}"]
                assert value == pytest.approx(
                    float(tensor if tensor.dim() == 0 else tensor[at.index]), rel=1e-4, abs=1e-7
                )


def test_at_the_end_of_a_run_the_learning_rate_is_that_of_its_last_step(lab_home):
    id = ended(optimizer="adam", schedule="one_cycle")
    ref = ModelRef(f"run:{id}")
    memory = memory_of(ref, resolve(ref))
    run = engine().snapshot(id)
    assert memory is not None and memory.last and memory.step == run.steps
    assert memory.lr == pytest.approx(
        learning_rate(run.recipe, run.steps - 1, run.steps, run.steps // run.recipe.epochs)
    )
    kept = Checkpoint.from_bytes(engine().checkpoint(id, run.steps))
    assert memory.tensors.keys() == kept.under("optimizer").keys() != set()


def test_there_is_no_memory_for_other_weights_and_for_a_model_of_no_run(lab_home):
    id = ended()
    first = ModelRef(f"run:{id}", engine().checkpoints(id)[0].step)
    last = ModelRef(f"run:{id}")
    assert memory_of(first, resolve(last)) is None
    bundled = ModelRef("bundled:mnist-sprint")
    assert memory_of(bundled, resolve(bundled)) is None
    fresh = memory_of(first, resolve(first))
    assert fresh is not None and fresh.step == 0 and not fresh.tensors
