"""Anyone's text as a syntax tree: size, bytes and nesting are looked at before Python's own parser sees it."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
import warnings

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Finding, Refusal

MAX_BYTES = 150_000
MAX_NODES = 60_000
MAX_DEPTH = 90
MAX_BRACKETS = 60
MAX_TOKENS = 6_000
MAX_ALL_TOKENS = 60_000

_SHELL = re.compile(r"^\s*[!%][\w!%]")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_NUMBERED = re.compile(r"\s*(\d{1,5})(?:[ \t:.|]|$)")
_TYPOGRAPHIC = dict(zip("\u2018\u2019\u201c\u201d（），：；【】＝．", "''\"\"(),:;[]=."))
_PROMPT = re.compile(r"^\s*(?:>>>|\.\.\.)(?: |$)")


def parse(source: str | bytes) -> tuple[ast.Module, list[Finding]]:
    """Return the tree and what was left out before parsing (``!pip``, ``%matplotlib``).

    Raises:
        Refusal: too large, not text, nested too deep, or not Python; the sentence says which and where.
    """
    text = _decode(source)
    lines, ignored = _clean(text.splitlines())
    cleaned = textwrap.dedent("\n".join(lines)) + "\n"
    _check_nesting(cleaned)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a SyntaxWarning for "\d" is no matter of ours
            tree = ast.parse(cleaned)
    except SyntaxError as error:
        raise _not_python(error.lineno or 1, lines, error.msg) from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise Refusal(1, Message("this nests deeper than any network's source; it was not read")) from error
    _check_tree(tree)
    return tree, ignored


def _decode(source: str | bytes) -> str:
    if len(source) > MAX_BYTES:
        raise Refusal(
            1,
            Message(
                "this source has more than {limit:,} characters; paste the part that defines the network",
                limit=MAX_BYTES,
            ),
        )
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refusal(1, Message("this is no text but a binary file; paste Python source")) from error
    if any(ord(mark) < 32 and mark not in "\t\n\r\f\v" for mark in source):
        raise Refusal(1, Message("this is no text but a binary file; paste Python source"))
    if not source.strip():
        raise Refusal(1, Message("there is nothing here yet; paste PyTorch or Keras source"))
    if source.lstrip().startswith("{") and '"cells"' in source:
        raise Refusal(1, Message("this is a notebook; paste the cells that define the network"))
    return (
        source.removeprefix("\ufeff").replace("\u00a0", " ").replace("\u3000", "  ").encode("utf-8", "replace").decode()
    )


def _clean(lines: list[str]) -> tuple[list[str], list[Finding]]:
    """Return as many lines as came in: those outside a fence empty, prompts and shell commands taken away."""
    ignored: list[Finding] = []
    fences = [number for number, line in enumerate(lines) if _FENCE.match(line)]
    if fences:
        inside = False
        for number in range(len(lines)):
            if number in fences:
                inside, lines[number] = not inside, ""
            elif not inside:
                lines[number] = ""
    if next((line for line in lines if line.strip()), "").lstrip().startswith(">>> "):
        lines = [_PROMPT.sub("", line) if _PROMPT.match(line) else "" for line in lines]
    lines = _without_numbers(lines)
    for number, line in enumerate(lines):
        if _SHELL.match(line):
            ignored.append(
                Finding(number + 1, Message("a command for the notebook or the shell: {code}", code=short(line)))
            )
            indent = line[: len(line) - len(line.lstrip())]
            lines[number] = f"{indent}pass"
    return lines, ignored


def _without_numbers(lines: list[str]) -> list[str]:
    """Return lines copied together with their numbers, without these."""
    found = [_NUMBERED.match(line) for line in lines if line.strip()]
    counts = [int(match[1]) for match in found if match]
    if len(counts) < 3 or len(counts) < len(found) or any(b - a != 1 for a, b in zip(counts, counts[1:])):
        return lines
    return [_NUMBERED.sub("", line, count=1) for line in lines]


def _check_nesting(text: str) -> None:
    """Refuse what could exhaust the parser: deep brackets, and endless chains in one statement."""
    depth = tokens = 0
    try:
        for count, token in enumerate(tokenize.generate_tokens(io.StringIO(text).readline)):
            if count > MAX_ALL_TOKENS:
                raise Refusal(
                    token.start[0],
                    Message("this is longer than any network's source; paste the part that defines the network"),
                )
            tokens = (
                0 if token.type == tokenize.NEWLINE or token.string == "," else tokens + 1
            )  # a long list nests nothing
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
            if depth > MAX_BRACKETS or tokens > MAX_TOKENS:
                raise Refusal(token.start[0], Message("this nests deeper than any network's source; it was not read"))
    except (tokenize.TokenError, SyntaxError):  # the parser says it better
        return


def _check_tree(tree: ast.Module) -> None:
    """Refuse a tree that is too deep or too large to walk in a moment."""
    level: list[ast.AST] = [tree]
    count = depth = 0
    while level:
        count += len(level)
        depth += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            line = next((node.lineno for node in level if hasattr(node, "lineno")), 1)
            raise Refusal(line, Message("this nests deeper than any network's source; it was not read") if depth > MAX_DEPTH
                          else Message("this is longer than any network's source; paste the part that defines the network"))  # fmt: skip
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _not_python(line: int, lines: list[str], reason: str) -> Refusal:
    line = max(1, min(line, len(lines)))
    code = lines[line - 1]
    if marks := "".join(sorted(set(code) & _TYPOGRAPHIC.keys())):
        plain = "".join(_TYPOGRAPHIC[mark] for mark in marks)
        return Refusal(
            line,
            Message(
                "this is not Python: {code}; {marks} have to be {plain}", code=short(code), marks=marks, plain=plain
            ),
        )
    if reason.endswith("was never closed"):
        return Refusal(
            line, Message("this is not Python: {code}; its {mark} is never closed", code=short(code), mark=reason[1])
        )
    return Refusal(line, Message("this is not Python: {code}", code=short(code)))


def short(code: str) -> str:
    """Return the first line of a piece of code, cut to a length that fits a list."""
    lines = code.strip().splitlines() or [""]
    cut = lines[0].strip()
    return f"{cut[:77]}..." if len(cut) > 80 or len(lines) > 1 else cut
