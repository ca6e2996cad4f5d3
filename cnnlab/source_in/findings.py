"""What the reader has to say about a piece of source: sentences with their lines, and the result as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError
from cnnlab.i18n import Message

Text = Message | CnnLabError


@dataclass(frozen=True)
class Finding:
    """One sentence about one line.

    Attributes:
        line: the line in the source as it was given, from 1; for what concerns all of it, 1.
        text: the sentence; ``text(language)`` translates it, ``str()`` is English.
    """

    line: int
    text: Text


@dataclass(frozen=True)
class Imported:
    """What a piece of source says of a network.

    Attributes:
        architecture: the network, or None where ``problems`` say why there is none. One whose layers do not fit each
            other is there all the same, as printed, for it can be drawn and mended.
        input_shape: ``(C, H, W)`` as given, found in the code or worked out from its layers; None where it has to be asked.
        problems: what keeps the network from being read or from running, and calls that reach outside; by line.
        ignored: statements that do not define the network; by line.
        notes: what was read and means something slightly different here; by line.
        choices: names of the networks in the source, where there are several to choose from.
        asks_size: whether nothing but the size of the pictures is missing.
        channels: how many channels the first layer takes, where that is asked; None where it takes any.
    """

    architecture: Architecture | None = None
    input_shape: tuple[int, int, int] | None = None
    problems: tuple[Finding, ...] = ()
    ignored: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    choices: tuple[str, ...] = ()
    asks_size: bool = False
    channels: int | None = None

    @property
    def num_params(self) -> int | None:
        """Parameters of the network (of the layers above the first that does not fit), or None without one."""
        return self.architecture.trace().num_params if self.architecture else None


class Refusal(Exception):
    """A line that the reader does not take, with the reason; it never leaves this room.

    ``network`` is set where a network was being made; ``wants`` is the shape of the pictures with which it would not
    have come to this.
    """

    network = False
    wants: tuple[int, int, int] | None = None

    def __init__(self, line: int, text: Text) -> None:
        super().__init__(str(text))
        self.line = line
        self.text = text

    @property
    def finding(self) -> Finding:
        """The line and the reason."""
        return Finding(self.line, self.text)


class TooMuch(Refusal):
    """The source would take longer to read than anyone waits; nothing goes on after it."""
