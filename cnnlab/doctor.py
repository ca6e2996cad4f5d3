"""Whether this machine is ready for a class: what is installed, what is there, what stands in the way."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import cnnlab
from cnnlab.addresses import lan_address
from cnnlab.data.catalog import catalog
from cnnlab.description import bundled_models
from cnnlab.home import home, write_whole
from cnnlab.i18n import LANGUAGES, catalogue
from cnnlab.runs.machine import cores
from cnnlab.teacher import pin_is_set

"""The port that ``streamlit run`` takes when nothing else is asked."""

PACKAGES = (
    "streamlit",
    "torch",
    "torchvision",
    "plotly",
    "captum",
    "pydantic",
    "safetensors",
    "babel",
    "platformdirs",
    "click",
    "numpy",
    "pillow",
    "tqdm",
    "segno",
)
MINIMUM_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Report:
    """What :func:`examine` found; ``problems`` has one sentence for each thing to mend before class."""

    versions: dict[str, str | None]
    cores: int
    data_sets: dict[str, str]
    models: tuple[str, ...]
    port: dict[str, Any]
    lan_address: str | None
    write_access: dict[str, Any]
    languages: dict[str, str]
    teacher_pin: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing stands in the way."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return {"ok": self.ok, **asdict(self)}


def examine(port: int) -> Report:
    """Return a report on this machine, without a network and without importing torch.

    Args:
        port: the TCP port that the lab is going to use.
    """
    versions = package_versions()
    access = write_access()
    infos = catalog() if access["writable"] else []  # it looks into the home too
    data_sets = {info.name: info.origin for info in infos}
    damaged = [f"{info.name}: {info.error}" for info in infos if info.error]
    languages = {code: name for code, name in LANGUAGES.items() if code == "en" or catalogue(code)}
    models = bundled_models()
    free = port_is_free(port)
    return Report(
        versions=versions,
        cores=cores(),
        data_sets=data_sets,
        models=models,
        port={"number": port, "free": free},
        lan_address=lan_address(),
        write_access=access,
        languages=languages,
        teacher_pin=pin_is_set(),
        problems=(*_problems(versions, data_sets, models, languages), *damaged, *_obstacles(port, free, access)),
    )


def package_versions() -> dict[str, str | None]:
    """Return the versions of the lab, Python and each package the lab imports; None for one that is missing."""
    found: dict[str, str | None] = {"cnnlab": cnnlab.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on TCP ``port`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        if os.name == "posix":  # as servers do: a port that was left a moment ago counts as free
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except (OSError, OverflowError):
            return False
    return True


def write_access() -> dict[str, Any]:
    """Return where the lab keeps its state, whether it can write there, and the free space in bytes."""
    wanted = os.environ.get("CNNLAB_HOME", "")
    try:
        folder = home()
        write_whole(folder / "doctor.check", b"written")
        (folder / "doctor.check").unlink()
    except OSError as error:
        return {"home": wanted, "writable": False, "free_bytes": 0, "error": error.strerror or str(error)}
    return {
        "home": str(folder),
        "writable": True,
        "free_bytes": shutil.disk_usage(folder).free,
        "error": None,
    }


def _problems(
    versions: dict[str, str | None],
    data_sets: dict[str, str],
    models: tuple[str, ...],
    languages: dict[str, str],
) -> list[str]:
    """Return what is missing from this copy of the lab or its environment."""
    found = [
        f"{name} is not installed; run: pip install -r requirements.txt"
        for name, version in versions.items()
        if version is None
    ]
    if data_sets and all(origin == "absent" for origin in data_sets.values()):
        found.append("no data set is there: assets/datasets is missing from this copy of the lab")
    if not models:
        found.append("no trained model is there: assets/models is missing from this copy of the lab")
    found += [
        f"no words in {name}: assets/locale/{code} is missing from this copy of the lab"
        for code, name in LANGUAGES.items()
        if code not in languages
    ]
    return found


def _obstacles(port: int, free: bool, access: dict[str, Any]) -> list[str]:
    """Return what of this machine stands in the way."""
    found = []
    if not free:
        found.append(f"port {port} is taken, perhaps by the lab itself; end that, or add: --server.port {port + 1}")
    if not access["writable"]:
        found.append(
            f"cannot write to {access['home'] or 'the data folder'} ({access['error']}); "
            "set CNNLAB_HOME to a folder of your own"
        )
    elif access["free_bytes"] < MINIMUM_FREE_BYTES:
        megabytes = access["free_bytes"] / 1e6
        found.append(f"only {megabytes:.0f} MB are free where the lab keeps its runs; make room for 1 GB")
    return found
