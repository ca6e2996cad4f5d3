"""What every part of the reader stands on: how much it may do, and what it has to say."""

from __future__ import annotations

import ast

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Finding, Refusal, Text, TooMuch
from cnnlab.source_in.naming import Scope
from cnnlab.source_in.text import short
from cnnlab.source_in.values import Module, Unknown, Value

MAX_STEPS = 150_000
MAX_CALLS = 40
MAX_LENGTH = 5_000
MAX_NUMBER = 10**15
MAX_RANGE = 20_000


class Core:
    """Budgets and findings of one reading.

    Attributes:
        strict: above 0 inside the network's own code, where every line has to be understood.
        feeds: ``(module, shape of one example, line)`` of each call of a network with numbers made on the spot.
        made: modules made outside all others, with the name they were kept under; ``loose`` are all of them, kept or
            not, each with the number of functions that it was made in.
        lanes: modules that Keras' functional way of writing sent a tensor through.
        forced: the input shape that was given from outside, for what is built with its input (Keras).
    """

    def __init__(self, forced: tuple[int, int, int] | None = None) -> None:
        self.steps = 0
        self.calls = 0
        self.strict = 0
        self.loops = 0
        self.forced = forced
        self.problems: list[Finding] = []
        self.ignored: dict[int, Finding] = {}
        self.notes: dict[int, Finding] = {}
        self.failures: list[Refusal] = []
        self.made: list[tuple[str, Module]] = []
        self.loose: list[tuple[int, Module]] = []
        self.feeds: list[tuple[Module, tuple[int, ...], int]] = []
        self.lanes: set[int] = set()
        self.patched: dict[str, Value] = {}
        self.channels_first = False
        self.scope: Scope = ()
        self.scopes = 0
        self.blocks: dict[tuple[str, ...], int] = {}
        self.unknowns = 0
        self.used: set[ast.AST] = set()

    def tick(self, line: int) -> None:
        """Count one step.

        Raises:
            TooMuch: the source does more than any network's definition.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooMuch(
                line, Message("this computes longer than any network's definition; it was not read to its end")
            )

    def unknown(self, node: ast.AST | int, what: str = "", cause: Refusal | None = None) -> Unknown:
        """Return a value that nobody knows, and remember that one came up."""
        self.unknowns += 1
        if isinstance(node, int):
            return Unknown(node, what, cause)
        return Unknown(getattr(node, "lineno", 1), what or short(ast.unparse(node)), cause)

    def ignore(self, node: ast.AST) -> None:
        """List a statement that does not define the network."""
        line = getattr(node, "lineno", 1)
        self.ignored.setdefault(
            line, Finding(line, Message("not part of the network: {code}", code=short(ast.unparse(node))))
        )

    def left_out(self, node: ast.AST) -> None:
        """Take note of a call without meaning for the network; outside of it, its whole statement is listed."""
        self.unknowns += 1
        if self.strict:
            self.ignore(node)

    def note(self, line: int, text: Message) -> None:
        """Keep what means something slightly different here, once for each line."""
        self.notes.setdefault(line, Finding(line, text))

    def bounded(self, value: Value, line: int) -> Value:
        """Return ``value`` if it is of a size that networks need.

        Raises:
            Refusal: a number, text or list far beyond that.
        """
        if isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise Refusal(line, Message("a number here has more than 15 digits; no network needs it"))
        if isinstance(value, range) and not len(value) <= MAX_RANGE:
            raise Refusal(
                line, Message("a list or text here is longer than {limit}; no network needs it", limit=MAX_RANGE)
            )
        if isinstance(value, (str, bytes, list, tuple, dict, set)) and len(value) > MAX_LENGTH:
            raise Refusal(
                line, Message("a list or text here is longer than {limit}; no network needs it", limit=MAX_LENGTH)
            )
        return value

    def light(self, value: Value, line: int) -> Value:
        """Return ``value`` if all that it holds, lists in lists counted as often as they stand there, is little.

        Raises:
            Refusal: it is much; comparing or hashing it could take forever.
        """
        count, queue = 0, [value]
        while queue:
            one = queue.pop()
            if isinstance(one, (list, tuple, set, dict)):
                count += len(one) + 1
                if count > MAX_LENGTH:
                    text = Message("a list or text here is longer than {limit}; no network needs it", limit=MAX_LENGTH)
                    raise Refusal(line, text)
                queue += [*one, *one.values()] if isinstance(one, dict) else one
        return value

    def known(self, value: Value, line: int) -> Value:
        """Return ``value`` unless nobody knows it.

        Raises:
            Refusal: it is unknown; the sentence says where it comes from, or why it could not be read.
        """
        if isinstance(value, Unknown):
            raise from_unknown(value, line)
        if (spoiled := getattr(value, "spoiled", None)) is not None:
            raise from_unknown(spoiled, line)
        return value


def from_unknown(value: Unknown, line: int) -> Refusal:
    """Return the refusal that says where an unknown value comes from."""
    if value.cause is not None:
        return value.cause
    if value.line == line:
        return Refusal(line, Message("not understood: {code}", code=value.what))
    text: Text = Message("this needs what line {first} makes, and that is not understood: {code}", first=value.line, code=value.what)  # fmt: skip
    return Refusal(line, text)
