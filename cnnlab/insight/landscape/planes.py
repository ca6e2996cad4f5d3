"""A plane through the space of all weights: two weights, two filter-normalised directions, or the path of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.architecture import Address
from cnnlab.errors import ModelError, RunError
from cnnlab.insight.landscape.ground import Ground
from cnnlab.insight.landscape.rules import Pair

FEWEST_MOMENTS = 3
_LEAST_REACH = 0.05


@dataclass(frozen=True, eq=False)
class Plane:
    """All weights that two directions lead to: centre + (u - u0) * first + (v - v0) * second.

    Attributes:
        kind: ``weights``, ``random`` or ``path``.
        names: what the two directions are called: two addresses of weights, else empty.
        centre: the model's own weights. Shape: (P,)
        directions: first and second. Shape: (2, P)
        origin: (u0, v0): the place of the centre.
        reach: how far it is shown: lowest and highest u, lowest and highest v.
        held: of the plane of a path: which part of the variance of its moments each direction holds, in [0, 1].
    """

    kind: str
    names: tuple[str, ...]
    centre: Tensor
    directions: Tensor
    origin: Pair
    reach: tuple[Pair, Pair]
    held: tuple[float, ...] = ()

    def weights(self, place: Pair) -> Tensor:
        """Return the weights at ``place``; at the origin they are the centre's own, bit for bit. Shape: (P,)."""
        first, second = self.directions
        return self.centre + (place[0] - self.origin[0]) * first + (place[1] - self.origin[1]) * second

    def shows(self, place: Pair) -> bool:
        """Return whether ``place`` lies within what is shown of the plane."""
        return all(low <= at <= high for at, (low, high) in zip(place, self.reach))

    def project(self, weights: Tensor) -> tuple[Pair, float]:
        """Return the place in the plane that is nearest to ``weights``, and how far they lie from it.

            (u, v) = (u0, v0) + G^-1 D (weights - centre),  D the two directions, G = D D^T

        The distance is Euclidean, in the space of all weights.
        """
        way = (weights - self.centre).double()
        directions = self.directions.double()
        steps = torch.linalg.solve(directions @ directions.T, directions @ way)  # (2,)
        far = float((way - steps @ directions).norm())
        return (self.origin[0] + float(steps[0]), self.origin[1] + float(steps[1])), far

    def slope(self, gradient: Tensor) -> tuple[Pair, float]:
        """Return the gradient by u and v, and which part of its length lies along the plane, in [0, 1].

            dL/du = gradient . first,   dL/dv = gradient . second

        Shape:
            gradient: by all weights, (P,)
        """
        directions, full = self.directions.double(), gradient.double()
        by = directions @ full
        along = torch.linalg.solve(directions @ directions.T, by) @ directions
        size = float(full.norm())
        return (float(by[0]), float(by[1])), float(along.norm()) / size if size > 0 else 0.0


def weights_plane(ground: Ground, first: str, second: str, reach: float = 1.0) -> Plane:
    """Return the plane of two single weights; u and v are their values themselves.

    It reaches as far to each side as ``reach`` times 8 times the root mean square of the tensor that the weight is in,
    at least 0.05.

    Raises:
        ArchitectureError, ModelError: no such weight, or twice the same one.
    """
    places = [_position(ground, first), _position(ground, second)]
    if places[0][0] == places[1][0]:
        raise ModelError("{first}: choose two different weights", first=first)
    directions = torch.zeros(2, len(ground.centre))
    origin, sides = [], []
    for number, (position, tensor) in enumerate(places):
        directions[number, position] = 1
        value = float(ground.centre[position])
        half = reach * max(_LEAST_REACH, 8 * float(tensor.double().square().mean().sqrt()))
        origin.append(value)
        sides.append((value - half, value + half))
    names = (str(Address.parse(first)), str(Address.parse(second)))
    return Plane("weights", names, ground.centre, directions, (origin[0], origin[1]), (sides[0], sides[1]))


def random_plane(ground: Ground, seed: int = 0, reach: float = 1.0) -> Plane:
    """Return a plane of two random directions, each normalised filter by filter; it reaches ``reach`` to each side.

        d_f <- d_f * ||w_f|| / ||d_f||,  d ~ N(0, 1), for the weights w_f that lead to one channel or unit

    Biases, and what a normalisation has for each channel, stay as they are. So a step of 1 changes every filter by as
    much as it is long, whatever the scale of its layer.

    Source: Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the Loss Landscape of Neural Nets",
    arXiv:1712.09913, section 4: d_ij <- d_ij / ||d_ij|| * ||theta_ij||.
    """
    generator = torch.Generator().manual_seed(seed)
    directions = torch.stack([_normalised(ground, generator) for _ in range(2)])
    return Plane("random", (), ground.centre, directions, (0.0, 0.0), ((-reach, reach), (-reach, reach)))


