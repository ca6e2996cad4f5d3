"""Predict, then reveal: three questions about a convolution, and what to say to an answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from cnnlab.i18n import Message
from cnnlab.insight.glass.chain import Stage, Sum, run, total_of
from cnnlab.insight.glass.operation import Operation

Kind = Literal["size", "params", "number"]
KINDS: tuple[Kind, ...] = ("size", "params", "number")


@dataclass(frozen=True)
class Verdict:
    """What came of an answer.

    Attributes:
        right: whether it is right.
        computation: how the right one is worked out, with its numbers.
        hint: what may have gone wrong; None where nothing is known of that.
    """

    right: bool
    computation: Message
    hint: Message | None = None


def question_key(kind: Kind, *facts: Any) -> str:
    """Return a short key for one question: the same facts ask the same question."""
    text = json.dumps([kind, *facts], sort_keys=True, default=str)
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def size_key(operation: Operation, height: int, width: int) -> str:
    """Return the key of "how large is the output?"."""
    return question_key(
        "size", height, width, operation.kernel_size, operation.stride, operation.padding, operation.dilation
    )


def params_key(operation: Operation) -> str:
    """Return the key of "how many parameters has it?"."""
    return question_key("params", len(operation.kernel), operation.kernel_size)


def number_key(before: Tensor, stage: Stage, row: int, col: int) -> str:
    """Return the key of "which number stands here?".

    Shape:
        before: (C, H, W) float64, what arrives at ``stage``
    """
    total = total_of(before, stage, row, col)
    return question_key("number", stage.name, [(t.value, t.factor) for t in total.terms], total.bias)


def check_size(operation: Operation, height: int, width: int, answer: tuple[int, int]) -> Verdict:
    """Return the verdict on rows and columns of a convolution's output.

    Raises:
        ShapeError: the operation does not fit.
    """
    rows, cols = operation.conv_shape(height, width)
    values = {
        "padding": operation.padding, "reach": operation.reach, "stride": operation.stride,
        "dilation": operation.dilation, "kernel": operation.kernel_size,
    }  # fmt: skip
    sides = [(height, rows)] if height == width else [(height, rows), (width, cols)]
    parts = [_axis(size, out, **values) for size, out in sides]
    computation = parts[0] if len(parts) == 1 else Message("{rows}; {cols}", rows=parts[0], cols=parts[1])
    right = answer == (rows, cols)
    return Verdict(right, computation, None if right else _size_hint(operation, height, width, answer))


def _axis(size: int, out: int, **values: int) -> Message:
    room = size + 2 * values["padding"] - values["reach"]
    shares = {**values, "size": size, "out": out, "room": room, "jumps": room // values["stride"]}
    if values["dilation"] > 1:
        return Message(
            "the window covers {dilation}·({kernel} − 1) + 1 = {reach} px, so it can move {size} + 2·{padding} − {reach} = "
            "{room} px; in jumps of {stride} these are {jumps}, and with the first place {jumps} + 1 = {out}",
            **shares,
        )
    return Message(
        "the window can move {size} + 2·{padding} − {reach} = {room} px; in jumps of {stride} these are {jumps}, "
        "and with the first place {jumps} + 1 = {out}",
        **shares,
    )


def _size_hint(operation: Operation, height: int, width: int, answer: tuple[int, int]) -> Message | None:
    rows, cols = operation.conv_shape(height, width)
    if answer == (rows - 1, cols - 1):
        return Message("The first place counts, too: add 1 to the jumps.")
    for change, said in (
        ({"stride": 1}, Message("That would be right with stride 1: the window jumps {n} px.", n=operation.stride)),
        ({"dilation": 1}, Message("That would be right without dilation: the gaps belong to the window.")),
        ({"padding": 0}, Message("That would be right without padding: the rim is added on both sides.")),
    ):
        other = operation.model_copy(update=change)
        if other != operation and other.reach <= min(height, width) + 2 * other.padding:
            if other.conv_shape(height, width) == answer:
                return said
    if operation.padding:
        one_side = (height + operation.padding - operation.reach) // operation.stride + 1
        if answer[0] == one_side:
            return Message("The rim is added on both sides: count it twice.")
    if answer == (height, width):
        return Message("The window stops where its far edge meets the end of the picture: it has fewer places.")
    return None


def check_params(operation: Operation, answer: int) -> Verdict:
    """Return the verdict on how many numbers the convolution learns."""
    channels, size, right = len(operation.kernel), operation.kernel_size, operation.num_params
    computation = Message(
        "{channels} × {size} × {size} weights and 1 bias: {right}, wherever the window stands and however large the picture",
        channels=channels, size=size, right=right,
    )  # fmt: skip
    hint = None
    if answer == right - 1:
        hint = Message("The bias is learned, too: add 1.")
    elif answer == size**2 + 1 and channels > 1:
        hint = Message("Each of the {channels} planes has a kernel of its own.", channels=channels)
    elif answer > 10 * right:
        hint = Message("All places use the same kernel, so it counts once.")
    return Verdict(answer == right, computation, hint)


def check_number(before: Tensor, stage: Stage, row: int, col: int, answer: float) -> Verdict:
    """Return the verdict on one output of a convolution; within 0.005, or half a percent, it is right.

    Shape:
        before: (C, H, W), what arrived at ``stage``

    Raises:
        ShapeError: there is no such place.
    """
    total = total_of(before, stage, row, col)
    computation = Message("{sum} = {total}", sum=sum_text(total), total=number(total.total))
    right = _close(answer, total.total)
    hint = None
    if not right and total.bias and _close(answer, total.total - total.bias):
        hint = Message("Now add the bias.")
    elif not right and total.total and _close(answer, -total.total):
        hint = Message("Mind the sign.")
    return Verdict(right, computation, hint)


def _close(answer: float, value: float) -> bool:
    return abs(answer - value) <= max(0.005, 0.005 * abs(value)) + 1e-9


def sum_text(total: Sum, most: int = 9) -> Message:
    """Return ``total`` as a sum that can be read: its largest products, the rest as one, the bias."""
    terms = sorted((t for t in total.terms if t.product), key=lambda term: -abs(term.product))
    shown, rest = terms[:most], terms[most:]
    text = " + ".join(f"{_signed(t.value)} × {_signed(t.factor)}" for t in shown) or "0"
    others = sum(term.product for term in rest)
    if rest and total.bias:
        return Message(
            "{sum} + {others} from {count} smaller products + {bias} of bias",
            sum=text, others=_signed(others), count=len(rest), bias=_signed(total.bias),
        )  # fmt: skip
    if rest:
        return Message(
            "{sum} + {others} from {count} smaller products", sum=text, others=_signed(others), count=len(rest)
        )
    return (
        Message("{sum} + {bias} of bias", sum=text, bias=_signed(total.bias))
        if total.bias
        else Message("{sum}", sum=text)
    )


def number(value: float) -> str:
    """Return ``value`` with at most four decimals and a true minus sign."""
    text = f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".")
    return text.replace("-", "\u2212")


def _signed(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def challenge(before: Tensor, stage: Stage, turn: int) -> tuple[int, int]:
    """Return a place of a convolution whose number is worth predicting, another one for each ``turn``.

    Those are the places where at least two products are not zero; all places where there is none such.

    Shape:
        before: (C, H, W), what arrived at ``stage``
    """
    _one, rows, cols = stage.values.shape
    places = list(range(rows * cols))
    if stage.operation is not None:
        kernel = tuple(tuple(tuple(float(w != 0) for w in row) for row in plane) for plane in stage.operation.kernel)
        plain = stage.operation.model_copy(
            update={"kernel": kernel, "bias": 0.0, "activation": "none", "pooling": "none"}
        )
        products = run((before != 0).to(torch.float64), [plain])[1].values
        places = (products.flatten() >= 1.5).nonzero().flatten().tolist() or places
    shuffled = torch.randperm(len(places), generator=torch.Generator().manual_seed(len(places))).tolist()
    return divmod(places[shuffled[turn % len(places)]], cols)


__all__ = [
    "KINDS", "Kind", "Verdict", "challenge", "check_number", "check_params", "check_size", "number", "number_key",
    "params_key", "question_key", "size_key", "sum_text",
]  # fmt: skip
