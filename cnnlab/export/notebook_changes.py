"""The cells of an exported notebook that repeat what was changed by hand while the run learned."""

from __future__ import annotations

from cnnlab.export.notebook_code import Plan, variation
from cnnlab.training.checks import part_size

HAS_BUFFERS = ("sgd", "rmsprop")
"""The optimizers that keep a direction, so that a layer that was frozen needs one when it moves again."""

Lines = list[str]


def changes(plan: Plan) -> str:
    """Return the cell that makes each change after as many steps as it was made in the lab."""
    parts = [head for fields, head in _HEADS if fields & plan.changed]
    if plan.changed & {"momentum", "frozen"} and plan.recipe.optimizer in HAS_BUFFERS:
        parts.append(_SET_MOMENTUM.format(moved="True" if plan.recipe.optimizer == "sgd" else "state"))
    parts = [part.strip("\n") for part in parts]
    values = [f"{name} = {value!r}" for name, value in _values(plan).items()]
    if values:
        parts.insert(0, "\n".join(values))
    return "\n\n\n".join([*parts, "\n".join(_change(plan))])


def _values(plan: Plan) -> dict[str, object]:
    """Return the numbers that are changed later, as they are at first."""
    recipe = plan.recipe
    found: dict[str, object] = {
        name.upper(): getattr(recipe, name) for name in ("l1", "clip_norm", "mixup") if name in plan.changed
    }
    if plan.changed & {"momentum", "frozen"} and recipe.optimizer in HAS_BUFFERS:
        found["MOMENTUM"] = recipe.momentum
    if "batch_size" in plan.changed:
        found["PART"] = plan.part
    return found


def _change(plan: Plan) -> Lines:
    names = ["LR", *_values(plan)]
    if "batch_size" in plan.changed:
        names.append("BATCH_SIZE")
    if "augmentation" in plan.changed:
        names.append("vary")
    lines = [
        "def change(step):",
        '    """Change what was changed after so many steps."""',
        f"    global {', '.join(names)}",
    ]
    recipe = plan.recipe
    for applied in plan.changes:
        fields = applied.change.model_fields_set & applied.change.values().keys()
        recipe = applied.change.recipe(recipe)
        lines.append(f"    if step == {applied.step}:")
        if "frozen" in fields:
            lines.append(f"        freeze({list(applied.change.frozen or ())!r})")
        for name, p in (applied.change.dropout or {}).items():
            lines.append(f"        network.get_submodule({name!r}).p = {p!r}")
        for name, target in (("lr", "LR"), ("l1", "L1"), ("clip_norm", "CLIP_NORM"), ("mixup", "MIXUP")):
            if name in fields:
                lines.append(f"        {target} = {getattr(recipe, name)!r}")
        for name in ("weight_decay", "nesterov"):
            if name in fields:
                lines += [
                    "        for group in optimizer.param_groups:",
                    f'            group["{name}"] = {getattr(recipe, name)!r}',
                ]
        if "momentum" in fields:
            lines.append(f"        MOMENTUM = {recipe.momentum!r}")
        if fields & {"momentum", "frozen"} and recipe.optimizer in HAS_BUFFERS:
            lines.append("        set_momentum(MOMENTUM)")
        if "layer_lr" in fields:
            lines.append(f"        set_factors({recipe.layer_lr!r})")
        if "augmentation" in fields:
            lines += [f"        {line}" if line else "" for line in ["", *variation(recipe.augmentation).splitlines()]]
        if "batch_size" in fields:
            part = part_size(plan.architecture, recipe.batch_size + 1)
            lines += [f"        BATCH_SIZE, PART = min({recipe.batch_size}, len(targets)), {part}", "        cut()"]
    return lines


_FREEZE = '''
frozen = []


def freeze(names):
    """Let just these layers stand still, weights and running statistics."""
    global frozen
    frozen = names
    still = {id(parameter) for name in names for parameter in network.get_submodule(name).parameters()}
    for parameter in learning:
        parameter.requires_grad_(id(parameter) not in still)
        parameter.grad = None
    to_learn()


def to_learn():
    """Put the network into training mode, except for its frozen layers."""
    network.train()
    for name in frozen:
        network.get_submodule(name).eval()
'''

_SET_MOMENTUM = '''
def set_momentum(momentum):
    """Go on with this momentum; none forgets the direction that was kept."""
    for group in optimizer.param_groups:
        group["momentum"] = momentum
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if momentum == 0:
                state.pop("momentum_buffer", None)
            elif {moved}:
                state.setdefault("momentum_buffer", torch.zeros_like(parameter.data))
'''

_SET_FACTORS = '''
def set_factors(factors):
    """Give layers other learning rates of their own: what the learning rate is multiplied by."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    groups = {}
    for name, parameter in network.named_parameters():
        if id(parameter) in held:
            groups.setdefault(factors.get(name.rpartition(".")[0], 1.0), []).append(parameter)
    options = {name: value for name, value in optimizer.param_groups[0].items() if name not in ("params", "factor")}
    optimizer.param_groups[:] = [
        {"params": parameters, "factor": factor, **options} for factor, parameters in groups.items()
    ]
'''

_CUT = '''
step = begun = begin = planned = left = 0  # steps done; epochs begun; of this one: images used up, planned, steps to come


def cut():
    """Cut what is left of the epoch into batches of the present size: no image is left out or seen twice."""
    global STEPS_PER_EPOCH, STEPS, left
    STEPS_PER_EPOCH = len(targets) // BATCH_SIZE
    STEPS = EPOCHS * STEPS_PER_EPOCH  # had it been so from the beginning
    whole, rest = divmod(planned - begin, BATCH_SIZE)
    left = whole + (rest > 1 or (rest == 1 and whole == 0))
'''

_HEADS = (({"frozen"}, _FREEZE), ({"layer_lr"}, _SET_FACTORS), ({"batch_size"}, _CUT))
"""What the code needs where these fields are changed."""
