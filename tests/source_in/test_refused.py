"""What cannot be read ends with a located reason; what would do harm is never carried out, and nothing takes long."""

import builtins
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.source_in import read_source
from tests.source_in.pieces_keras import PIECES as KERAS
from tests.source_in.pieces_refused import CLASS, FLAT, REFUSED, network
from tests.source_in.pieces_torch import PIECES as TORCH


@pytest.mark.parametrize("name", REFUSED)
def test_the_reason_stands_at_its_line(name: str) -> None:
    source, line, words = REFUSED[name]
    found = read_source(source)
    assert found.architecture is None
    assert any(problem.line == line and words in str(problem.text) for problem in found.problems), found.problems
    for problem in found.problems:
        assert problem.text.text("zh_CN") != problem.text.text("en")


def test_a_dense_layer_that_does_not_fit_is_named_with_both_numbers_and_the_network_is_there_to_be_mended() -> None:
    source = network("x = F.max_pool2d(self.conv1(x), 2)\nx = x.view(-1, 4 * 8 * 8)\nreturn self.fc(x)")
    found = read_source(source)
    assert found.architecture is not None
    assert [(p.line, "256" in str(p.text) and "64" in str(p.text)) for p in found.problems] == [(9, True), (13, True)]
    assert "use in_features=64" in str(found.problems[0].text)
    assert "64" in str(found.architecture.trace().error)


def test_channels_that_do_not_fit_are_named() -> None:
    found = read_source(network("x = self.conv2(x)\n" + FLAT))
    assert (8, True) in [(p.line, "in_channels=4" in str(p.text)) for p in found.problems]


def test_one_of_several_networks_is_chosen() -> None:
    source = "from torch import nn\na = nn.Sequential(nn.Linear(784, 2))\nb = nn.Sequential(nn.Linear(784, 3))\n"
    assert read_source(source).choices == ("a", "b")
    chosen = read_source(source, network="b")
    assert chosen.architecture is None or chosen.architecture.name == "b"
    assert read_source(source, (1, 28, 28), "b").choices == ("a", "b")


def test_the_size_may_be_given_and_then_counts() -> None:
    source = "from torch import nn\nnet = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    assert read_source(source).input_shape is None
    found = read_source(source, (1, 17, 19))
    assert found.architecture is not None
    assert found.architecture.input_shape == found.input_shape == (1, 17, 19)


def test_reuse_without_weights_is_unrolled() -> None:
    found = read_source(
        network("x = self.act(self.conv1(x))\nx = self.act(self.conv2(x))\n" + FLAT, "self.act = nn.ReLU()")
    )
    assert found.architecture is not None
    assert [layer.kind for layer in found.architecture.layers] == [
        "Conv2d", "ReLU", "Conv2d", "ReLU", "Flatten", "Linear"]  # fmt: skip


def test_a_layer_that_forward_never_uses_is_said() -> None:
    found = read_source(network("x = self.conv1(x)\n" + FLAT))
    assert [(one.line, "never used" in str(one.text)) for one in found.ignored if one.line == 8] == [(8, True)]


PASTED = {
    "with prompts": ">>> import torch.nn as nn\n>>> net = nn.Sequential(\n...     nn.Conv2d(1, 4, 3),\n...     nn.Flatten(),\n... )\n>>> net\nSequential(...)\n",
    "with line numbers": "1 import torch.nn as nn\n2 net = nn.Sequential(\n3     nn.Conv2d(1, 4, 3),\n4     nn.Flatten())\n",
    "with commands": "!pip install torch\n%matplotlib inline\nimport torch.nn as nn\nnet = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())\n",
    "in Markdown": "A network:\n\n```python\nimport torch.nn as nn\nnet = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())\n```\n\nThat was it.\n",
    "indented": "    import torch.nn as nn\n    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())\n",
    "with Windows' lines and a mark at the start": "\ufeffimport torch.nn as nn\r\nnet = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", PASTED)
def test_what_a_paste_brings_along(name: str) -> None:
    found = read_source(PASTED[name], (1, 8, 8))
    assert found.architecture is not None, found.problems
    assert [layer.kind for layer in found.architecture.layers] == ["Conv2d", "Flatten"]


@pytest.mark.parametrize(("code", "marks"), [("nn.Conv2d（1, 4, 3）", "（）"), ("x = ‘same’", "‘’")])
def test_marks_of_a_printed_page_are_named(code: str, marks: str) -> None:
    found = read_source(f"import torch.nn as nn\n{code}\n")
    assert [(problem.line, marks in str(problem.text)) for problem in found.problems] == [(2, True)]


