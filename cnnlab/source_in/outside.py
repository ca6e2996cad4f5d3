"""Calls that would reach outside if the source were run: found by walking the tree, wherever they stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Finding
from cnnlab.source_in.text import short

MODULES = frozenset(
    """os sys subprocess shutil socket ctypes importlib builtins pickle dill marshal shelve joblib requests urllib http ftplib smtplib
    pathlib glob tempfile io signal threading multiprocessing asyncio webbrowser runpy code pty platform gc inspect
    types imp pkgutil zipimport site atexit cffi paramiko""".split()
)
BUILTINS = frozenset("open eval exec compile __import__ input globals locals vars breakpoint delattr exit quit".split())
_HARMLESS = frozenset({"SimpleNamespace"})
"""Of those modules, what only holds values."""
_INTERNALS = frozenset(
    "__class__ __bases__ __subclasses__ __globals__ __builtins__ __mro__ __code__ __dict__ __getattribute__ __import__ "
    "__loader__ __reduce__ __reduce_ex__".split()
)


def reaches_outside(tree: ast.Module) -> list[Finding]:
    """Return one finding for each line that calls out, or into Python's own insides; nothing of it was carried out."""
    aliases = dict(_aliases(tree))
    own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    found: dict[int, Finding] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _calls_out(node.func, aliases, own):
            text = Message(
                "{code} reaches outside the network; it was not carried out", code=short(ast.unparse(node.func))
            )
            found.setdefault(node.lineno, Finding(node.lineno, text))
        elif isinstance(node, ast.Attribute) and node.attr in _INTERNALS:
            text = Message("{code} reaches into Python itself; it was not carried out", code=short(ast.unparse(node)))
            found.setdefault(node.lineno, Finding(node.lineno, text))
        elif isinstance(node, ast.Name) and node.id in {"__builtins__", "__loader__"}:
            text = Message("{code} reaches into Python itself; it was not carried out", code=node.id)
            found.setdefault(node.lineno, Finding(node.lineno, text))
    return list(found.values())


def _aliases(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname or alias.name.split(".")[0]), alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield (alias.asname or alias.name), node.module.split(".")[0]


def _calls_out(function: ast.expr, aliases: dict[str, str], own: set[str]) -> bool:
    last = function.attr if isinstance(function, ast.Attribute) else ""
    while isinstance(function, (ast.Attribute, ast.Subscript, ast.Call)):
        if isinstance(function, ast.Call):
            return False  # the inner call is looked at by itself
        function = function.value
    if not isinstance(function, ast.Name) or _HARMLESS & {last, function.id}:
        return False
    if function.id in BUILTINS:
        return function.id not in own
    return aliases.get(function.id) in MODULES
