"""Where an exported notebook has its images from: its cell of code, and the file for where the lab is not."""

from __future__ import annotations

import io
import json

from cnnlab.export.notebook_code import Plan


def data_name(data: str) -> str:
    """Return the name of the file beside the notebook in which it looks for its data first."""
    return f"{data}.npz"


def data_file(data: str) -> bytes:
    """Return the data set ``data`` as a compressed NumPy archive.

    Shape:
        train_images, test_images: (N, C, H, W) uint8.
        train_targets, test_targets: (N,) int64.

    Raises:
        DataError: it is not here.
    """
    import numpy as np

    from cnnlab.data.loader import load

    dataset, buffer = load(data), io.BytesIO()
    arrays: dict[str, np.ndarray] = {}
    for name, split in (("train", dataset.train), ("test", dataset.test)):
        arrays |= {f"{name}_images": split.images.numpy(), f"{name}_targets": split.targets.numpy()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


TORCHVISION = {
    "mnist": ("MNIST", 0),
    "fashion_mnist": ("FashionMNIST", 0),
    "fashion_mnist-sample": ("FashionMNIST", 500),
    "kmnist": ("KMNIST", 0),
    "cifar10": ("CIFAR10", 0),
    "cifar10-sample": ("CIFAR10", 500),
    "cifar100": ("CIFAR100", 0),
}
"""Which class of torchvision fetches a data set, and how many training images of each class a sample has (a fifth to test)."""


def data_cell(plan: Plan) -> str:
    """Return the cell that loads the images, from a file, the lab or torchvision, and checks that they are the same."""
    known = TORCHVISION.get(plan.data)
    fetch = _FETCH.format(name=known[0]) if known else _NOT_PUBLISHED
    sample = _SAMPLE.format(each=known[1], test=known[1] // 5) if known and known[1] else ""
    return "\n\n\n".join(
        part.strip("\n")
        for part in (
            _LOAD.format(file=json.dumps(data_name(plan.data)), name=json.dumps(plan.data), fetch=fetch.strip("\n")),
            sample,
            _CHECK.format(hash=plan.data_hash),
            _split(plan),
        )
        if part
    )


_LOAD = '''
def load():
    """Return training images (N, C, H, W) uint8 and targets (N,) int64, then test images and targets."""
    file = Path({file})
    if file.exists():  # made by: python -m cnnlab export --to notebook --with-data ...
        with np.load(file) as arrays:
            parts = [arrays[name] for name in ("train_images", "train_targets", "test_images", "test_targets")]
        return tuple(torch.from_numpy(part) for part in parts)
    try:
        from cnnlab.data.loader import load as from_the_lab
    except ImportError:
        return fetch()
    found = from_the_lab({name})
    return found.train.images, found.train.targets, found.test.images, found.test.targets


{fetch}
'''

_FETCH = '''
def fetch():
    """Download the published images."""
    from torchvision import datasets

    parts = []
    for train in (True, False):
        found = datasets.{name}("data", train=train, download=True)
        images = torch.as_tensor(found.data)
        images = images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2)  # channels first
        parts += [images.contiguous(), torch.as_tensor(found.targets)]
    return tuple(parts)
'''

_NOT_PUBLISHED = '''
def fetch():
    """Say where the images are."""
    raise FileNotFoundError("run this notebook where CNN Lab is installed, or export it --with-data")
'''

_SAMPLE = '''
def sample(images, targets, each):
    """Return the first images of every class, dealt round: first of class 0, first of class 1, ..."""
    classes = int(targets.max()) + 1
    chosen = torch.stack([(targets == target).nonzero()[:each, 0] for target in range(classes)], dim=1).reshape(-1)
    return images[chosen], targets[chosen]


whole = fetch


def fetch():
    """Return the part of the published images that the lab brings with it."""
    train_images, train_targets, test_images, test_targets = whole()
    return *sample(train_images, train_targets, {each}), *sample(test_images, test_targets, {test})
'''

_CHECK = '''
def content_hash(*parts):
    """Return what tells these very images, in this order, from all others."""
    digest = sha256(b"cnnlab data 1\\n")
    for name, images, targets in zip(("train", "test"), parts[::2], parts[1::2]):
        digest.update(f"{{name}} {{tuple(images.shape)}}\\n".encode())
        digest.update(images.contiguous().view(-1).numpy().data)
        digest.update(targets.numpy().astype("<u2").tobytes())
    return digest.hexdigest()


images, targets, test_images, test_targets = parts = load()
if content_hash(*parts) != "{hash}":
    raise ValueError("these are not the images that the network learned from in the lab")
'''


def _split(plan: Plan) -> str:
    lines = []
    if plan.whole_val:
        lines += [
            "held = max(1, len(targets) // 10)  # the last tenth validates",
            "val_images, val_targets = images[-held:], targets[-held:]",
            "images, targets = images[:-held], targets[:-held]",
        ]
    if plan.recipe.limit_train is not None:
        limit = plan.recipe.limit_train
        lines += [
            f"if len(targets) > {limit}:  # always the same ones, whatever the seed",
            '    always = torch.Generator().manual_seed(int.from_bytes(sha256(b"0:some").digest()[:7], "big"))',
            f"    kept = torch.randperm(len(targets), generator=always)[:{limit}].sort().values",
            "    images, targets = images[kept], targets[kept]",
        ]
    if plan.recipe.limit_per_class is not None:
        lines += [
            f"first = [(targets == target).nonzero().squeeze(1)[:{plan.recipe.limit_per_class}] for target in targets.unique()]",
            "kept = torch.cat(first).sort().values  # the first ones of each class",
            "images, targets = images[kept], targets[kept]",
        ]
    pre = plan.preprocessing
    lines += [
        f"MEAN = torch.tensor({_floats(pre.mean)}).view(1, -1, 1, 1)  # of each channel, over all training images",
        f"STD = torch.tensor({_floats(pre.std)}).view(1, -1, 1, 1)",
        'print(len(targets), "images to learn from,", len(test_targets), "to test")',
    ]
    return "\n".join(lines)


def _floats(values: tuple[float, ...]) -> str:
    return f"[{', '.join(map(repr, values))}]"