def test_numbers_without_a_picture_are_read_as_a_square_one_and_that_is_said() -> None:
    source = "from keras import Sequential, layers\nm = Sequential([layers.Dense(5, input_shape=({},))])\n"
    found = read_source(source.format(784))
    assert found.input_shape == (1, 28, 28)
    assert any("784 numbers" in str(note.text) for note in found.notes)
    assert read_source(source.format(100 * 3)).input_shape == (3, 10, 10)
    assert read_source(source.format(101)).asks_size


# ---------------------------------------------------------------------------------------------- harm
HARM = [
    "import os\nos.system({cmd!r})",
    "import os as o, torch.nn as nn\no.system({cmd!r})",
    "from os import system as relu\nrelu({cmd!r})",
    "import subprocess\nsubprocess.run({cmd!r}, shell=True)",
    "__import__('os').system({cmd!r})",
    "open({path!r}, 'w').write('x')",
    "exec(\"open({path!r}, 'w')\")",
    "eval(\"open({path!r}, 'w')\")",
    "import importlib\nimportlib.import_module('os').system({cmd!r})",
    "from pathlib import Path\nPath({path!r}).touch()",
    "().__class__.__bases__[0].__subclasses__()",
    "getattr(__builtins__, 'open')({path!r}, 'w')",
    "globals()['__builtins__']['open']({path!r}, 'w')",
    "import builtins\nbuiltins.open({path!r}, 'w')",
    "import torch\ntorch = open({path!r}, 'w')",
    "import torch.nn as nn\nclass Conv2d:\n    def __init__(self, *a):\n        open({path!r}, 'w')\nnn.Conv2d = Conv2d\nnet = nn.Sequential(Conv2d(1, 2, 3))",
    "import torch.nn as nn\nclass M(type):\n    def __new__(*a):\n        open({path!r}, 'w')\nclass Net(nn.Module, metaclass=M):\n    pass",
    "import torch.nn as nn\ndef deco(f):\n    open({path!r}, 'w')\n    return f\n@deco\nclass Net(nn.Module):\n    pass",
    "import torch.nn as nn\nclass Net(nn.Module):\n    x = open({path!r}, 'w')\n    def __init__(self, y=open({path!r}, 'w')):\n        super().__init__()\n",
    "import torch.nn as nn\nclass Net(nn.Module):\n    def forward(self, x):\n        open({path!r}, 'w')\n        return x\n",
    "print(f\"{{open({path!r}, 'w')}}\")",
    "[open({path!r}, 'w') for _ in range(1)]",
    "(lambda: open({path!r}, 'w'))()",
    "import pickle\npickle.loads(b'cos\\nsystem\\n')",
    "import torch\ntorch.load({path!r})\ntorch.hub.load('a/b', 'c')",
    "from {module} import *\nimport {module}",
    "import os\nos.environ['PATH'] = ''\nclass Net:\n    def __del__(self): os.remove({path!r})",
]


