"""The code cells of an exported notebook: plain torch that repeats the lab's training to the bit.

Only what a recipe uses is written. Functions of the lab that need nothing else of it (the augmentations, the dropout) are
copied into the notebook from their own source, so that there is one truth; the rest says in the open what
``cnnlab.training`` does with all its cases, and tests/export/test_notebook.py holds the two against each other bit by bit.
"""

from __future__ import annotations

import inspect
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import Architecture
from cnnlab.architecture import layers as specs
from cnnlab.architecture.rare import RBF
from cnnlab.architecture.source import to_pytorch
from cnnlab.description import Preprocessing
from cnnlab.training.change import Applied
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.data.augmentation import Augmentation


@dataclass(frozen=True)
class Plan:
    """All numbers that the notebook's code is written from.

    Attributes:
        architecture, preprocessing, recipe: of the run; the recipe without anything left to the machine.
        data, data_hash: the data set and the hash of its content.
        part: how many images of a batch are looked at together.
        halved: the weights were rounded to float16 before they were tested.
        test_acc: what the lab showed, in [0, 1], or None.
        changes: what was changed by hand, and after how many steps.
        borrowed: weights and running statistics of another model that it begins with, by name.
        earlier: the plan of the run that this one goes on from, where it is a branch.
        until: the step at which another run goes on from this one; None where it runs to its end.
        judged: whether it looks at the validation images of an epoch that ends there; if not, the next run does.
    """

    architecture: Architecture
    preprocessing: Preprocessing
    recipe: Recipe
    data: str
    data_hash: str
    part: int
    halved: bool = False
    test_acc: float | None = None
    changes: tuple[Applied, ...] = ()
    borrowed: Mapping[str, Tensor] = field(default_factory=dict)
    earlier: Plan | None = None
    until: int | None = None
    judged: bool = False

    @property
    def chained(self) -> bool:
        """Whether the notebook has several runs, of which each goes on where the one before it stopped."""
        return self.earlier is not None or self.until is not None

    @property
    def anew(self) -> bool:
        """Whether what is left of an epoch may have to be cut into other batches."""
        return self.chained or "batch_size" in self.changed

    @property
    def line(self) -> list[Plan]:
        """The plans of all runs of the notebook, the first one first, this one last."""
        return [*(self.earlier.line if self.earlier else []), self]

    def ever(self, field: str) -> bool:
        """Return whether this run or one before it changed ``field`` by hand."""
        return any(field in plan.changed for plan in self.line)

    @property
    def changed(self) -> frozenset[str]:
        """The fields of a recipe, and dropout and frozen layers, that were changed by hand."""
        return frozenset(name for applied in self.changes for name in applied.change.values())

    @property
    def whole_val(self) -> bool:
        """Whether there are validation images apart from those that the network learns from."""
        return not self.recipe.full_train

    @property
    def has_dropout(self) -> bool:
        """Whether any layer switches numbers off at random."""
        kinds = (specs.Dropout, specs.Dropout2d)
        return any(isinstance(row.layer, kinds) for row in self.architecture.trace().rows)


def imports(plan: Plan) -> str:
    """Return the cell of imports and of the few numbers that everything depends on."""
    recipe = plan.recipe
    order = "torch.contiguous_format" if recipe.memory_format == "contiguous" else "torch.channels_last"
    more = "import base64\nimport json\n" if plan.borrowed else ""
    unzip = "import zlib\n" if plan.borrowed else ""
    return f"""\
{more}import math
{unzip}from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

SEED = {recipe.seed}
EPOCHS = {recipe.epochs}
BATCH_SIZE = {recipe.batch_size}
LR = {recipe.lr!r}
MEMORY_FORMAT = {order}
torch.set_num_threads({recipe.threads})  # sums are cut into as many pieces, and rounded accordingly


def chance(purpose):
    \"\"\"Return a generator for one purpose: what dropout draws does not change the order of the images.\"\"\"
    digest = sha256(f"{{SEED}}:{{purpose}}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
"""


