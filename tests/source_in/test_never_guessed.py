"""What could quietly become another network than the one that is written: it is read as it is, or refused."""

import pytest

from cnnlab.source_in import read_source
from tests.source_in.pieces_refused import FLAT, HEAD, network

BODY = "x = self.conv2(self.conv1(x))\n" + FLAT

REFUSED = {
    "weights tied by hand": (network(BODY, "self.conv3 = nn.Conv2d(4, 4, 3, padding=1)\nself.conv2.weight = self.conv3.weight"), 11),
    "a bias taken away": (network(BODY, "self.conv2.bias = None"), 10),
    "a stride changed later": (network(BODY, "self.conv2.stride = (2, 2)"), 10),
    "a stride changed from outside": (network(BODY) + "c = model.conv1\nc.stride = (2, 2)\n", 17),
    "layers sorted": (network("for l in self.l:\n    x = l(x)\n" + FLAT, "self.l = [self.conv1, self.conv2]\nself.l.sort(key=id)"), 11),
    "widths shuffled": (
        HEAD + "import random\nw = [2, 4]\nrandom.shuffle(w)\nnet = nn.Sequential(nn.Conv2d(1, w[0], 3))\nnet(torch.zeros(1, 1, 8, 8))\n",
        6,
    ),
    "a metaclass": (HEAD + "class M(type): pass\nclass Net(nn.Module, metaclass=M):\n    def forward(self, x):\n        return x\nnet = Net()\n", 5),
    "who knows what is installed": (
        HEAD + "try:\n    import apex\n    wide = True\nexcept ImportError:\n    wide = False\n"
        "net = nn.Sequential(nn.Conv2d(1, 8 if wide else 4, 3))\nnet(torch.zeros(1, 1, 8, 8))\n",
        9,
    ),
    "which way is not known": (
        HEAD + "if torch.cuda.is_available():\n    width = 8\nelse:\n    width = 4\nnet = nn.Sequential(nn.Conv2d(1, width, 3))\nnet(torch.zeros(1, 1, 8, 8))\n",
        4,
    ),
    "a return that may happen": (
        HEAD + "import sys\ndef make():\n    if len(sys.argv) > 1:\n        return nn.Conv2d(1, 2, 3)\n    return nn.Conv2d(1, 4, 3)\n"
        "net = nn.Sequential(make())\nnet(torch.zeros(1, 1, 8, 8))\n",
        6,
    ),
    "a decorator that changes forward": (
        HEAD + "def twice(f):\n    return lambda self, x: f(self, f(self, x))\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.c = nn.Conv2d(2, 2, 3, padding=1)\n    @twice\n    def forward(self, x):\n        return self.c(x)\nNet()(torch.zeros(1, 2, 8, 8))\n",
        6,
    ),
    "noise": (network("x = self.conv1(x) + torch.randn(4, 8, 8)\n" + FLAT), 12),
    "scaled by a number": (network("x = self.conv1(x) * 0.5\n" + FLAT), 12),
    "a part of the channels": (network("x = self.conv1(x)[:, :2]\n" + FLAT), 12),
    "a mean over the channels": (network("x = self.conv1(x).mean(1, keepdim=True)\n" + FLAT), 12),
    "a library's way of wrapping": (network(BODY, "self.conv2 = torch.nn.utils.weight_norm(self.conv2)"), 10),
    "unequal shares": (network("a, b = torch.split(self.conv1(x), [1, 3], dim=1)\nx = torch.cat([b, a], 1)\n" + FLAT), 12),
    "shares in another order": (network("a, b = self.conv1(x).chunk(2, dim=1)\nx = torch.cat([b, a], 1)\n" + FLAT), 12),
    "a step that nobody knows": (network("x = self.act(self.conv1(x))\n" + FLAT, "self.act = nn.RReLU()"), 10),
    "a pooling with indices": (network("x, i = F.max_pool2d(self.conv1(x), 2, return_indices=True)\n" + FLAT), 12),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_at_its_line(name: str) -> None:
    source, line = REFUSED[name]
    found = read_source(source)
    assert found.architecture is None, found.architecture and found.architecture.layers
    assert line in [problem.line for problem in found.problems], found.problems


def kinds(source: str) -> list[str]:
    found = read_source(source)
    assert found.architecture is not None, found.problems
    assert found.problems == ()
    return [row.layer.kind for row in found.architecture.trace().rows]


def test_a_forward_set_on_the_object_counts() -> None:
    source = (
        network(BODY)
        + "model.forward = lambda x: model.fc(torch.relu(model.conv1(x)).flatten(1))\nmodel(torch.zeros(1, 1, 8, 8))\n"
    )
    assert kinds(source) == ["Conv2d", "ReLU", "Flatten", "Linear"]


def test_a_call_of_its_own_counts() -> None:
    source = network(BODY).replace(
        "    def forward", "    def __call__(self, x):\n        return torch.relu(super().__call__(x))\n    def forward"
    )
    assert kinds(source) == ["Conv2d", "Conv2d", "Flatten", "Linear", "ReLU"]


def test_a_function_of_the_library_that_is_replaced_is_the_new_one() -> None:
    source = network("x = F.relu(self.conv2(self.conv1(x)))\n" + FLAT).replace(
        "class Net", "F.relu = torch.tanh\nclass Net"
    )
    assert kinds(source) == ["Conv2d", "Conv2d", "Tanh", "Flatten", "Linear"]


def test_a_layer_that_is_replaced_later_is_the_new_one() -> None:
    source = network(BODY) + "model.fc = nn.Sequential(nn.Linear(256, 5), nn.ReLU())\nmodel(torch.zeros(1, 1, 8, 8))\n"
    found = read_source(source)
    assert found.architecture is not None
    assert found.architecture.output_shape == (5,)


def test_what_a_copy_shares_and_what_it_does_not() -> None:
    shared = network("for l in self.l:\n    x = l(x)\n" + FLAT, "self.l = nn.ModuleList([self.conv2] * 2)").replace(
        "nn.Conv2d(1, 4", "nn.Conv2d(4, 4"
    )
    assert any("same weights" in str(problem.text) for problem in read_source(shared, (4, 8, 8)).problems)
    own = shared.replace("[self.conv2] * 2", "[copy.deepcopy(self.conv2) for _ in range(2)]").replace(
        "import torch\n", "import torch, copy\n", 1
    )
    assert read_source(own, (4, 8, 8)).architecture is not None


def test_keras_with_channels_first() -> None:
    source = """from keras import backend as K
from keras.models import Sequential
from keras.layers import Conv2D, Dense
K.set_image_data_format('channels_first')
m = Sequential([Conv2D(4, 3, input_shape=(3, 9, 8)), Dense(5)])
"""
    found = read_source(source)
    assert found.input_shape == (3, 9, 8)


def test_keras_dense_over_maps_goes_over_channels() -> None:
    found = read_source(
        "from keras import layers, Sequential\nm = Sequential([layers.Dense(5, input_shape=(9, 8, 3))])\n"
    )
    assert found.architecture is not None
    assert found.num_params == 3 * 5 + 5
    assert found.architecture.output_shape == (5, 9, 8)