@pytest.mark.parametrize("template", HARM)
def test_nothing_is_carried_out(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tmp_path / "planted"
    module = tmp_path / "trap_module.py"
    module.write_text(f"open({str(planted)!r}, 'w').write('x')")
    monkeypatch.syspath_prepend(tmp_path)
    source = template.format(cmd=f"touch {planted}", path=str(planted), module="trap_module")

    def caught(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"carried out: {args}")

    environment = dict(os.environ)
    with monkeypatch.context() as guarded:
        for holder, name in ((os, "system"), (subprocess, "Popen"), (builtins, "exec"), (builtins, "eval")):
            guarded.setattr(holder, name, caught)
        found = read_source(source)
    assert not planted.exists()
    assert "trap_module" not in sys.modules
    assert dict(os.environ) == environment
    assert found.architecture is None
    assert found.problems
    assert all(problem.text.text("zh_CN") for problem in found.problems)


def test_the_planted_effects_are_real(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    exec(HARM[9].format(path=str(planted), cmd=""), {})
    assert planted.exists()


def test_a_call_outside_is_a_problem_though_the_network_is_read() -> None:
    source = "import os\nos.makedirs('x')\nwith open('y') as f:\n    names = f.read()\n" + CLASS.format(
        init="", forward=f"        x = self.conv2(self.conv1(x))\n        {FLAT}")  # fmt: skip
    found = read_source(source)
    assert found.architecture is not None
    assert [problem.line for problem in found.problems] == [2, 3]


def test_a_call_outside_within_the_network_keeps_it_from_being_read() -> None:
    found = read_source(network("import os\nos.system('ls')\nx = self.conv2(self.conv1(x))\n" + FLAT))
    assert found.architecture is None
    assert [problem.line for problem in found.problems] == [13]


# ---------------------------------------------------------------------------------------------- names that shadow
def test_a_name_means_what_the_source_makes_of_it() -> None:
    own = network("x = self.conv2(self.conv1(x))\n" + FLAT).replace(
        "import torch.nn as nn", "import torch.nn as nn\nnn = None"
    )
    assert read_source(own).architecture is None
    shadow = "from torch import nn\nclass Linear(nn.Module):\n    def __init__(self, a, b):\n        super().__init__()\n" \
        "        self.only = nn.Conv2d(a, b, 1)\n    def forward(self, x):\n        return self.only(x)\n" \
        "net = nn.Sequential(Linear(2, 3), nn.Flatten())\n"  # fmt: skip
    found = read_source(shadow, (2, 4, 4))
    assert found.architecture is not None
    assert [layer.kind for layer in found.architecture.layers] == ["Conv2d", "Flatten"]
    lying = "import tensorflow as torch\nfrom torch import nn\n" + "net = torch.Sequential(torch.Conv2d(1, 2, 3))\n"
    assert read_source(lying, (1, 8, 8)).architecture is None


# ---------------------------------------------------------------------------------------------- size and time
LONG = {
    "10 MB": "x = 1\n" * 1_700_000,
    "10 MB of bytes": b"\x00\xff" * 5_000_000,
    "10 MB in one line": "x = [" + "1," * 5_000_000 + "]",
    "brackets": "x = " + "[" * 5_000 + "]" * 5_000,
    "brackets without end": "(" * 200_000,
    "parentheses in calls": "f(" * 300 + ")" * 300,
    "minus": "x = " + "-" * 50_000 + "1",
    "not": "x = " + "not " * 40_000 + "1",
    "a chain of sums": "x = " + "1+" * 60_000 + "1",
    "a chain of dots": "x = a" + ".b" * 60_000,
    "a chain of calls": "x = a" + "()" * 60_000,
    "powers": "x = " + "2**" * 20_000 + "2",
    "lambdas": "x = " + "lambda: " * 20_000 + "1",
    "if else": "x = " + "1 if 1 else " * 20_000 + "1",
    "elif": "if 0:\n    pass\n" + "elif 0:\n    pass\n" * 10_000,
    "blocks": "".join(f"{' ' * depth}if 1:\n" for depth in range(95)) + " " * 95 + "pass",
    "statements": "x = 1\n" * 24_000,
    "a huge power": "import torch.nn as nn\nx = 9**9**9**9\nn = nn.Sequential(nn.Conv2d(1, 10**100000, 3))",
    "a huge list": "x = [0] * 10**10\ny = 'a' * 10**10\nz = range(10**12)\nw = list(z)",
    "doubling": "x = 'a'\n" + "x = x + x\n" * 100,
    "doubling a list": "x = [1]\n" + "x += x\n" * 100,
    "replacing": "x = 'a' * 4000\n" + "x = x.replace('a', x)\n" * 50,
    "a wide format": "x = f'{1:1000000000}'\ny = '%1000000000d' % 1\nz = '{:1000000000}'.format(1)",
    "an endless loop": "while True:\n    x = 1",
    "an endless loop that builds": "import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        while True:\n            self.x = 1\nNet()",
    "recursion": "def f(x):\n    return f(x)\nf(1)",
    "recursion in a network": "import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.n = Net()\nNet()",
    "a forward that calls itself": "import torch.nn as nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return self(x)\nNet()",
    "a module in itself": "import torch.nn as nn\nn = nn.Sequential()\nn.add_module('n', n)\nimport torch\nn(torch.zeros(1, 1, 8, 8))",
    "a list in itself": "x = []\nx.append(x)\nprint(x == x)\ny = [x, x]\nprint(y == x)",
    "nested loops": "\n".join(" " * n + f"for a{n} in range(1000):" for n in range(10)) + "\n" + " " * 10 + "pass",
    "a hundred thousand layers": "import torch.nn as nn\nn = nn.Sequential(*[nn.ReLU() for _ in range(100000)])",
    "many layers, one by one": "import torch.nn as nn\nn = nn.Sequential()\nfor i in range(4000):\n    n.append(nn.ReLU())\nimport torch\nn(torch.zeros(1, 1, 8, 8))",
    "wide digits": "x = " + "9" * 5_000,
    "nested f-strings": "x = " + "f'{" * 3 + "1" + "}'" * 3,
    "surrogates": "x = '\ud800'\nimport torch.nn as nn",
    "zeros": "import torch\0",
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10,
    "a zip": b"PK\x03\x04" + bytes(2000),
    "UTF-16": "import torch".encode("utf-16"),
    "regular expressions": "import re\nre.match('(a+)+$', 'a' * 40)",
    "comprehensions": "x = [a for a in range(4000) for b in range(4000) for c in range(4000)]",
    "sorting": "x = sorted(list(range(4000)) * 1, key=lambda a: sorted(range(4000)))",
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_an_answer_comes_within_two_seconds(name: str) -> None:
    start = time.perf_counter()
    found = read_source(LONG[name])
    assert time.perf_counter() - start < 2
    assert found.architecture is None
    assert found.problems
    assert all(len(problem.text.text(code)) < 400 for problem in found.problems for code in ("en", "zh_CN"))


PIECES = [*(piece.source for piece in TORCH.values()), *(source for source, _shape in KERAS.values())]


@settings(max_examples=150)
@given(st.sampled_from(PIECES), st.data())
def test_a_damaged_piece_never_breaks_the_reader(source: str, data: st.DataObject) -> None:
    lines = source.splitlines()
    for _turn in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "swap", "cut", "number", "name"]))
        if how == "drop":
            lines[at] = ""
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "swap":
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        elif how == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        elif how == "number":
            lines[at] = lines[at].replace(
                "2", data.draw(st.sampled_from(["0", "-1", "None", "1.5", "'a'", "[]", "x", "10**9"]))
            )
        else:
            lines[at] = lines[at].replace("self", data.draw(st.sampled_from(["x", "nn", "None", "torch", "super()"])))
    found = read_source("\n".join(lines))
    assert found.architecture is not None or found.problems
    for finding in (*found.problems, *found.ignored, *found.notes):
        assert 1 <= finding.line <= len(lines) + 1
        assert finding.text.text("zh_CN")


