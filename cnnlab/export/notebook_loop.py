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
    {learn}
    return total / len(targets), right / len(targets)
'''

_HALF = 'with torch.autocast("cpu", torch.bfloat16):\n            '


def training(plan: Plan) -> str:
    """Return the cell that trains: each epoch in an order of its own, each step one batch."""
    recipe = plan.recipe
    half = recipe.precision == "bfloat16"
    learn = "to_learn()" if plan.ever("frozen") else "network.train()"
    look = _LOOK.format(autocast=_HALF if half else "", learn=learn).strip("\n")
    parts = [look] if plan.whole_val else []
    before = plan.earlier.recipe if plan.earlier else None
    state = ['order = chance("order")', *([] if plan.anew else ["step = 0"])] if before is None else []
    if recipe.schedule == "reduce_on_plateau" and (before is None or before.schedule != recipe.schedule):
        state += ["scale, least, waited = 1.0, None, 0  # of the learning rate; the smallest loss, and for how long"]
    if recipe.early_stopping and (before is None or not before.early_stopping):
        state += ["best, best_loss, worse = None, None, 0  # weights, their loss, epochs since"]
    if plan.chained:
        lines = [*state, *_chained(plan, half)]
    else:
        loops = _CUT_ANEW if plan.anew else _CUT_ALIKE
        lines = [*state, *loops, *_step(plan, half), "        step += 1", *_after_epoch(plan)]
    return "\n\n\n".join([*parts, "\n".join(lines)])


_CUT_ALIKE = (
    "for epoch in range(1, EPOCHS + 1):",
    "    shuffled = torch.randperm(len(targets), generator=order)",
    "    for begin in range(0, STEPS_PER_EPOCH * BATCH_SIZE, BATCH_SIZE):",
    "        index = shuffled[begin : begin + BATCH_SIZE]",
)
"""The loops over epochs and steps where every batch has the same size."""

_CUT_ANEW = (
    "for epoch in range(1, EPOCHS + 1):",
    "    change(step)",
    "    shuffled = torch.randperm(len(targets), generator=order)",
    "    begun, begin, planned, left = epoch, 0, STEPS_PER_EPOCH * BATCH_SIZE, STEPS_PER_EPOCH",
    "    while left:",
    "        if begin:",
    "            change(step)",
    "        at = max(0, STEPS - left - (EPOCHS - begun) * STEPS_PER_EPOCH)  # where the learning rate stands",
    "        end = begin + BATCH_SIZE if left > 1 else planned",
    "        index, begin, left = shuffled[begin:end], end, left - 1",
)
"""The same where the size of the batches was changed."""


def _chained(plan: Plan, half: bool) -> list[str]:
    """Return the loop over steps of a run that goes on where another stopped, or that another goes on from."""
    ends = "while left or due or begun < EPOCHS:"
    if plan.until is not None:
        ends = f"while step < {plan.until}{' or due' if plan.judged else ''}:"
    return [
        *(["due = False  # whether an epoch is over and the validation images have not been looked at"] if plan.earlier is None else []),
        ends,
        "    if due:",
        "        epoch, due = begun, False",
        *(f"    {line}" for line in _after_epoch(plan)),
        *([f"        if step == {plan.until}:", "            break"] if plan.until is not None and plan.judged else []),
        *(["        if begun == EPOCHS:", "            break"] if plan.until is None else []),
        *(["    change(step)"] if plan.changes else []),
        "    if not left:",
        "        shuffled = torch.randperm(len(targets), generator=order)",
        "        begun, begin, planned, left = begun + 1, 0, STEPS_PER_EPOCH * BATCH_SIZE, STEPS_PER_EPOCH",
        "    at = max(0, STEPS - left - (EPOCHS - begun) * STEPS_PER_EPOCH)  # where the learning rate stands",
        "    end = begin + BATCH_SIZE if left > 1 else planned",
        "    index, begin, left = shuffled[begin:end], end, left - 1",
        *(line.removeprefix("    ") for line in _step(plan, half)),
        "    step, due = step + 1, left == 0",
    ]  # fmt: skip


def _step(plan: Plan, half: bool) -> list[str]:
    recipe, deep = plan.recipe, "        "
    scale = " * scale" if recipe.schedule == "reduce_on_plateau" else ""
    anew = plan.anew
    factor = ' * group["factor"]' if recipe.layer_lr else ""
    if "layer_lr" in plan.changed or plan.earlier is not None:
        factor = ' * group.get("factor", 1.0)'
    lines = [
        *(["change(step)"] if plan.changes and not anew else []),
        "for group in optimizer.param_groups:",
        f'    group["lr"] = learning_rate({"at" if anew else "step"}){scale}{factor}',
        "optimizer.zero_grad(set_to_none=True)",
    ]
    forward = [
        *(['with torch.autocast("cpu", torch.bfloat16):'] if half else []),
        f"{'    ' if half else ''}logits = network(x)",
        "loss = loss_of(logits.float(), y)",
    ]
    lines += (
        _in_parts(plan, forward)
        if anew or _count(plan) > 1 or _sharing(plan)
        else ["x, y = batch(index)", *forward, "loss.backward()"]
    )
    if recipe.l1 or "l1" in plan.changed:
        strength, found = ("L1", " and L1") if "l1" in plan.changed else (repr(recipe.l1), "")
        lines += [
            "for parameter in learning:  # L1: every weight is pulled equally hard, biases are spared",
            f"    if parameter.dim() > 1 and parameter.grad is not None{found}:",
            f"        parameter.grad.add_(parameter.detach().sign(), alpha={strength})",
        ]
    if "clip_norm" in plan.changed:
        lines += ["if CLIP_NORM:", "    nn.utils.clip_grad_norm_(learning, CLIP_NORM)"]
    elif recipe.clip_norm:
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
    count = "-(-len(index) // PART)" if plan.anew else str(_count(plan))
    lines = [f"for part in index.tensor_split({count}):  # the whole batch at once would take too much memory"]
    if count == "1":
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