def numbers_of_branch(plan: Plan, before: Plan) -> str:
    """Return the lines that set what a branch has otherwise than the run before it."""
    now, then = plan.recipe, before.recipe
    lines = [f"EPOCHS, BATCH_SIZE, LR = {now.epochs}, {now.batch_size}, {now.lr!r}"]
    if now.threads != then.threads:
        lines.append(f"torch.set_num_threads({now.threads})")
    if now.memory_format != then.memory_format:
        order = "torch.contiguous_format" if now.memory_format == "contiguous" else "torch.channels_last"
        lines += [f"MEMORY_FORMAT = {order}", "network.to(memory_format=MEMORY_FORMAT)"]
    if now.seed != then.seed:
        lines += [f"SEED = {now.seed}  # chance is new from here on, but for the order of the epoch that has begun",
                  'order = chance("order")']  # fmt: skip
        if plan.has_dropout:
            lines += [
                'drops = chance("dropout")',
                "for module in network.modules():",
                "    if isinstance(module, GeneratorDropout):",
                "        module.generator = drops",
            ]
    return "\n".join(lines)


def network(plan: Plan) -> str:
    """Return the cell that makes the network."""
    return to_pytorch(plan.architecture)


def first_weights(plan: Plan) -> str:
    """Return the cell that gives the network its first weights, and what else is set up before the first step."""
    drawn = any(isinstance(row.layer, RBF) and row.layer.codes == "random" for row in plan.architecture.trace().rows)
    parts = [_INITIALISE.format(codes=_CODES.strip("\n") if drawn else "").replace("\n\n\n\n", "\n\n\n")]
    if plan.has_dropout:
        parts += [_source(_dropout()), _SWAP]
    if plan.architecture.ends_in_softmax:
        parent, _dot, name = plan.architecture.trace().rows[-1].name.rpartition(".")
        owner = f'network.get_submodule("{parent}")' if parent else "network"
        parts.append(
            "# the loss takes the scores before the softmax, where the logarithm is exact\n"
            f"{owner}.{name} = nn.Identity()"
        )
    if plan.recipe.whiten:
        parts.append(_WHITEN.format(first=plan.architecture.trace().rows[0].name, padded=padded(plan, "images[:2000]")))
    if plan.borrowed:
        parts.append(weights_code(plan.borrowed))
    parts.append("network.to(memory_format=MEMORY_FORMAT)\nnetwork.train()")
    return "\n\n\n".join(part.strip("\n") for part in parts)


def weights_code(tensors: Mapping[str, Tensor]) -> str:
    """Return the code that copies ``tensors`` into the network: their bytes as text, so that no file is needed."""
    import safetensors.torch

    data = b64encode(zlib.compress(safetensors.torch.save(dict(tensors)), 9)).decode()
    text = "\n".join(data[begin : begin + 120] for begin in range(0, len(data), 120))
    return _BORROWED.format(text=text)


_BORROWED = '''
# what another model has learned: the weights of these layers, as the lab took them
BORROWED = """
{text}
"""


def unpacked(text):
    """Return the tensors of a safetensors file that was compressed and written as text."""
    data = zlib.decompress(base64.b64decode(text))
    length = int.from_bytes(data[:8], "little")
    kinds = {{"F32": torch.float32, "I64": torch.int64}}
    found = {{}}
    for name, told in json.loads(data[8 : 8 + length]).items():
        begin, end = (8 + length + place for place in told["data_offsets"])
        found[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[told["dtype"]]).reshape(told["shape"])
    return found


state = network.state_dict()
for name, tensor in unpacked(BORROWED).items():
    state[name].copy_(tensor)
'''

_INITIALISE = '''
def initialise(network, generator):
    """Draw the weights as torch does, but from a generator of our own."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                bound = 1 / math.sqrt(module.weight[0].numel())
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
{codes}


initialise(network, chance("init"))
'''

_CODES = """
        elif isinstance(module, RBF):
            module.weight.copy_(torch.empty_like(module.weight).bernoulli_(0.5, generator=generator) * 2 - 1)
"""

