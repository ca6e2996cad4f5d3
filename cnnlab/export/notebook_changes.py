"""The cells of an exported notebook that repeat what was changed by hand while the run learned."""

from __future__ import annotations

from cnnlab.architecture.layers import Dropout, Dropout2d
from cnnlab.export.branched import standing_at
from cnnlab.export.notebook_code import Plan, variation
from cnnlab.training.checks import part_size

HAS_BUFFERS = ("sgd", "rmsprop")
"""The optimizers that keep a direction, so that a layer that was frozen needs one when it moves again."""

Lines = list[str]


def changes(plan: Plan) -> str:
    """Return the cell that makes each change after as many steps as it was made in the lab."""
    parts = [head for name, head in _HEADS.items() if _needs(plan, name)]
    if (plan.earlier or plan.changed & {"momentum", "frozen"}) and plan.recipe.optimizer in HAS_BUFFERS:
        parts.append(_SET_MOMENTUM.format(moved="True" if plan.recipe.optimizer == "sgd" else "state"))
    parts = [part.strip("\n") for part in parts]
    values = [f"{name} = {value!r}" for name, value in _values(plan).items()]
    if values:
        parts.insert(0, "\n".join(values))
    if plan.earlier is not None:
        parts.append("\n".join(_taken_over(plan)))
    return "\n\n\n".join([*parts, "\n".join(_change(plan))] if plan.changes else parts)


def _needs(plan: Plan, name: str) -> bool:
    """Return whether the code needs what ``_HEADS`` has under ``name``, and has not got it from a run before."""
    if name == "batch_size":
        return plan.anew and plan.earlier is None
    if name == "frozen":
        return plan.ever("frozen")
    return name in plan.changed or (plan.earlier is not None and bool(plan.recipe.layer_lr))


def _taken_over(plan: Plan) -> Lines:
    """Return the lines with which a branch begins: as the lab's goes on from a kept moment."""
    recipe, lines = plan.recipe, []
    stands = standing_at(plan.changes, plan.earlier.until or 0) if plan.earlier else None
    if recipe.layer_lr:
        lines.append(f"set_factors({recipe.layer_lr!r})")
    if recipe.optimizer in HAS_BUFFERS:
        lines.append(f"set_momentum({recipe.momentum!r})")
    if plan.ever("frozen"):
        lines.append(f"freeze({list((stands and stands.frozen) or ())!r})")
    if plan.ever("dropout"):
        now = (stands and stands.dropout) or {}
        for row in plan.architecture.trace().rows:
            if isinstance(row.layer, (Dropout, Dropout2d)):
                lines.append(f"network.get_submodule({row.name!r}).p = {now.get(row.name, row.layer.p)!r}")
    return [*lines, "cut_anew()"]


def _values(plan: Plan) -> dict[str, object]:
    """Return the numbers that are changed later, as they are at first."""
    recipe = plan.recipe
    found: dict[str, object] = {
        name.upper(): getattr(recipe, name) for name in ("l1", "clip_norm", "mixup") if name in plan.changed
    }
    if plan.changed & {"momentum", "frozen"} and recipe.optimizer in HAS_BUFFERS:
        found["MOMENTUM"] = recipe.momentum
    if plan.anew:
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
            lines += [
                f"        BATCH_SIZE, PART = min({recipe.batch_size}, len(targets)), {part}",
                "        cut_anew()",
            ]
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


def cut_anew():
    """Cut what is left of the epoch into batches of the present size: no image is left out or seen twice."""
    global STEPS_PER_EPOCH, STEPS, left
    STEPS_PER_EPOCH = len(targets) // BATCH_SIZE
    STEPS = EPOCHS * STEPS_PER_EPOCH  # had it been so from the beginning
    whole, rest = divmod(planned - begin, BATCH_SIZE)
    left = whole + (rest > 1 or (rest == 1 and whole == 0))
'''

_HEADS = {"frozen": _FREEZE, "layer_lr": _SET_FACTORS, "batch_size": _CUT}
"""What the code needs where these fields are changed."""
