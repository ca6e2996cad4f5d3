"""Small layers that Keras does not have, written into the source where one is needed."""

from __future__ import annotations

from cnnlab.architecture import rare

_CODES = "\n".join(f'    "{digit}",' for digit in rare.DIGITS)

EXTRA_CLASSES: dict[str, str] = {
    "codes=DIGITS": f"""
DIGITS = (
{_CODES}
)
""",
    "SelectChannels": '''
@keras.saving.register_keras_serializable("cnnlab")
class SelectChannels(layers.Layer):
    """Take some of the channels, in this order."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = tuple(channels)

    def call(self, x):
        return keras.ops.take(x, self.channels, axis=-1)

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
''',
    "RBF": '''
@keras.saving.register_keras_serializable("cnnlab")
class RBF(layers.Layer):
    """Minus the squared distance to one fixed code of +1 and -1 for each class; without codes they are drawn once."""

    def __init__(self, units, codes=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.codes = units, codes

    def build(self, input_shape):
        def first(shape, dtype=None):
            if self.codes is None:
                return keras.ops.sign(keras.random.uniform(shape, -1, 1))
            pixels = [code.replace(" ", "") for code in self.codes]
            return keras.ops.array([[1.0 if pixel == "#" else -1.0 for pixel in code] for code in pixels])

        shape = (self.units, input_shape[-1])
        self.weight = self.add_weight(shape=shape, initializer=first, trainable=False, name="codes")

    def call(self, x):
        return -keras.ops.sum((x[:, None] - self.weight) ** 2, axis=2)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "codes": self.codes}
''',
    "PadBelowAll": '''
@keras.saving.register_keras_serializable("cnnlab")
class PadBelowAll(layers.Layer):
    """Pad with minus infinity, which no maximum ever chooses: what PyTorch's MaxPool2d does."""

    def __init__(self, padding, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, x):
        return keras.ops.pad(x, ((0, 0), *self.padding, (0, 0)), constant_values=float("-inf"))

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}
''',
    "AveragePoolingOverEdge": '''
@keras.saving.register_keras_serializable("cnnlab")
class AveragePoolingOverEdge(layers.Layer):
    """Average over windows of which the last may reach over the edge; only pixels that are there count."""

    def __init__(self, size, stride, over, **kwargs):
        super().__init__(**kwargs)
        self.size, self.stride, self.over = size, stride, over

    def call(self, x):
        below, right = self.over
        edge = ((0, 0), (0, below), (0, right), (0, 0))
        mean = keras.ops.average_pool(keras.ops.pad(x, edge), self.size, self.stride)
        there = keras.ops.average_pool(keras.ops.pad(keras.ops.ones_like(x), edge), self.size, self.stride)
        return mean / there

    def get_config(self):
        return {**super().get_config(), "size": self.size, "stride": self.stride, "over": self.over}
''',
    "AdaptiveAveragePooling": '''
@keras.saving.register_keras_serializable("cnnlab")
class AdaptiveAveragePooling(layers.Layer):
    """Average over windows chosen so that `size` x `size` means come out; they may overlap by a pixel."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, x):
        for axis in (1, 2):
            length, parts = x.shape[axis], []
            for i in range(self.size):
                places = range(i * length // self.size, -(-(i + 1) * length // self.size))
                part = keras.ops.take(x, list(places), axis=axis)
                parts.append(keras.ops.mean(part, axis=axis, keepdims=True))
            x = keras.ops.concatenate(parts, axis=axis)
        return x

    def get_config(self):
        return {**super().get_config(), "size": self.size}
''',
    "LocalResponseNormalization": '''
@keras.saving.register_keras_serializable("cnnlab")
class LocalResponseNormalization(layers.Layer):
    """Divide each number by (k + alpha * mean of the squares of `size` neighbouring channels) ** beta."""

    def __init__(self, size, alpha, beta, k, **kwargs):
        super().__init__(**kwargs)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def call(self, x):
        channels, before = x.shape[-1], self.size // 2
        squares = keras.ops.pad(x * x, ((0, 0), (0, 0), (0, 0), (before, self.size - 1 - before)))
        total = sum(squares[..., i : i + channels] for i in range(self.size))
        return x / (self.k + self.alpha * total / self.size) ** self.beta

    def get_config(self):
        config = {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}
        return {**super().get_config(), **config}
''',
    "Chunk": '''
@keras.saving.register_keras_serializable("cnnlab")
class Chunk(layers.Layer):
    """Take the channels from `start` up to, not including, `stop`."""

    def __init__(self, start, stop, **kwargs):
        super().__init__(**kwargs)
        self.start, self.stop = start, stop

    def call(self, x):
        return x[..., self.start : self.stop]

    def get_config(self):
        return {**super().get_config(), "start": self.start, "stop": self.stop}
''',
    "PadShortcut": '''
@keras.saving.register_keras_serializable("cnnlab")
class PadShortcut(layers.Layer):
    """Keep every `stride`-th pixel and put channels of zeros before and after."""

    def __init__(self, stride, before, after, **kwargs):
        super().__init__(**kwargs)
        self.stride, self.before, self.after = stride, before, after

    def call(self, x):
        x = x[:, :: self.stride, :: self.stride, :]
        return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (self.before, self.after)))

    def get_config(self):
        return {**super().get_config(), "stride": self.stride, "before": self.before, "after": self.after}
''',
}
"""By what stands in a line that needs one: the source of a class or a constant."""
