"""Pieces that come ready to be used: made and called in one line, printed, or with a last layer set apart. Both libraries judge."""

from __future__ import annotations

from tests.source_in.pieces_torch import Piece

USED = {
    "a function as a module": Piece(
        """
import torch.nn as nn
class Lambda(nn.Module):
    def __init__(self, func):
        super().__init__()
        self.func = func
    def forward(self, x):
        return self.func(x)
def preprocess(x):
    return x.view(-1, 1, 28, 28)
model = nn.Sequential(
    Lambda(preprocess),
    nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(16, 16, kernel_size=3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(16, 10, kernel_size=3, stride=2, padding=1), nn.ReLU(),
    nn.AvgPool2d(4),
    Lambda(lambda x: x.view(x.size(0), -1)),
)
""",
        "model",
        (1, 28, 28),
    ),
    "used at once, settings by keyword": Piece(
        """
import torch, torch.nn as nn, torch.nn.functional as F
class Net(nn.Module):
    def __init__(self, in_ch=1, width=1.0, use_se=True, **kw):
        super().__init__()
        c = lambda n: max(8, int(n * width + 4) // 8 * 8)
        self.conv = nn.Conv2d(in_ch, c(16), 3, 2, 1)
        self.use_se = use_se
        if use_se:
            self.fc_a = nn.Conv2d(c(16), c(16)//4, 1)
            self.fc_b = nn.Conv2d(c(16)//4, c(16), 1)
        self.cls = nn.Linear(c(16), kw.get('classes', 10))
    def forward(self, x):
        x = F.silu(self.conv(x))
        if self.use_se:
            s = F.adaptive_avg_pool2d(x, 1)
            s = torch.sigmoid(self.fc_b(F.relu(self.fc_a(s))))
            x = x * s
        x = x.mean([2, 3])
        return self.cls(x)
Net(in_ch=3, classes=7)(torch.rand(2, 3, 32, 32))
""",
        "Net(in_ch=3, classes=7)",
        (3, 32, 32),
    ),
    "forward called by name": Piece(
        """
import torch.nn as nn, torch.nn.functional as F
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleDict({f"c{i}": nn.Conv2d(a, b, 3) for i, (a, b) in enumerate([(1, 8), (8, 16)])})
        self.out = nn.Linear(16, 10)
    def forward(self, x):
        for name, c in self.convs.items():
            x = F.leaky_relu(c(x), 0.2)
            x = F.max_pool2d(x, kernel_size=2) if name != "c1" else x
        x = F.avg_pool2d(x, x.size()[2:])
        return self.out(x.view(x.shape[0], -1))
import torch
y = Net().forward(torch.ones(4, 1, 28, 28))
""",
        "Net()",
        (1, 28, 28),
    ),
    "only printed": Piece(
        """
import torch, torch.nn as nn
class Tiny(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, k, 3), nn.ReLU(), nn.Flatten(), nn.Linear(k*26*26, 10))
    def forward(self, x): return self.net(x)
print(Tiny(4)(torch.zeros(1, 1, 28, 28)).shape)
""",
        "Tiny(4)",
        (1, 28, 28),
    ),
    "layers out of a table, by getattr": Piece(
        """
from torch import nn
def build(spec):
    out = []
    for kind, *args in spec:
        if kind == "conv": out.append(nn.Conv2d(*args, padding=1))
        elif kind == "pool": out.append(nn.MaxPool2d(*args))
        elif kind == "fc": out.append(nn.Linear(*args))
        else: out.append(getattr(nn, kind)())
    return nn.Sequential(*out)
NET = build([("conv", 3, 8, 3), ("ReLU",), ("pool", 2), ("conv", 8, 16, 3), ("ReLU",), ("pool", 2), ("Flatten",), ("fc", 16*8*8, 10)])
""",
        "NET",
        (3, 32, 32),
    ),
    "the last of a list apart": Piece(
        """
import torch as t
from torch import nn
class Net(nn.Module):
    def __init__(self, layer_sizes=(64, 32)):
        super().__init__()
        self.f = nn.Sequential()
        c = 3
        for i, o in enumerate([8, 16, 32], start=1):
            self.f.add_module(f"conv{i}", nn.Conv2d(c, o, 3, stride=2, padding=1))
            self.f.add_module(f"act{i}", nn.Hardswish() if i % 2 else nn.ReLU6())
            c = o
        self.h = nn.ModuleList([nn.Linear(a, b) for a, b in zip([32*4*4, *layer_sizes], [*layer_sizes, 10])])
    def forward(self, x):
        x = self.f(x).flatten(start_dim=1)
        *hidden, last = self.h
        for layer in hidden:
            x = t.tanh(layer(x))
        return last(x)
""",
        "Net()",
        (3, 32, 32),
    ),
    "self by another name": Piece(
        """
import torch
from torch import nn, cat
class L(nn.Module):
    def __init__(s, i, g):
        super().__init__(); s.n = nn.BatchNorm2d(i); s.c = nn.Conv2d(i, g, 3, 1, 1)
    def forward(s, x): return cat((x, s.c(s.n(x).relu())), 1)
class D(nn.Module):
    def __init__(s, g=6, k=3):
        super().__init__()
        i = 12
        s.stem = nn.Conv2d(3, i, 3, padding=1)
        s.ls = nn.ModuleList()
        for _ in range(k): s.ls.append(L(i, g)); i += g
        s.t = nn.Sequential(nn.Conv2d(i, i//2, 1), nn.AvgPool2d(2)); s.h = nn.Linear(i//2*16*16, 10)
    def forward(s, x):
        x = s.stem(x)
        for l in s.ls: x = l(x)
        return s.h(s.t(x).flatten(1))
""",
        "D()",
        (3, 32, 32),
    ),
    "everything imported, unpacked": Piece(
        """
from torch.nn import *
IN, OUT = 1, 10
k = dict(kernel_size=5, padding=2)
net = Sequential(Conv2d(IN, 6, **k), ReLU(), AvgPool2d(2), Conv2d(6, 16, kernel_size=5), ReLU(), AvgPool2d(2), Flatten(),
                 *[m for a, b in zip((400, 120, 84), (120, 84, OUT)) for m in (Linear(a, b), ReLU())][:-1])
""",
        "net",
        (1, 28, 28),
    ),
    "a Sequential of its own": Piece(
        """
import torch.nn as nn
def act(name): return {"relu": nn.ReLU, "gelu": nn.GELU}[name]()
class ConvBNAct(nn.Sequential):
    def __init__(self, i, o, k=3, s=1, *, groups=1, activation="relu"):
        super().__init__(
            nn.Conv2d(i, o, k, s, (k - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(o),
            act(activation) if activation else nn.Identity(),
        )
class ConvNeXtish(nn.Module):
    def __init__(self, dims=(16, 32), depths=[1, 2], n=10):
        super().__init__()
        self.stem = ConvBNAct(1, dims[0], 4, 4, activation=None)
        stages = []
        for i, (d, c) in enumerate(zip(depths, dims)):
            stages += [ConvBNAct(dims[i-1] if i else c, c, 3, 2 if i > 0 else 1)]
            stages.extend(ConvBNAct(c, c, 5, groups=c, activation="gelu") for _ in range(d))
        self.stages = nn.Sequential(*stages)
        self.pool, self.norm, self.head = nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(start_dim=1), nn.Linear(dims[-1], n)
    def forward(self, img):
        return self.head(self.norm(self.pool(self.stages(self.stem(img)))))
""",
        "ConvNeXtish()",
        (1, 28, 28),
        given=True,
    ),
}

