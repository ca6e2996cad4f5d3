"""Layers that only carry numbers to another place, or let them through: nothing is computed but the place."""

from __future__ import annotations

from cnnlab.architecture import joins, later, rare
from cnnlab.architecture import layers as specs
from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import At, Parts


def flatten(at: At) -> Parts:
    """Say which map and pixel an index came from: index = (channel * H + row) * W + column."""
    shape = at.source.values.shape
    (position,) = at.index
    if len(shape) != 3:
        return _moved(at, (position,))
    channel, pixel = divmod(position, shape[1] * shape[2])
    row, column = divmod(pixel, shape[2])
    says = Formula(
        "{unit} is channel {channel}, row {row}, column {column} of {source}: "
        "({channel} · {height} + {row}) · {width} + {column} = {position}",
        unit=at.unit, source=at.source.name, channel=channel, row=row, column=column,
        height=shape[1], width=shape[2], position=position,
    )  # fmt: skip
    return Parts(says, [at.copied(channel, row, column)])


def zero_pad2d(at: At) -> Parts:
    """Say which pixel a number of the padded map is; one of the border is zero and has no terms."""
    layer, (channel, i, j) = at.layer, at.index
    if not isinstance(layer, later.ZeroPad2d):
        raise TypeError(layer.kind)
    row, column, shape = i - layer.top, j - layer.left, at.source.values.shape
    if 0 <= row < shape[1] and 0 <= column < shape[2]:
        return _moved(at, (channel, row, column))
    return Parts(Formula("{unit} = 0: it stands in the border of zeros", unit=at.unit))


def channel_shuffle(at: At) -> Parts:
    """Say which channel it was before the cards were mixed: y[k*g + m] = x[m*(C/g) + k].

    Source: Zhang, Zhou, Lin & Sun 2017, arXiv:1707.01083, section 3.1.
    """
    layer, (channel, i, j) = at.layer, at.index
    if not isinstance(layer, later.ChannelShuffle):
        raise TypeError(layer.kind)
    k, m = divmod(channel, layer.groups)
    return _moved(at, (m * (len(at.source.values) // layer.groups) + k, i, j))


def select_channels(at: At) -> Parts:
    """Say which of the maps was taken."""
    layer = at.layer
    if not isinstance(layer, rare.SelectChannels):
        raise TypeError(layer.kind)
    return _moved(at, (layer.channels[at.index[0]], *at.index[1:]))


def chunk(at: At) -> Parts:
    """Say which channel of the whole the share's channel is: y[c] = x[b*C/n + c]."""
    layer = at.layer
    if not isinstance(layer, joins.Chunk):
        raise TypeError(layer.kind)
    return _moved(at, (layer.index * at.output_shape[0] + at.index[0], *at.index[1:]))


def pad_shortcut(at: At) -> Parts:
    """Say which pixel a shortcut kept; a number of an added map is zero and has no terms."""
    layer, (channel, i, j) = at.layer, at.index
    if not isinstance(layer, joins.PadShortcut):
        raise TypeError(layer.kind)
    channels = len(at.source.values)
    source = channel - layer.before(channels)
    if 0 <= source < channels:
        return _moved(at, (source, i * layer.stride, j * layer.stride))
    return Parts(Formula("{unit} = 0: it stands in one of the added maps of zeros", unit=at.unit))


def concat(at: At) -> Parts:
    """Say which branch a channel came from."""
    channel, number = at.index[0], 0
    while channel >= len(at.sources[number].values):
        channel -= len(at.sources[number].values)
        number += 1
    return _moved(at, (channel, *at.index[1:]), number)


def dropout(at: At) -> Parts:
    """Take dropout apart: y = x * m / (1 - p), m drawn as 0 or 1 in training; in evaluation everything passes.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, JMLR 15; they shrink the weights in
    evaluation by 1 - p instead, which is the same on average.
    """
    layer = at.layer
    if not isinstance(layer, (specs.Dropout, specs.Dropout2d)):
        raise TypeError(layer.kind)
    x = at.arriving(*at.index)
    if at.drawn is None or at.drawn.mask is None:
        says = Formula("{unit} = {x:.4g}: outside training, dropout lets everything pass", unit=at.unit, x=x)
        return Parts(says, [at.copied(*at.index)])
    factor = float(at.drawn.mask.expand(at.output_shape)[at.index])
    says = (
        Formula("{unit} = {x:.4g} / (1 - {p:.4g}) = {value:.4g}: this number was kept", unit=at.unit, x=x, p=layer.p,
                value=x * factor)
        if factor
        else Formula("{unit} = 0: this number ({x:.4g}) was dropped, as happens with a share of {p:.4g}", unit=at.unit,
                     x=x, p=layer.p)
    )  # fmt: skip
    return Parts(says, [at.copied(*at.index, factor=factor)], numbers={"p": layer.p})


def _moved(at: At, index: tuple[int, ...], of: int = 0) -> Parts:
    says = Formula("{unit} is {source}[{index}] = {value:.4g}, carried to another place", unit=at.unit,
                   source=at.sources[of].name, index=",".join(map(str, index)), value=at.arriving(*index, of=of))  # fmt: skip
    return Parts(says, [at.copied(*index, of=of)])