_SWAP = """
drops = chance("dropout")
for module in list(network.modules()):
    for name, child in module.named_children():
        if isinstance(child, (nn.Dropout, nn.Dropout2d)):
            own = GeneratorDropout(child.p, whole_maps=isinstance(child, nn.Dropout2d))
            own.generator = drops
            setattr(module, name, own)
"""

_WHITEN = '''
def whitening_filters(x, kernel_size, out_channels, eps=5e-4):
    """Return filters that take out what neighbouring pixels have in common, in pairs of opposite sign."""
    size = x.shape[1] * kernel_size * kernel_size
    covariance, count = torch.zeros(size, size), 0
    for part in x.split(250):
        patches = F.unfold(part.float().contiguous(), kernel_size).transpose(1, 2).reshape(-1, size)
        covariance += patches.T @ patches
        count += len(patches)
    values, vectors = torch.linalg.eigh(covariance / count)
    filters = (vectors / (values.clamp_min(0) + eps).sqrt()).T.flip(0)  # strongest first
    pairs = torch.stack([filters, -filters], dim=1).reshape(2 * size, x.shape[1], kernel_size, kernel_size)
    return pairs[:out_channels].contiguous()


first = network.get_submodule("{first}")
with torch.no_grad():
    first.weight.copy_(whitening_filters(({padded}.float() / 255 - MEAN) / STD, first.kernel_size[0], first.out_channels))
    if first.bias is not None:
        first.bias.zero_()
first.weight.requires_grad_(False)  # it stays as it is
'''


def _dropout() -> Any:
    from cnnlab.build import GeneratorDropout

    return GeneratorDropout


def _source(thing: Any) -> str:
    return inspect.getsource(thing)


def padded(plan: Plan, images: str) -> str:
    """Return the expression that brings ``images`` to the size of the network's input."""
    padding = plan.preprocessing.padding
    return f"F.pad({images}, {padding})" if any(padding) else images


def batches(plan: Plan) -> str:
    """Return the cell that turns images into a batch: augmented, normalised, perhaps mixed."""
    before, uses = plan.earlier, _all_uses(plan)
    known = {function for one in plan.line[:-1] for function in _all_uses(one)}
    parts = [_source(function) for function in dict.fromkeys(uses) if function not in known]
    if before is None:
        parts.append(_PREPARE.format(padded=padded(plan, "images")))
    if uses and (before is None or not _has_generator(before, plan.recipe.seed)):
        parts.append('generator = chance("augmentation")')
    if "augmentation" in plan.changed:
        parts.append(variation(plan.recipe.augmentation))
    parts.append(_batch(plan))
    return "\n\n\n".join(part.strip("\n") for part in parts)


def _all_uses(plan: Plan) -> list[Callable[..., Any]]:
    """Return the functions that vary a run's images, by its recipe and by what was changed."""
    from cnnlab.data import augment as ways

    every = [plan.recipe.augmentation, *(one.change.augmentation for one in plan.changes if one.change.augmentation)]
    uses = [function for settings in every for function in _uses(settings)]
    return [*uses, ways.mixup, ways._format_of] if plan.recipe.mixup or "mixup" in plan.changed else uses


def _has_generator(plan: Plan, seed: int) -> bool:
    """Return whether a run, or one before it with the same seed all along, has drawn or could draw for its images."""
    if plan.recipe.seed != seed:
        return False
    return bool(_all_uses(plan)) or (plan.earlier is not None and _has_generator(plan.earlier, seed))


def _uses(settings: Augmentation) -> list[Callable[..., Any]]:
    """Return the functions that vary images as ``settings`` say."""
    from cnnlab.data import augment as ways

    uses = list[Callable[..., Any]]()
    uses += [ways.flip, ways.flip_these] if settings.flip else []
    uses += [ways.rotate_scale, ways.rotate_scale_by] if settings.rotate or settings.scale or settings.shear else []
    uses += [ways.crop_padding, ways.reflect, ways.cut, ways._offsets] if settings.crop_padding else []
    uses += [ways.shift, ways.cut, ways._offsets] if settings.shift else []
    uses += [ways.cutout, ways.cutout_at] if settings.cutout else []
    return [*uses, ways.noise] if settings.noise else uses


