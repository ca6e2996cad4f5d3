"""Convolution under the glass: the operation alone, on a picture, with a kernel that a person typed in."""

from cnnlab.insight.glass.chain import Stage, Sum, Term, Use, brightness, painted, place, run, total_of, uses
from cnnlab.insight.glass.counting import Counts, counts
from cnnlab.insight.glass.operation import Operation, mends, problem
from cnnlab.insight.glass.predictions import (
    Verdict,
    challenge,
    check_number,
    check_params,
    check_size,
    number_key,
    params_key,
    size_key,
)

__all__ = [
    "Counts",
    "Operation",
    "Stage",
    "Sum",
    "Term",
    "Use",
    "Verdict",
    "brightness",
    "challenge",
    "check_number",
    "check_params",
    "check_size",
    "counts",
    "mends",
    "number_key",
    "painted",
    "params_key",
    "place",
    "problem",
    "run",
    "size_key",
    "total_of",
    "uses",
]