@settings(max_examples=100)
@given(st.text(max_size=300) | st.binary(max_size=300))
def test_any_text_gets_an_answer(source: str | bytes) -> None:
    found = read_source(source)
    assert found.architecture is None
    assert found.problems


@pytest.mark.parametrize(
    "line",
    [
        "x += 'a'",
        "x.y = 3",
        "None.a = 3",
        "a, b = x",
        "x[0] = 1",
        "x = x @ x",
        "x = -'a'",
        "x = {}[1]",
        "del x.y",
        "x -= None",
    ],
)
def test_a_line_that_fails_in_python_is_said_with_its_number(line: str) -> None:
    around = read_source(f"from torch import nn\nx = 3\n{line}\nnet = nn.Sequential(nn.Conv2d(1, 2, 3))\n", (1, 8, 8))
    assert around.architecture is not None, around.problems
    assert [one.line for one in around.ignored] == [3]
    inside = read_source(network("x = self.conv1(x)\n" + FLAT, f"x = 3\n{line}"))
    assert inside.architecture is None
    assert [one.line for one in inside.problems] == [11]


def test_a_long_list_of_layers_is_not_a_deep_one() -> None:
    rows = "".join(
        f"    nn.Conv2d({1 if n == 0 else 2}, 2, 3, padding='same'), nn.ReLU(), nn.Dropout(0.{n + 1:03}),\n"
        for n in range(160)
    )
    found = read_source(f"from torch import nn\nnet = nn.Sequential(\n{rows})\n", (1, 8, 8))
    assert found.problems == ()
    assert found.architecture is not None
    assert len(found.architecture.layers) == 480


def test_what_the_source_makes_of_a_class_is_the_reason_not_that_it_takes_arguments() -> None:
    source = """import torch.nn as nn
class Net(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body
    def forward(self, x):
        return self.body(x)
def make(kind):
    match kind:
        case "conv":
            return nn.Conv2d(1, 4, 3)
net = Net(make("conv"))
"""
    (problem,) = read_source(source).problems
    assert (problem.line, "match kind" in str(problem.text)) == (9, True)


def test_a_view_of_the_input_says_its_size_and_nothing_of_the_sizes_that_were_tried() -> None:
    source = """import torch.nn as nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4 * 26 * 26, 10)
    def forward(self, x):
        x = self.conv(x.view(-1, 1, 28, 28))
        return self.fc(x.flatten(1))
"""
    found = read_source(source)
    assert (found.problems, found.input_shape) == ((), (1, 28, 28))
    (problem,) = read_source(source, (3, 32, 32)).problems
    assert (problem.line, "3x32x32" in str(problem.text)) == (7, True)
    assert not any(
        "61x" in str(one.text) for one in read_source(source.replace("x.view(-1, 1,", "x.view(-1, 2,")).problems
    )


def test_two_functions_that_are_only_printed_are_two_to_choose_from() -> None:
    source = "import torch.nn as nn\ndef one(): return nn.Sequential(nn.Conv2d(1, 2, 3))\ndef two(): return nn.Sequential(nn.Conv2d(1, 4, 3))\nfor f in (one, two):\n    print(f())\n"
    assert len(read_source(source).choices) == 2