def _varied(settings: Augmentation) -> list[str]:
    """Return the calls that vary ``varied``, in the lab's order."""
    steps = list[str]()
    if settings.flip:
        steps.append("flip(varied, generator)")
    if settings.rotate or settings.scale or settings.shear:
        steps.append(f"rotate_scale(varied, {settings.rotate!r}, {settings.scale!r}, generator, {settings.shear!r})")
    if settings.crop_padding:
        steps.append(f"crop_padding(varied, {settings.crop_padding}, generator)")
    if settings.shift:
        steps.append(f"shift(varied, {settings.shift}, generator)")
    if settings.cutout:
        steps.append(f"cutout(varied, {settings.cutout}, generator)")
    if settings.noise:
        steps.append(f"noise(varied, {settings.noise!r}, generator)")
    return steps


def variation(settings: Augmentation) -> str:
    """Return a function ``vary`` that does what ``settings`` say."""
    lines = ["def vary(varied):", '    """Return the images varied anew."""']
    return "\n".join([*lines, *(f"    varied = {step}" for step in _varied(settings)), "    return varied"])


_PREPARE = '''
def prepare(images):
    """Return uint8 images as the network takes them."""
    x = {padded}.to(torch.float32, memory_format=MEMORY_FORMAT)
    return x.div_(255).sub_(MEAN).div_(STD)
'''


def _batch(plan: Plan) -> str:
    lines = ["def batch(index):", '    """Return the images at these places and their targets, varied anew."""']
    found, steps = "images.index_select(0, index)", _varied(plan.recipe.augmentation)
    if "augmentation" in plan.changed:
        found = f"vary({found})"
    elif steps:
        lines.append(f"    varied = {found}")
        lines += [f"    varied = {step}" for step in steps]
        found = "varied"
    given = f"prepare({found}), targets.index_select(0, index)"
    classes = plan.architecture.output_shape[0]
    if "mixup" in plan.changed:
        lines += [f"    x, y = {given}", f"    return mixup(x, y, {classes}, MIXUP, generator) if MIXUP else (x, y)"]
    elif plan.recipe.mixup:
        lines.append(f"    return mixup({given}, {classes}, {plan.recipe.mixup!r}, generator)")
    else:
        lines.append(f"    return {given}")
    return "\n".join(lines)


_OPTIMIZERS = {
    "sgd": "torch.optim.SGD(learning, LR, momentum={momentum!r}, nesterov={nesterov}, weight_decay={decay!r}, fused=True)",
    "adam": "torch.optim.Adam(learning, LR, weight_decay={decay!r}, fused=True)",
    "adamw": "torch.optim.AdamW(learning, LR, weight_decay={decay!r}, fused=True)",
    "rmsprop": "torch.optim.RMSprop(learning, LR, momentum={momentum!r}, weight_decay={decay!r})",
    "adagrad": "torch.optim.Adagrad(learning, LR, weight_decay={decay!r}, fused=True)",
}


def _factors(recipe: Recipe) -> str:
    """Return the lines that give layers learning rates of their own; nothing where no layer has one."""
    if not recipe.layer_lr:
        return ""
    return f"""\
FACTORS = {recipe.layer_lr!r}  # what the learning rate of a layer is multiplied by
groups = {{}}
for name, parameter in network.named_parameters():
    if parameter.requires_grad:
        groups.setdefault(FACTORS.get(name.rpartition(".")[0], 1.0), []).append(parameter)
options = {{name: value for name, value in optimizer.param_groups[0].items() if name != "params"}}
optimizer.param_groups[:] = [
    {{"params": parameters, "factor": factor, **options}} for factor, parameters in groups.items()
]
"""


