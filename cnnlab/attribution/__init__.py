"""Which pixels decided: eight attribution methods behind one signature, from Captum, and the checks on them."""

from cnnlab.attribution.answers import answer, fingerprint, known_answer
from cnnlab.attribution.core import Attribution, attribute, last_convolution
from cnnlab.attribution.registry import METHODS, Method

__all__ = [
    "METHODS",
    "Attribution",
    "Method",
    "answer",
    "attribute",
    "fingerprint",
    "known_answer",
    "last_convolution",
]
