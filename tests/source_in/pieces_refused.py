"""What cannot become a tree of layers, with the line and a word of the reason."""

from __future__ import annotations

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"

CLASS = (
    HEAD
    + """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 8 * 8, 10)
{init}
    def forward(self, x):
{forward}
model = Net()
model(torch.zeros(1, 1, 8, 8))
"""
)


def network(forward: str, init: str = "") -> str:
    """Return a small network whose ``forward`` and ``__init__`` hold these lines; forward begins in line 12."""
    lines = "\n".join(f"        {line}" for line in forward.strip().splitlines())
    more = "\n".join(f"        {line}" for line in init.strip().splitlines())
    return CLASS.format(forward=lines, init=more)


FLAT = "return self.fc(torch.flatten(x, 1))"

REFUSED: dict[str, tuple[str, int, str]] = {
    # name: source, line, words of the problem
    "tied weights": (network("x = self.conv1(x)\nx = self.conv2(x)\nx = self.conv2(x)\n" + FLAT), 14, "same weights"),
    "U-Net": (
        HEAD + """class U(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(i, o, 3, padding=1) for i, o in ((1, 2), (2, 2), (4, 2), (4, 1)))
    def forward(self, x):
        a = F.relu(self.a(x))
        b = F.relu(self.b(a))
        c = self.c(torch.cat([a, b], 1))
        y = torch.cat([b, c], 1)
        return self.d(y)
U()(torch.zeros(1, 1, 8, 8))
""",
        11,
        "across",
    ),
    "upsampling": (network("x = F.interpolate(self.conv1(x), scale_factor=2)\n" + FLAT), 12, "not among"),
    "transposed convolution": (network("x = self.up(self.conv1(x))\n" + FLAT, "self.up = nn.ConvTranspose2d(4, 4, 2)"), 10, "not among"),
    "recurrent": (network("x, _ = self.rnn(self.conv1(x))\n" + FLAT, "self.rnn = nn.LSTM(4, 4)"), 10, "not among"),
    "wide window": (network("x = self.c(x)\n" + FLAT, "self.c = nn.Conv2d(1, 4, (3, 5))"), 10, "square"),
    "a parameter of its own": (network("x = self.conv1(x) * self.scale\n" + FLAT, "self.scale = nn.Parameter(torch.ones(1))"), 10, "Parameter"),
    "which way depends on the picture": (network("x = self.conv1(x)\nif x.sum() > 0:\n    x = self.conv2(x)\n" + FLAT), 13, "not understood"),
    "two outputs": (network("x = self.conv1(x)\nreturn self.fc(x.flatten(1)), x"), 4, "2 values"),
    "a network from a library": (
        "import torchvision.models as models\nmodel = models.resnet18(pretrained=True)\nimport torch\nmodel(torch.zeros(1, 3, 8, 8))\n",
        2,
        "library",
    ),
    "flattened over the batch": (network("x = torch.flatten(self.conv1(x))\nreturn self.fc(x)"), 12, "dimension 1"),
    "softmax over the batch": (network("x = self.fc(self.conv1(x).flatten(1))\nreturn F.softmax(x, dim=0)"), 13, "dim=0"),
    "channels that do not meet": (network("x = self.conv1(x) + self.c(x)\n" + FLAT, "self.c = nn.Conv2d(1, 8, 3, padding=1)"), 12, "4x8x8, 8x8x8"),
    "a norm of another width": (network("x = self.bn(self.conv1(x))\n" + FLAT, "self.bn = nn.BatchNorm2d(8)"), 10, "num_features=4"),
    "no super": (HEAD + "class Net(nn.Module):\n    def __init__(self):\n        self.c = nn.Conv2d(1, 2, 3)\n    def forward(self, x):\n        return self.c(x)\n", 6, "super"),
    "a constructor that needs more": (HEAD + "class Net(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n        self.c = nn.Conv2d(1, width, 3)\n    def forward(self, x):\n        return self.c(x)\n", 4, "arguments"),
    "a width that nobody knows": (
        HEAD + "import json\nconf = json.loads('{}')\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.c = nn.Conv2d(1, conf['width'], 3)\n    def forward(self, x):\n        return self.c(x)\nNet()(torch.zeros(1, 1, 8, 8))\n",
        9,
        "conf",
    ),
    "a hole in the builder": (
        HEAD + "import numpy as np\nlayers = [nn.Conv2d(1, 2, 3)]\nfor w in np.random.randint(1, 9, 3):\n    layers.append(nn.Conv2d(2, w, 3))\n"
        "model = nn.Sequential(*layers)\nmodel(torch.zeros(1, 1, 8, 8))\n",
        6,
        "random",
    ),
    "normalised weights": (HEAD + "from torch.nn.utils import spectral_norm\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.c = spectral_norm(nn.Conv2d(1, 2, 3))\n    def forward(self, x):\n        return self.c(x)\n", 8, "spectral_norm"),
    "no network": ("import torch\nx = torch.ones(3)\nprint(x + 1)\n", 1, "no network"),
    "nothing": ("   \n\n", 1, "nothing here"),
    "another class library": ("import paddle\nclass Net(paddle.nn.Layer):\n    pass\n", 2, "PaddlePaddle"),
    "JavaScript": ("const model = tf.sequential();\nmodel.add(tf.layers.conv2d({filters: 8}));\n", 1, "not Python"),
    "C++": ("#include <torch/torch.h>\nstruct Net : torch::nn::Module {\n};\n", 2, "not Python"),
    "MATLAB": ("layers = [\n    imageInputLayer([28 28 1])\n    convolution2dLayer(3,8,'Padding','same')];\n", 2, "not Python"),
    "a bracket left open": (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        self.conv1 = nn.Conv2d(3, 6, 5\n"
        "        self.fc = nn.Linear(10, 2)\n", 4, "its ( is never closed",
    ),
    "Python 2": ("import torch\nprint 'hello'\n", 2, "not Python"),
    "prose": ("A convolutional network has layers.\nIt sees pictures.\n", 1, "not Python"),
    "HTML": ("<html><body>model</body></html>", 1, "not Python"),
    "a notebook": ('{"cells": [{"cell_type": "code", "source": []}]}', 1, "notebook"),
    "an unclosed bracket": ("import torch.nn as nn\nnet = nn.Sequential(\n    nn.Conv2d(1, 2, 3),\n", 2, "not Python"),
    "several networks": (HEAD + "a = nn.Sequential(nn.Conv2d(1, 2, 3))\nb = nn.Sequential(nn.Conv2d(1, 4, 3))\n", 4, "a, b"),
    "no size": (HEAD + "net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1))\n", 4, "how large"),
    "Keras in two lanes": (
        "from keras import layers, Input, Model\na = Input((8, 8, 1))\nb = Input((8, 8, 1))\nx = layers.Add()([a, b])\nm = Model([a, b], x)\n",
        4,
        "does not come",
    ),
    "Keras uneven average": (
        "from keras import layers, Sequential\nm = Sequential([layers.Conv2D(2, 3, input_shape=(9, 9, 1)),\n    layers.AveragePooling2D(3, strides=1, padding='same')])\n",
        3,
        "padding",
    ),
    "an activation that the lab lacks": (network("x = F.elu(self.conv1(x))\n" + FLAT), 12, "SiLU"),
    "a layer that the lab lacks": (network("x = self.act(self.conv1(x))\n" + FLAT, "self.act = nn.PReLU()"), 10, "LeakyReLU"),
    "weights beside the layers": (network("x = F.conv2d(x, self.w)\n" + FLAT, "self.w = nn.Parameter(torch.randn(4, 1, 3, 3))"), 12, "nn.Conv2d"),
    "cut off elsewhere": (network("x = self.conv1(x).clamp(-1, 1)\n" + FLAT), 12, "ReLU6"),
    "a way up": (network("x = torch.cat([x, self.up(self.conv1(x))], 1)\n" + FLAT, "self.up = nn.ConvTranspose2d(4, 4, 2, 2)"), 10, "ConvTranspose2d"),
    "a library's network that is a preset": ("from torchvision import models\nmodel = models.resnet18(weights=None)\n", 2, "preset resnet18"),
    "Flax": (
        "from flax import linen as nn\nclass CNN(nn.Module):\n    @nn.compact\n    def __call__(self, x):\n        return nn.Dense(10)(x)\n",
        2,
        "Flax",
    ),
    "Keras' activation that the lab lacks": (
        "from keras import layers, Input, Model\ni = Input((8, 8, 1))\nx = layers.Conv2D(4, 3, activation='elu')(i)\nx = layers.Flatten()(x)\nm = Model(i, x)\n",
        3,
        "elu is not among",
    ),
    "Keras' channels first after an input with channels last": (
        "from keras import layers, Input, Model\ni = Input((1, 8, 8))\nx = layers.Conv2D(4, 3, data_format='channels_first')(i)\nm = Model(i, x)\n",
        3,
        "channels_first",
    ),
}  # fmt: skip
