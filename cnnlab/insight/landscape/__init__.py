"""The loss over a plane through the space of all weights, the path of a run on it, and marbles that roll down."""

from cnnlab.insight.landscape.ground import Ground, ground_for
from cnnlab.insight.landscape.marble import STEPS, WAYS, Rolled, Throw, roll
from cnnlab.insight.landscape.planes import Plane, path_plane, random_plane, weights_plane
from cnnlab.insight.landscape.rules import Move, Pair
from cnnlab.insight.landscape.surveying import Ask, Landscape, Moment, chosen_steps, found_for, points_of, survey

__all__ = [
    "STEPS",
    "WAYS",
    "Ask",
    "Ground",
    "Landscape",
    "Moment",
    "Move",
    "Pair",
    "Plane",
    "Rolled",
    "Throw",
    "chosen_steps",
    "found_for",
    "ground_for",
    "path_plane",
    "points_of",
    "random_plane",
    "roll",
    "survey",
    "weights_plane",
]