def _optimizer(plan: Plan, made: str) -> str:
    """Return the lines that make the optimizer; in a branch with the same one, it remembers what it knew of each weight."""
    if plan.earlier is None:
        learning = "learning = [parameter for parameter in network.parameters() if parameter.requires_grad]"
        return f"{learning}\noptimizer = {made}\n{_factors(plan.recipe)}"
    if plan.earlier.recipe.optimizer != plan.recipe.optimizer:
        return f"optimizer = {made}\n"
    return _REMEMBER.format(made=made).lstrip("\n")


_REMEMBER = """
remembered, optimizer = optimizer.state, {made}
for parameter, kept in remembered.items():
    kept = {{name: value for name, value in kept.items() if isinstance(value, Tensor)}}
    if kept:  # it has moved
        optimizer.state[parameter] = {{
            name: value.clone() if name == "step" else torch.empty_like(parameter.data).copy_(value)
            for name, value in kept.items()
        }}
"""


def learning_rate(plan: Plan) -> str:
    """Return the cell with the optimizer, the learning rate of each step, and the loss."""
    recipe = plan.recipe
    optimizer = _OPTIMIZERS[recipe.optimizer].format(
        momentum=recipe.momentum, nesterov=recipe.nesterov, decay=recipe.weight_decay
    )
    head = f"""\
BATCH_SIZE = min(BATCH_SIZE, len(targets))
STEPS_PER_EPOCH = len(targets) // BATCH_SIZE
STEPS = EPOCHS * STEPS_PER_EPOCH
{_optimizer(plan, optimizer)}

def learning_rate(step):
    \"\"\"Return the learning rate of a step, counted from 0.\"\"\"
"""
    return f"{head}{_schedule(recipe)}\n\n\n{_loss(plan)}"


def _schedule(recipe: Recipe) -> str:
    lines = ["    lr = LR"]
    if recipe.warmup_epochs:
        lines += [
            f"    warm = round({recipe.warmup_epochs!r} * STEPS_PER_EPOCH)",
            "    lr *= min(1.0, (step + 1) / (warm + 1))",
        ]
    match recipe.schedule:
        case "constant" | "reduce_on_plateau":
            lines.append("    return lr")
        case "step":
            lines.append(
                f"    return lr * {recipe.step_factor!r} ** (step // ({recipe.step_epochs} * STEPS_PER_EPOCH))"
            )
        case "cosine":
            lines.append("    return lr * (1 + math.cos(math.pi * step / STEPS)) / 2")
        case "one_cycle":
            lines += [
                f"    top, last = {recipe.warmup!r} * STEPS - 1, STEPS - 1",
                "    if step <= top:",
                "        start, end, part = 1 / 25, 1.0, step / top if top > 0 else 1.0",
                "    else:",
                "        start, end, part = 1.0, 1 / 25 / 1e4, (step - top) / (last - top)",
                "    return lr * (end + (start - end) / 2 * (1 + math.cos(math.pi * part)))",
            ]
        case "triangular":
            lines += [
                f"    top = {recipe.warmup!r} * STEPS",
                "    if step <= top:",
                "        return lr * (0.2 + (1 - 0.2) * step / top)",
                "    return lr * ((STEPS - step) / (STEPS - top))",
            ]
    return "\n".join(lines)


def _loss(plan: Plan) -> str:
    recipe = plan.recipe
    lines = ["def loss_of(logits, targets):", '    """Return the mean loss of a batch, in float32."""']
    if recipe.loss == "cross_entropy":
        smoothing = f", label_smoothing={recipe.label_smoothing!r}" if recipe.label_smoothing else ""
        lines.append(f"    return F.cross_entropy(logits, targets{smoothing})")
        return "\n".join(lines)
    output = "logits.softmax(1)" if plan.architecture.ends_in_softmax else "logits"
    lines += [
        f"    output = {output}",
        "    shares = F.one_hot(targets, logits.shape[1]) if targets.dim() == 1 else targets",
        "    return F.mse_loss(output, shares.to(output.dtype))",
    ]
    return "\n".join(lines)
