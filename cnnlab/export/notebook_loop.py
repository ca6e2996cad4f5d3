"""The cells of an exported notebook that train and test."""

from __future__ import annotations

from cnnlab.export.notebook_code import Plan, padded
from cnnlab.training.checks import LEAST_SHARE, can_share

_LOOK = '''
@torch.no_grad()
def judge(images, targets):
    """Return loss and accuracy on images that the network does not learn from."""
    network.eval()
    total, right = 0.0, 0
    for some_images, some_targets in zip(images.split(500), targets.split(500)):
        {autocast}logits = network(prepare(some_images)).float()
        total += loss_of(logits, some_targets).item() * len(some_targets)
        right += int((logits.argmax(1) == some_targets).sum())
    network.train()
    return total / len(targets), right / len(targets)
'''

_HALF = 'with torch.autocast("cpu", torch.bfloat16):\n            '


def training(plan: Plan) -> str:
    """Return the cell that trains: each epoch in an order of its own, each step one batch."""
    recipe = plan.recipe
    half = recipe.precision == "bfloat16"
    parts = [_LOOK.format(autocast=_HALF if half else "").strip("\n")] if plan.whole_val else []
    state = ['order = chance("order")', "step = 0"]
    if recipe.schedule == "reduce_on_plateau":
        state += ["scale, least, waited = 1.0, None, 0  # of the learning rate; the smallest loss, and for how long"]
    if recipe.early_stopping:
        state += ["best, best_loss, worse = None, None, 0  # weights, their loss, epochs since"]
    lines = [
        *state,
        "for epoch in range(1, EPOCHS + 1):",
        "    shuffled = torch.randperm(len(targets), generator=order)",
        "    for begin in range(0, STEPS_PER_EPOCH * BATCH_SIZE, BATCH_SIZE):",
        "        index = shuffled[begin : begin + BATCH_SIZE]",
        *_step(plan, half),
        "        step += 1",
        *_after_epoch(plan),
    ]
    return "\n\n\n".join([*parts, "\n".join(lines)])


def _step(plan: Plan, half: bool) -> list[str]:
    recipe, deep = plan.recipe, "        "
    scale = " * scale" if recipe.schedule == "reduce_on_plateau" else ""
    factor = ' * group["factor"]' if recipe.layer_lr else ""
    lines = [
        *(["change(step)"] if plan.changes else []),
        "for group in optimizer.param_groups:",
        f'    group["lr"] = learning_rate(step){scale}{factor}',
        "optimizer.zero_grad(set_to_none=True)",
    ]
    forward = [
        *(['with torch.autocast("cpu", torch.bfloat16):'] if half else []),
        f"{'    ' if half else ''}logits = network(x)",
        "loss = loss_of(logits.float(), y)",
    ]
    lines += (
        _in_parts(plan, forward)
        if _count(plan) > 1 or _sharing(plan)
        else ["x, y = batch(index)", *forward, "loss.backward()"]
    )
    if recipe.l1:
        lines += [
            "for parameter in learning:  # L1: every weight is pulled equally hard, biases are spared",
            "    if parameter.dim() > 1 and parameter.grad is not None:",
            f"        parameter.grad.add_(parameter.detach().sign(), alpha={recipe.l1!r})",
        ]
    if recipe.clip_norm:
        lines.append(f"nn.utils.clip_grad_norm_(learning, {recipe.clip_norm!r})")
    lines.append("optimizer.step()")
    if _sharing(plan):
        one = "torch.set_num_threads(1)  # each share of a batch is the work of one thread"
        lines = [one, *lines, f"torch.set_num_threads({recipe.threads})"]
    return [deep + line for line in lines]