USED_KERAS = {
    "a layer class with a function for a shortcut": (
        """
import tensorflow as tf
from tensorflow.keras import layers, Model
class ResBlock(layers.Layer):
    def __init__(self, filters, strides=1):
        super().__init__()
        self.c1 = layers.Conv2D(filters, 3, strides=strides, padding='same', use_bias=False)
        self.b1 = layers.BatchNormalization()
        self.c2 = layers.Conv2D(filters, 3, padding='same', use_bias=False)
        self.b2 = layers.BatchNormalization()
        self.short = layers.Conv2D(filters, 1, strides=strides) if strides != 1 else (lambda t: t)
    def call(self, x, training=False):
        y = tf.keras.activations.relu(self.b1(self.c1(x), training=training))
        y = self.b2(self.c2(y), training=training)
        return tf.keras.activations.relu(y + self.short(x))
class Net(Model):
    def __init__(self):
        super().__init__()
        self.stem = layers.Conv2D(8, 3, padding='same', activation='relu')
        self.blocks = [ResBlock(8), ResBlock(16, 2)]
        self.gap = layers.GlobalAveragePooling2D()
        self.fc = layers.Dense(10, activation='softmax')
    def call(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = b(x)
        return self.fc(self.gap(x))
net = Net()
net.build((None, 32, 32, 3))
""",
        (3, 32, 32),
    ),
    "dilation, then a border": (
        """
import keras
from keras import layers as L
x = i = keras.Input((28, 28, 1))
x = L.Conv2D(8, 3, dilation_rate=2, activation="relu")(x)
x = L.MaxPooling2D(1, strides=2)(x)
x = L.ZeroPadding2D(1)(x)
x = L.Conv2D(16, 3, strides=2, activation=keras.activations.gelu)(x)
x = L.GroupNormalization(4)(x)
x = L.Flatten()(x)
x = L.Dropout(0.3)(x)
model = keras.Model(i, L.Dense(10)(x))
""",
        (1, 28, 28),
    ),
    "separable blocks with shortcuts": (
        """
import tensorflow as tf
from tensorflow import keras
L = keras.layers
data_aug = keras.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(0.1)])
inputs = keras.Input(shape=(32, 32, 3))
x = data_aug(inputs)
for size in [16, 32]:
    residual = x
    x = L.BatchNormalization()(x); x = L.Activation("relu")(x)
    x = L.SeparableConv2D(size, 3, padding="same", use_bias=False)(x)
    x = L.MaxPooling2D(3, strides=2, padding="same")(x)
    residual = L.Conv2D(size, 1, strides=2, padding="same", use_bias=False)(residual)
    x = L.add([x, residual])
x = L.GlobalAveragePooling2D()(x)
outputs = L.Dense(1, activation="sigmoid")(L.Dropout(0.5)(x))
model = keras.Model(inputs=inputs, outputs=outputs)
""",
        (3, 32, 32),
    ),
    "everything imported, with rules for weights": (
        """
from keras.models import Sequential
from keras.layers import *
from keras import regularizers
model = Sequential(name="m")
model.add(InputLayer(input_shape=(28, 28, 1)))
for f in (32, 64):
    model.add(Conv2D(f, (3, 3), strides=(1, 1), kernel_initializer='he_uniform', kernel_regularizer=regularizers.l2(1e-4)))
    model.add(BatchNormalization(axis=-1)); model.add(Activation('relu'))
    model.add(MaxPool2D((2, 2), strides=2))
model.add(Flatten()); model.add(Dense(100, 'relu')); model.add(Dropout(.5)); model.add(Dense(10)); model.add(Softmax())
model.compile('adam', 'categorical_crossentropy', ['acc'])
""",
        (1, 28, 28),
    ),
}