def path_plane(ground: Ground, moments: Sequence[Tensor], reach: float = 1.0) -> Plane:
    """Return the plane that holds most of the path of a run: the first two principal components of its moments.

        the moments less their mean = U S V^T;  the directions are the first two rows of V^T, of length 1

    It goes through the centre. ``held`` is S_k^2 / sum S^2 for both. The first direction points from the beginning to
    the end of the path.

    Source: Li et al. 2018, arXiv:1712.09913, section 7: PCA of the differences to the final weights, plotted in its two
    most explanatory directions.

    Shape:
        moments: (P,) each, in the order of their steps

    Raises:
        RunError: fewer than three moments, or they all have the same weights.
    """
    if len(moments) < FEWEST_MOMENTS:
        raise RunError(
            "a plane needs {wanted} kept moments of the run, and there are {given}; let it train longer, or choose "
            "another plane",
            wanted=FEWEST_MOMENTS,
            given=len(moments),
        )
    ways = torch.stack([one - ground.centre for one in moments]).double()  # (M, P)
    ways -= ways.mean(0)
    values, vectors = torch.linalg.eigh(ways @ ways.T)  # ascending
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    if not values[1] > 1e-12 * values[0]:
        raise RunError("the kept moments of this run lie on one line or point; choose another plane")
    directions = torch.stack([vectors[:, k] @ ways / values[k].sqrt() for k in range(2)])
    directions *= torch.where(directions @ (ways[-1] - ways[0]) < 0, -1.0, 1.0)[:, None]
    held = tuple((values[:2] / values.sum()).tolist())
    plane = Plane("path", (), ground.centre, directions.float(), (0.0, 0.0), ((-1.0, 1.0), (-1.0, 1.0)), held)
    places = [plane.project(one)[0] for one in moments] + [(0.0, 0.0)]
    sides = [_around([place[axis] for place in places], reach) for axis in range(2)]
    return Plane("path", (), ground.centre, plane.directions, (0.0, 0.0), (sides[0], sides[1]), held)


def _around(values: Sequence[float], reach: float) -> Pair:
    low, high = min(values), max(values)
    margin = (high - low) * (0.25 + 0.5 * (reach - 1) if reach > 1 else 0.25 * reach)
    return low - margin, high + margin


def _normalised(ground: Ground, generator: torch.Generator) -> Tensor:
    parts, start = [], 0
    for _name, shape in ground.shapes:
        size = int(torch.Size(shape).numel())
        weights = ground.centre[start : start + size].view(shape)
        start += size
        drawn = torch.randn(shape, generator=generator)
        if len(shape) < 2:
            parts.append(torch.zeros(size))
            continue
        lengths = drawn.flatten(1).norm(dim=1).clamp(min=1e-12)
        scale = (weights.flatten(1).norm(dim=1) / lengths).view(-1, *[1] * (len(shape) - 1))
        parts.append((drawn * scale).flatten())
    return torch.cat(parts)


def _position(ground: Ground, text: str) -> tuple[int, Tensor]:
    """Return where the weight ``text`` stands among all, and the tensor that it is in."""
    address = Address.parse(text)
    start = 0
    for name, shape in ground.shapes:
        size = int(torch.Size(shape).numel())
        if name == f"{address.layer}.{address.tensor}":
            tensor = ground.centre[start : start + size].view(shape)
            if len(address.index) == len(shape) and all(0 <= k < n for k, n in zip(address.index, shape)):
                offset = torch.arange(size).view(shape)[address.index]
                return start + int(offset), tensor
            raise ModelError(
                "{text}: {name} has the shape {shape}; give one number for each axis, counted from 0",
                text=text[:60], name=name, shape="×".join(map(str, shape)),
            )  # fmt: skip
        start += size
    raise ModelError(
        "{text}: no such weight; write one as {example}",
        text=text[:60],
        example=f"{ground.shapes[0][0]}[{','.join('0' * len(ground.shapes[0][1]))}]",
    )
