"""The classic networks after LeNet, at full size and small enough to be trained in class."""

from cnnlab.architecture.zoo.full import FULL
from cnnlab.architecture.zoo.small import SMALL

ZOO = (*SMALL, *FULL)
"""All of them, small ones first."""

__all__ = ["FULL", "SMALL", "ZOO"]
