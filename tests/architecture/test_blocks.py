"""Trees of blocks against torch: what they compute, their shapes, costs and receptive fields, their names and places."""

from __future__ import annotations

import json
import time

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnlab.architecture import BLOCKS, JOINS, LAYERS, Address, Architecture, check_budget, make_layer
from cnnlab.architecture.blocks import (
    TORCH_NAMES,
    Branches,
    DenseBlock,
    DepthwiseSeparable,
    InvertedResidual,
    Residual,
    Sequence,
    Shorthand,
    SqueezeExcitation,
)
from cnnlab.architecture.joins import PadShortcut
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Softmax
from cnnlab.architecture.tape import JOIN_NAMES
from cnnlab.build import MODULES, build
from cnnlab.errors import ArchitectureError, CnnLabError, ShapeError
from tests.architecture.strategies import running, trees


def play(layer, x, modules):
    """Return what ``layer`` makes of ``x``, as its words say; leaf modules come in order from ``modules``."""
    match layer.kind:
        case "Sequence":
            for _copy in range(layer.repeat):
                for inner in layer.layers:
                    x = play(inner, x, modules)
            return x
        case "Residual":
            y = x
            for inner in layer.layers:
                y = play(inner, y, modules)
            if layer.shortcut == "projection":
                x = next(modules)(x)
                assert isinstance(batch_norm := next(modules), nn.BatchNorm2d)
                x = batch_norm(x)
            elif layer.shortcut == "pad" and x.shape != y.shape:
                next(modules)
                stride = next(s for s in range(1, 99) if all(-(-a // s) == b for a, b in zip(x.shape[2:], y.shape[2:])))
                new = y.shape[1] - x.shape[1]
                wide = torch.zeros(y.shape)
                wide[:, new // 2 : new // 2 + x.shape[1]] = x[:, :, ::stride, ::stride]
                x = wide
            next(modules)
            return y + x
        case "Branches":
            parts = []
            for index, branch in enumerate(layer.branches):
                share = x
                if layer.split:
                    next(modules)
                    width = x.shape[1] // len(layer.branches)
                    share = x[:, index * width : (index + 1) * width]
                parts.append(play(branch, share, modules))
            next(modules)
            if layer.join == "concat":
                return torch.cat(parts, 1)
            total = parts[0]
            for part in parts[1:]:
                total = total + part if layer.join == "add" else total * part
            return total
        case "DenseBlock":
            for _copy in range(layer.repeat):
                y = x
                for inner in layer.layers:
                    y = play(inner, y, modules)
                next(modules)
                x = torch.cat([x, y], 1)
            return x
        case "DepthwiseSeparable" | "InvertedResidual" | "SqueezeExcitation":
            return play(layer.parts(tuple(x.shape[1:])), x, modules)
    return next(modules)(x)


@given(trees())
@settings(max_examples=150, deadline=None)
def test_a_tree_computes_what_its_blocks_say(architecture):
    """Output equal to a plain reading of the tree; shapes, parameters and multiply-adds of every row are torch's."""
    architecture = running(architecture)
    trace = architecture.trace()
    assume(trace.rows)
    network = build(architecture, torch.Generator().manual_seed(0)).eval()
    assert [name for name, _ in network.leaves()] == list(architecture.names)
    x = torch.randn(2, *architecture.input_shape, generator=torch.Generator().manual_seed(1))
    shapes = {}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        y = network.run(x, seen=lambda name, value: shapes.update({name: tuple(value.shape[1:])}))
    assert shapes == {row.name: row.output_shape for row in trace.rows}
    assert counter.get_total_flops() == 2 * len(x) * trace.macs
    for row, (_name, module) in zip(trace.rows, network.leaves()):
        assert row.num_params == sum(p.numel() for p in module.parameters())
    modules = iter([module for _name, module in network.leaves()])
    expected = x
    with torch.no_grad():
        for layer in architecture.layers:
            expected = play(layer, expected, modules)
        assert torch.equal(y, expected) and next(modules, None) is None
        assert torch.equal(network.logits(x).softmax(1), y) or not architecture.ends_in_softmax
    assert tuple(y.shape[1:]) == architecture.output_shape


@given(trees())
@settings(max_examples=100, deadline=None)
def test_a_tree_is_named_and_placed(architecture):
    """No two rows are called alike; a row's place leads to its description; blocks hold their rows; errors name a row."""
    trace = architecture.trace()
    assert len({*architecture.names}) == len(architecture.names)
    for row in trace.rows:
        spec = architecture.at(row.place)
        assert row.layer == spec or spec.nesting, row
        assert row.top == row.place[0] and all(source < row.index for source in row.inputs)
        assert str(Address.parse(f"{row.name}[0]")) == f"{row.name}[0]"
        assert Address.parse(f"{row.name}.weight") == Address(row.name, "weight")
    for block in trace.blocks:
        spec = architecture.at(block.place)
        assert block.layer == spec or isinstance(spec, Shorthand)
        assert all(row.name.startswith(f"{block.name}.") or row.layer == block.layer
                   for row in trace.rows[block.start : block.stop])  # fmt: skip
    if trace.error:
        with pytest.raises(ShapeError) as raised:
            build(architecture)
        assert str(raised.value) == str(trace.error)
        assert any(f"({row.name}, {row.layer.kind})" in str(trace.error) for row in trace.rows)
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert sum(layer.unrolled_size for layer in architecture.layers) >= len(trace.rows)


class Mean(nn.Module):
    """Mixes all numbers of an example, as a normalisation over it does."""

    def forward(self, x):
        return x + x.mean(tuple(range(1, x.dim())), keepdim=True)


class Sum(nn.Module):
    def forward(self, *x):
        return sum(x)


def all_ones(architecture):
    """Return the network with weights of one, means in place of maxima, sums in place of products."""
    network = build(architecture, torch.Generator().manual_seed(0)).double()
    for row, (name, module) in zip(architecture.trace().rows, network.leaves()):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            for parameter in module.parameters():
                nn.init.ones_(parameter)
        elif isinstance(module, nn.MaxPool2d):
            mean = nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
            network.replace_leaf(name, mean)
        elif isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            network.replace_leaf(name, Mean())
        elif isinstance(module, nn.Softmax):
            network.replace_leaf(name, Mean() if len(row.output_shape) == 1 else nn.Identity())
        elif isinstance(module, (nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Sigmoid, nn.SiLU)):
            network.replace_leaf(name, nn.Identity())
        elif type(module).__name__ == "Multiply":
            network.replace_leaf(name, Sum())
    return network


@given(trees(), st.data())
@settings(max_examples=150, deadline=None)
def test_receptive_field_of_a_tree_is_the_support_of_the_gradient(architecture, data):
    """Exactly, for the channels of one position together; never smaller where channels were dealt out or a way is blind."""
    architecture = running(architecture)
    trace = architecture.trace()
    assume(trace.rows)
    x = torch.ones(1, *architecture.input_shape, dtype=torch.float64, requires_grad=True)
    y = all_ones(architecture)(x)[0]
    field = trace.rows[-1].receptive_field
    if y.dim() == 3:
        index = (0, data.draw(st.integers(0, y.shape[1] - 1)), data.draw(st.integers(0, y.shape[2] - 1)))
        y[:, index[1], index[2]].sum().backward()
    else:
        index = (data.draw(st.integers(0, len(y) - 1)),)
        places = field.flat_from[1] * field.flat_from[2] if field.flat_from else 1
        y[index[0] % places :: places].sum().backward()
    seen = x.grad[0].abs().sum(0).nonzero()
    box = field.box(index)
    blind = any(
        None in axis.spans
        for row in trace.rows if row.receptive_field
        for axis in (row.receptive_field.rows, row.receptive_field.cols)
    )  # fmt: skip
    if len(seen) == 0:
        assert box is None or blind
        return
    (top, left), (bottom, right) = seen.min(0).values.tolist(), seen.max(0).values.tolist()
    if blind or any(row.layer.kind == "Chunk" for row in trace.rows):
        (low, high), (first, last) = box
        assert low <= top and bottom <= high and first <= left and right <= last
    else:
        assert box == ((top, bottom), (left, right))


def test_fields_where_ways_meet():
    """A residual block sees what its body sees; an uneven pair of windows is counted from end to end."""
    body = (Conv2d(out_channels=2, padding=1), ReLU(), Conv2d(out_channels=2, padding=1))
    rows = Architecture(input_shape=(2, 16, 16), layers=(Residual(layers=body), Residual(layers=body))).trace().rows
    assert [row.receptive_field.size[0] for row in rows] == [3, 3, 5, 5, 7, 7, 9, 9]
    assert rows[-1].receptive_field.box((0, 8, 0)) == ((4, 12), (0, 4))
    shifted = Branches(
        branches=(
            Sequence(layers=(make_layer("ZeroPad2d", left=4, top=4, right=0, bottom=0), Conv2d(kernel_size=5))),
            Sequence(layers=(make_layer("ZeroPad2d", left=0, top=0, right=4, bottom=4), Conv2d(kernel_size=5))),
        )
    )
    field = Architecture(input_shape=(1, 16, 16), layers=(shifted,)).trace().rows[-1].receptive_field
    assert field.size == (9, 9) and field.box((0, 8, 8)) == ((4, 12), (4, 12))


def net(*layers, shape=(4, 8, 8)):
    return Architecture(input_shape=shape, layers=layers)


def test_names_are_paths():
    conv = Conv2d(out_channels=4, padding=1)
    tree = net(
        Conv2d(out_channels=4, padding=1),
        Sequence(
            name="stage2",
            layers=(Residual(name="block", layers=(conv, ReLU(), conv)), Residual(name="block", layers=(conv,))),
        ),
        Sequence(layers=(ReLU(),), repeat=2),
        Residual(layers=(Conv2d(out_channels=8, stride=2, padding=1),), shortcut="projection"),
        Residual(layers=(Conv2d(out_channels=9, stride=2, padding=1),), shortcut="pad"),
        Branches(branches=(Sequence(), Sequence(layers=(conv,)), Sequence(layers=(conv,), name="wide", repeat=2))),
        DenseBlock(layers=(ReLU(), conv), repeat=2),
        SqueezeExcitation(),
        Flatten(),
        Linear(),
    )
    assert tree.names == (
        "conv1",
        "stage2.block1.conv1", "stage2.block1.relu1", "stage2.block1.conv2", "stage2.block1.add",
        "stage2.block2.conv1", "stage2.block2.add",
        "block1.relu1", "block2.relu1",
        "residual1.conv1", "residual1.shortcut.conv", "residual1.shortcut.bn", "residual1.add",
        "residual2.conv1", "residual2.shortcut.pad", "residual2.add",
        "branches1.branch2.conv1", "branches1.wide.block1.conv1", "branches1.wide.block2.conv1", "branches1.concat",
        "dense1.layer1.relu1", "dense1.layer1.conv1", "dense1.layer1.concat",
        "dense1.layer2.relu1", "dense1.layer2.conv1", "dense1.layer2.concat",
        "se1.squeeze.pool1", "se1.squeeze.conv1", "se1.squeeze.relu1", "se1.squeeze.conv2", "se1.squeeze.sigmoid1",
        "se1.multiply",
        "flatten", "fc1",
    )  # fmt: skip
    rows = {row.name: row for row in tree.trace().rows}
    assert rows["stage2.block2.conv1"].place == (1, 1, 0) and rows["stage2.block2.add"].place == (1, 1)
    assert rows["branches1.concat"].inputs == tuple(
        rows[name].index for name in ("residual2.add", "branches1.branch2.conv1", "branches1.wide.block2.conv1")
    )
    assert rows["branches1.wide.block2.conv1"].place == (5, 2, 0) and rows["se1.squeeze.conv2"].place == (7,)
    assert rows["residual2.shortcut.pad"].layer == PadShortcut(out_channels=9, stride=2)
    assert rows["residual1.shortcut.conv"].input_shape == (4, 8, 8)
    assert [block.name for block in tree.trace().blocks][:4] == ["stage2", "stage2.block1", "stage2.block2", "block1"]


def test_own_names_never_take_another_ones():
    sequence = Sequence(name="conv1", layers=(ReLU(),))
    assert net(sequence, Conv2d()).names == ("conv1_1.relu1", "conv1")
    assert net(sequence, sequence).names == ("conv1_1.relu1", "conv1_2.relu1")
    tower = Sequence(name="tower", layers=(ReLU(),), repeat=2)
    assert net(tower, Sequence(name="tower1", layers=(ReLU(),))).names == (
        "tower1.relu1", "tower2.relu1", "tower1_1.relu1",
    )  # fmt: skip
    inside = Residual(layers=(Sequence(name="add", layers=(ReLU(),)), Sequence(name="shortcut", layers=(ReLU(),))))
    assert net(inside).names == ("residual1.add1.relu1", "residual1.shortcut1.relu1", "residual1.add")


def test_no_name_is_one_of_torchs_own_words():
    module = build(net(ReLU()))
    assert {word for word in dir(module) if not word.startswith("_")} - {"relu1"} <= TORCH_NAMES
    prefixes = {kind.prefix for kind in (*LAYERS.values(), *BLOCKS.values())}
    assert not (prefixes | {*JOIN_NAMES, "layer", "branch", "squeeze"}) & TORCH_NAMES
    assert not prefixes & {*JOIN_NAMES}
    for name in ("train", "forward", "class", "a.b", "1st", "_x", "x" * 41, "é", "a b"):
        with pytest.raises(ValueError, match="name"):
            Sequence(name=name)


@pytest.mark.parametrize("kind", [*BLOCKS, *JOINS])
def test_every_block_and_join_has_words(kind):
    layer = {**BLOCKS, **JOINS}[kind]
    assert layer.explanation and layer.formula and layer.prefix and layer.__doc__
    assert (kind in JOINS) == (layer in MODULES)
    for name, info in layer.model_fields.items():
        assert name == "kind" or info.description, f"{kind}.{name} has no description"


MISFITS = {
    "identity that cannot add": (
        Residual(layers=(Conv2d(out_channels=8, stride=2, padding=1),)),
        "layer 1 (residual1.add, Add): 4x8x8 arrives and the body leaves 8x4x4, which shortcut=identity cannot bring "
        "together; use shortcut=projection or shortcut=pad, or let the body keep the shape",
    ),
    "pad that would lose channels": (
        Residual(layers=(Conv2d(out_channels=2, padding=1),), shortcut="pad"),
        "4x8x8 arrives and the body leaves 2x8x8, which shortcut=pad cannot bring together; use shortcut=projection",
    ),
    "projection to no whole stride": (
        Residual(layers=(Conv2d(out_channels=2),), shortcut="projection"),
        "4x8x8 arrives and the body leaves 2x6x6, which shortcut=projection cannot bring together; let the body divide",
    ),
    "projection of a vector": (
        Residual(layers=(Flatten(), Linear()), shortcut="projection"),
        "use shortcut=identity and let the body keep the shape",
    ),
    "concat of two sizes": (
        Branches(branches=(Sequence(), Sequence(layers=(Conv2d(),)))),
        "(branches1.concat, Concat): 4x8x8, 8x6x6 cannot stand one behind the other",
    ),
    "sum of two sizes": (
        Branches(branches=(Sequence(), Sequence(layers=(Conv2d(padding=1),))), join="add"),
        "(branches1.add, Add): 4x8x8, 8x8x8 cannot be added",
    ),
    "product of two sizes": (
        Branches(branches=(Sequence(), Sequence(layers=(Conv2d(),))), join="multiply"),
        "(branches1.multiply, Multiply): 4x8x8, 8x6x6 cannot be multiplied",
    ),
    "shares of four channels for three": (
        Branches(branches=(Sequence(),) * 3, split=True),
        "(branches1.branch1.chunk, Chunk): 4 channels cannot be split into 3 equal shares; let a multiple of 3 arrive",
    ),
    "deep inside": (
        Sequence(name="stage", layers=(Residual(name="block", layers=(ReLU(), Conv2d(kernel_size=30))),)),
        "layer 1 (stage.block.conv1, Conv2d): a 30-px kernel does not fit its 8x8 input; use kernel_size <= 8",
    ),
    "a shorthand for maps": (
        Sequence(layers=(Flatten(), SqueezeExcitation())),
        "(block1.se1, SqueezeExcitation): needs maps (channels, height, width), but a vector of 256 numbers arrives",
    ),
    "an inverted residual too wide": (
        Sequence(layers=(Conv2d(out_channels=50_000), InvertedResidual())),
        "(block1.inverted1, InvertedResidual): expansion=6 of 50000 channels makes more than 100000",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_misfit_names_its_path_and_both_shapes(name):
    layer, sentence = MISFITS[name]
    network = net(layer, ReLU())
    assert sentence in str(network.trace().error), str(network.trace().error)
    assert network.trace().rows[-1].name == "relu1" and network.trace().rows[-1].output_shape is None
    chinese = network.trace().error.text("zh_CN")
    assert not any(word in chinese for word in ("arrive", "cannot", "use "))
    with pytest.raises(ShapeError):
        check_budget(network)


def test_a_shorthand_stands_for_generic_blocks():
    assert InvertedResidual(out_channels=4).parts((4, 8, 8)).kind == "Residual"
    assert InvertedResidual(out_channels=5).parts((4, 8, 8)).kind == "Sequence"
    assert InvertedResidual(out_channels=4, stride=2).parts((4, 8, 8)).kind == "Sequence"
    assert [layer.kind for layer in InvertedResidual(expansion=1).parts((4, 8, 8)).layers] == [
        "Conv2d", "BatchNorm2d", "ReLU6", "Conv2d", "BatchNorm2d",
    ]  # fmt: skip
    # MobileNet (v1), body of the first separable block: 32 -> 64 channels at 112x112
    separable = DepthwiseSeparable(out_channels=64)
    assert separable.num_params((32, 112, 112)) == 32 * 9 + 2 * 32 + 32 * 64 + 2 * 64
    assert separable.macs((32, 112, 112)) == 112 * 112 * (32 * 9 + 32 * 64)
    assert separable.output_shape((32, 112, 112)) == (64, 112, 112)
    assert SqueezeExcitation(reduction=16).num_params((64, 8, 8)) == 64 * 4 + 4 + 4 * 64 + 64


def test_a_bottleneck_has_torchvisions_count():
    """The first block of ResNet-50: 64 -> 64 -> 64 -> 256 with a projection; 75,008 parameters."""
    body = []
    for width, size in ((64, 1), (64, 3), (256, 1)):
        body += [Conv2d(out_channels=width, kernel_size=size, padding=size // 2, bias=False), BatchNorm2d(), ReLU()]
    block = Residual(layers=tuple(body[:-1]), shortcut="projection")
    assert block.num_params((64, 56, 56)) == 75_008


def bomb(depth):
    layer = ReLU()
    for _level in range(depth):
        layer = {"kind": "Sequence", "repeat": 1000, "layers": [layer if isinstance(layer, dict) else {"kind": "ReLU"}]}
    return json.dumps({"input_shape": [1, 8, 8], "layers": [layer]})


BAD = {
    "nested repeats": (bomb(6), "layers and blocks; a network may have 2,000 at most"),
    "empty repeats": (
        '{"input_shape":[1,8,8],"layers":[{"kind":"Sequence","repeat":1000,"layers":[{"kind":"Sequence","repeat":1000}]}]}',
        "1,001,000 layers and blocks",
    ),
    "many of them": (
        '{"input_shape":[1,8,8],"layers":[' + ",".join(['{"kind":"DenseBlock","repeat":900,"layers":[]}'] * 2) + "]}",
        "3,602 layers and blocks",
    ),
    "too deep": (
        '{"input_shape":[1,8,8],"layers":[' + '{"kind":"Residual","layers":[' * 13 + "]}" * 13 + "]}",
        "13 deep; 12 at most",
    ),
    "much too deep": (
        '{"input_shape":[1,8,8],"layers":[' + '{"kind":"Residual","layers":[' * 400 + "]}" * 400 + "]}",
        "nests deeper than",
    ),
    "a field inside": (
        '{"input_shape":[1,8,8],"layers":[{"kind":"Residual","layers":[{"kind":"ReLU"},{"kind":"Conv2d","stride":0}]}]}',
        "layers[0].layers[1].stride: 0 is too small; use 1 or more",
    ),
    "a field inside a branch": (
        '{"input_shape":[1,8,8],"layers":[{"kind":"Branches","branches":[{"kind":"Sequence","layers":[{"kind":"Nope"}]}]}]}',
        "layers[0].branches[0].layers[0]: Nope is not a kind of layer",
    ),
    "a branch that is no sequence": (
        '{"input_shape":[1,8,8],"layers":[{"kind":"Branches","branches":[{"kind":"ReLU"}]}]}',
        "layers[0].branches[0].kind",
    ),
    "no branch": ('{"input_shape":[1,8,8],"layers":[{"kind":"Branches","branches":[]}]}', "too short; 1 at least"),
    "a join as a layer": ('{"input_shape":[1,8,8],"layers":[{"kind":"Add"}]}', "Add is not a kind of layer"),
    "a name with dots": ('{"input_shape":[1,8,8],"layers":[{"kind":"Sequence","name":"a.b"}]}', "is not a name"),
    "a word of torch": ('{"input_shape":[1,8,8],"layers":[{"kind":"Sequence","name":"train"}]}', "choose another name"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_tree_is_refused_at_once_with_its_place(name):
    document, sentence = BAD[name]
    began = time.process_time()
    with pytest.raises(ArchitectureError) as raised:
        Architecture.from_json(document)
    assert sentence in str(raised.value) and "pydantic" not in str(raised.value)
    assert raised.value.text("zh_CN") != str(raised.value)
    assert time.process_time() - began < 1


def test_what_grows_without_end_is_refused_before_it_costs_anything():
    began = time.process_time()
    doubling = net(DenseBlock(repeat=600))
    assert "131,072 channels come together; 100,000 at most are taken" in str(doubling.trace().error)
    vectors = net(Flatten(), DenseBlock(repeat=600))
    assert "1,000,000,000 at most" in str(vectors.trace().error)
    wide = make_layer("ZeroPad2d", left=128, right=128, top=128, bottom=128)
    assert "4096 a side at most" in str(net(Sequence(layers=(wide,), repeat=1000)).trace().error)
    assert time.process_time() - began < 2
    began = time.process_time()
    shapes = (Conv2d(out_channels=1, padding=1), MaxPool2d(kernel_size=3, stride=1, padding=1))
    slow = net(Sequence(layers=shapes, repeat=600), shape=(1, 1024, 1023))
    slow.trace()
    large = net(*[wide] * 6, Sequence(layers=shapes, repeat=600), shape=(1, 1024, 1023))
    assert "take too long" in str(large.trace().error)
    assert time.process_time() - began < 10


def test_a_tree_as_deep_and_large_as_allowed_is_written_and_read():
    layer = ReLU()
    for level in range(12):
        layer = Residual(layers=(layer,)) if level % 2 else Sequence(layers=(layer,))
    deep = net(layer, Sequence(layers=(ReLU(),), repeat=900), Softmax())
    assert Architecture.from_json(deep.to_json()) == deep
    assert len(deep.names) == 1 + 6 + 900 + 1
    out = build(deep)(torch.ones(1, 4, 8, 8))
    assert out.shape == (1, 4, 8, 8)


def test_a_network_of_empty_blocks_has_no_layer():
    with pytest.raises(ArchitectureError, match="no layer yet"):
        net(Sequence(), Sequence(layers=(Sequence(),))).check()
    assert net(Residual()).output_shape == (4, 8, 8) and net(DenseBlock()).output_shape == (8, 8, 8)


def test_a_pooling_of_old_documents_stays_as_it_was():
    assert MaxPool2d().model_dump() == {"kind": "MaxPool2d", "kernel_size": 2, "stride": None, "padding": 0}
    assert '"ceil_mode":true' in MaxPool2d(ceil_mode=True).model_dump_json()
    assert net(MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)).output_shape == (4, 4, 4)
    assert net(MaxPool2d(kernel_size=3, stride=2)).output_shape == (4, 3, 3)


def test_errors_inside_blocks_are_ours():
    with pytest.raises(CnnLabError):
        make_layer("Residual", layers=(Conv2d(),)).output_shape((4, 8, 8))
