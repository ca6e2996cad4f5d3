"""What is written about the lab is there and true; what it ships is safe to open and small enough to clone."""

import ast
import re
from functools import cache
from pathlib import Path

import click
import pytest

from cnnlab.cli import main

ROOT = Path(__file__).resolve().parent.parent
ROOM = sorted(ROOT.glob("cnnlab/**/*.py"))
PRODUCT = [*ROOM, *sorted(ROOT.glob("pages/**/*.py")), ROOT / "app.py"]
README = ROOT / "README.md"
DOCS = [README, *sorted((ROOT / "docs").glob("*.md"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def documented_methods() -> set[str]:
    """Return the names of methods that some class of the lab documents: an override may inherit that."""
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in ROOM]
    classes = [node for module in modules for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    return {m.name for c in classes for m in c.body if isinstance(m, FUNCTIONS) and ast.get_docstring(m)}


def silent(nodes: list[ast.stmt], inherited: set[str]) -> list[str]:
    """Return the public functions, classes and methods among ``nodes`` that nothing documents."""
    found: list[str] = []
    for node in nodes:
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and node.name not in inherited:
            found.append(f"line {node.lineno}: {node.name}")
        if isinstance(node, ast.ClassDef):
            found += silent(node.body, documented_methods() if node.bases else set())
    return found


@pytest.mark.parametrize("path", ROOM, ids=name_of)
def test_every_public_function_says_what_it_does(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    found = silent(module.body, set())
    if module.body and not ast.get_docstring(module):
        found.insert(0, "the module")
    assert not found, found


UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "compile",
    "torch.load",
    "numpy.load",
    "np.load",
    "pd.read_pickle",
    "os.system",
}


def tensors_only(call: ast.Call) -> bool:
    """Return whether it is ``torch.load`` told to make tensors and nothing else."""
    told = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return ast.unparse(call.func) == "torch.load" and told.get("weights_only") == "True"


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_no_code_is_run_from_data(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in UNSAFE_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE_MODULES:
            found.append(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in UNSAFE_CALLS and not tensors_only(node):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Assert):
            found.append(f"line {node.lineno}: an assert, which python -O leaves out")
    assert not found, found


def test_nothing_pickled_is_shipped() -> None:
    pickled = [
        name_of(p) for p in (ROOT / "assets").rglob("*") if p.suffix in {".pt", ".pth", ".pkl", ".pickle", ".npy"}
    ]
    assert not pickled


def weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_clone_stays_small() -> None:
    assert weight(ROOT / "assets" / "datasets") < 32 * 2**20
    assert weight(ROOT / "assets") < 64 * 2**20


def test_a_model_describes_itself_briefly() -> None:
    models = sorted((ROOT / "assets" / "models").glob("*.safetensors"))
    assert len(models) >= 4
    for path in models:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")  # safetensors: the length of its JSON comes first
        assert header < 2**20, path.name
        assert path.stat().st_size < 8 * 2**20, path.name


def written_commands() -> list[tuple[str, list[str]]]:
    """Return every ``python -m cnnlab ...`` of the documentation, with the words up to its first option."""
    found = []
    for path in DOCS:
        for line in re.findall(r"python -m cnnlab ([^\n`|]+)", path.read_text(encoding="utf-8")):
            words = re.split(r"\s+(?=[-#\[<A-Z./])", line.strip())[0].split()
            if words != ["..."]:
                found.append((f"{path.name}: {line}", words))
    return found


def test_the_commands_of_the_documentation_exist() -> None:
    commands = written_commands()
    assert len(commands) > 8
    for where, words in commands:
        group: click.Command = main
        for word in words:
            if not isinstance(group, click.Group):
                break
            assert word in group.commands, where
            group = group.commands[word]
        assert not isinstance(group, click.Group) or words == [], f"{where}: names no command"


def test_the_options_of_the_documentation_exist() -> None:
    for where, words in written_commands():
        command: click.Command = main
        for word in words:
            command = command.commands[word] if isinstance(command, click.Group) else command
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", where)) <= known, where


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    first_screen = "\n".join(README.read_text(encoding="utf-8").splitlines()[:40])
    assert {"make run", "make test", "streamlit run app.py"} <= set(
        re.findall(r"make run|make test|streamlit run app\.py", first_screen)
    )
    assert "pytorch.org/get-started/locally" in first_screen
    for path in DOCS:
        named = set(
            re.findall(
                r"(?<![\w-])make ([a-z-]+)(?=[`\n ]*(?:`|$|#))",
                path.read_text(encoding="utf-8"),
                re.MULTILINE,
            )
        )
        assert named <= targets, path.name


def test_links_to_files_lead_somewhere() -> None:
    for path in DOCS:
        for link in re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8")):
            if not link.startswith(("http:", "https:")):
                assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_what_is_imported_is_required() -> None:
    from importlib.metadata import packages_distributions

    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = {re.split(r"[<>=]", line)[0].lower() for line in lines if line and not line.startswith("#")}
    assert all(re.search(r">=[\d.]+,<\d+$", line) for line in lines if line and not line.startswith("#"))
    homes = packages_distributions()
    imported: set[str] = set()
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    needed = {home.lower() for name in imported if name not in {"cnnlab", "pages"} for home in homes.get(name, [])}
    assert needed <= required, needed - required
    assert required <= needed | {"torchvision"}, required - needed


def test_the_table_of_names_is_the_registry() -> None:
    from cnnlab.architecture import BLOCKS, LAYERS, Address

    text = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z][\w, ]+) \| `(\w+)` \|$", text, flags=re.MULTILINE)
    assert {kind: prefix for kinds, prefix in rows for kind in kinds.split(", ")} == {
        kind: layer.prefix for kind, layer in (LAYERS | BLOCKS).items()
    }
    addresses = re.findall(r"`([\w.]+\[[\d,]+\])`", text)
    assert len(addresses) >= 4
    assert all(str(Address.parse(address)) == address for address in addresses)


def test_the_rooms_of_the_documentation_are_the_rooms() -> None:
    text = (ROOT / "docs" / "rooms.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^([a-z0-9_]+)  +\S", text, flags=re.MULTILINE)) - {"pages"}
    there = {
        path.stem for path in (ROOT / "cnnlab").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert named == there - {"__init__", "__main__"}