def _count(plan: Plan) -> int:
    """Return in how many parts a batch is looked at, because of its size."""
    return -(-plan.recipe.batch_size // plan.part)


def _sharing(plan: Plan) -> bool:
    """Return whether the lab gave each thread a share of the batch, and added their gradients up."""
    return plan.recipe.threads > 1 and can_share(plan.architecture)


def _in_parts(plan: Plan, forward: list[str]) -> list[str]:
    """Return the lines that add up the gradients of the parts and shares of a batch."""
    lines = [f"for part in index.tensor_split({_count(plan)}):  # the whole batch at once would take too much memory"]
    if _count(plan) == 1:
        lines = ["for part in [index]:"]
    lines.append("    all_x, all_y = batch(part)")
    shares = f"max(1, min({plan.recipe.threads}, len(part) // {LEAST_SHARE}))" if _sharing(plan) else "1"
    lines += [
        f"    shares = {shares}",
        "    for x, y in zip(all_x.tensor_split(shares), all_y.tensor_split(shares)):",
        *(f"        {line}" for line in forward),
        "        (loss * (len(part) / len(index) * len(x) / len(part))).backward()",
    ]
    return lines


def _after_epoch(plan: Plan) -> list[str]:
    recipe = plan.recipe
    if not plan.whole_val:
        return ['    print(f"epoch {epoch}: loss of the last batch {loss.item():.4f}")']
    lines = [
        "val_loss, val_acc = judge(val_images, val_targets)",
        'print(f"epoch {epoch}: validation loss {val_loss:.4f}, accuracy {val_acc:.2%}")',
    ]
    if recipe.schedule == "reduce_on_plateau":
        lines += [
            "if least is None or val_loss < least * (1 - 1e-4):",
            "    least, waited = val_loss, 0",
            "else:",
            "    waited += 1",
            f"if waited > {recipe.plateau_patience}:",
            f"    scale, waited = max(scale * {recipe.plateau_factor!r}, 1e-8), 0",
        ]
    if recipe.early_stopping:
        lines += [
            "if best_loss is None or val_loss < best_loss:",
            "    best = {name: tensor.clone() for name, tensor in network.state_dict().items()}",
            "    best_loss, worse = val_loss, 0",
            "else:",
            "    worse += 1",
            f"if worse >= {recipe.early_stopping}:",
            "    break",
        ]
    return [f"    {line}" for line in lines]


def changes(plan: Plan) -> str:
    """Return the cell that repeats what was changed by hand."""
    lines = ["def change(step):", '    """Change what was changed after so many steps."""', "    global LR"]
    for applied in plan.changes:
        values = applied.change.values()
        lines.append(f"    if step == {applied.step}:")
        if "lr" in values:
            lines.append(f"        LR = {values['lr']!r}")
        for name, p in values.get("dropout", {}).items():
            lines.append(f"        network.get_submodule({name!r}).p = {p!r}")
        if "weight_decay" in values:
            lines += [
                "        for group in optimizer.param_groups:",
                f'            group["weight_decay"] = {values["weight_decay"]!r}',
            ]
        if "momentum" in values:
            lines.append(f"        set_momentum({values['momentum']!r})")
    if any(applied.change.momentum is not None for applied in plan.changes):
        lines = [*_SET_MOMENTUM.strip("\n").splitlines(), "", "", *lines]
    return "\n".join(lines)


_SET_MOMENTUM = '''
def set_momentum(momentum):
    """Go on with another momentum; none forgets the direction that was kept."""
    for group in optimizer.param_groups:
        group["momentum"] = momentum
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if momentum == 0:
                state.pop("momentum_buffer", None)
            elif state:
                state.setdefault("momentum_buffer", torch.zeros_like(parameter.data))
'''


def test(plan: Plan) -> str:
    """Return the cell that tests, in float32, and ends with the accuracy."""
    lines = []
    if plan.recipe.early_stopping:
        lines.append("network.load_state_dict(best)  # the weights that the validation images chose")
    lines += [
        "network.eval()",
        "for tensor in [*network.parameters(), *network.buffers()]:",
        "    tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)",
    ]
    if plan.halved:
        lines += [
            "    if tensor.dim() > 1:  # as they were kept in the model's file",
            "        tensor.data = tensor.data.half().float()",
        ]
    answer = ["    return network(x)"]
    if plan.recipe.mirror:
        answer = ["    return (network(x) + network(x.flip(3))) / 2  # the image and its mirror image"]
    lines += [
        "",
        "",
        "@torch.no_grad()",
        "def answer(images):",
        '    """Return the scores of uint8 images for each class."""',
        f"    x = ({padded(plan, 'images')}.float() / 255 - MEAN) / STD",
        *answer,
        "",
        "",
        "right = 0",
        "for some_images, some_targets in zip(test_images.split(500), test_targets.split(500)):",
        "    guesses = answer(some_images).double().log_softmax(1).argmax(1)",
        "    right += int((guesses == some_targets).sum())",
        "accuracy = right / len(test_targets)",
        'print(f"{accuracy:.2%} of the test images are right: {right} of {len(test_targets)}")',
    ]
    if plan.test_acc is not None:
        lines += [
            f"SHOWN = {plan.test_acc!r}  # what CNN Lab showed",
            'print("the same as in CNN Lab" if accuracy == SHOWN else f"CNN Lab showed {SHOWN:.2%}; see the first cell")',
        ]
    return "\n".join(lines)
