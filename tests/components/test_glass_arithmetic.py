"""What the browser calculates under the glass is what the lab calculates: the same terms, sums, uses and fields."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from cnnlab.figures.glass import glass_data
from cnnlab.insight.glass import Operation, problem, run, total_of, uses
from cnnlab.insight.glass.predictions import sum_text

HERE = Path(__file__).resolve().parent
ACTIVATIONS = ["none", "relu", "leaky_relu", "sigmoid", "tanh"]


def operation_of(dice: random.Random, planes: int) -> Operation:
    size = dice.randint(1, 7)
    weights = [[[dice.randint(-30, 30) / 8 for _ in range(size)] for _ in range(size)] for _ in range(planes)]
    return Operation(
        kernel=weights, stride=dice.randint(1, 3), padding=dice.randint(0, 4), dilation=dice.randint(1, 2),
        padding_mode=dice.choice(["zeros", "reflect"]), bias=dice.choice([0, -0.5, 1.25]),
        activation=dice.choice(ACTIVATIONS), pooling=dice.choice(["none", "max", "avg"]),
    )  # fmt: skip


def cases(count: int) -> list[tuple]:
    dice, made = random.Random(5), []
    while len(made) < count:
        planes = dice.choice([1, 3])
        side = (dice.randint(4, 12), dice.randint(4, 12))
        layers = [operation_of(dice, planes), operation_of(dice, 1)][: dice.randint(1, 2)]
        if problem(layers[0], *side) or (len(layers) == 2 and problem(layers[1], *layers[0].output_shape(*side))):
            continue
        picture = (torch.rand(planes, *side, generator=torch.Generator().manual_seed(len(made))).double() * 100).round()
        stages = run(picture / 100, layers)
        rows, cols = stages[1].values.shape[1:]
        place = dice.randrange(rows), dice.randrange(cols)
        pixel = dice.randrange(planes), dice.randrange(side[0]), dice.randrange(side[1])
        made.append((stages, place, pixel))
    return made


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on the PATH")
def test_the_browser_calculates_what_the_lab_does():
    drawn = cases(60)
    asked = [{"stages": glass_data(s)["stages"], "place": place, "pixel": pixel} for s, place, pixel in drawn]
    done = subprocess.run(
        ["node", str(HERE / "glass_answers.mjs")], input=json.dumps(asked), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for (stages, place, pixel), answer in zip(drawn, json.loads(done.stdout), strict=True):
        before, stage = stages[0].values, stages[1]
        found = total_of(before, stage, *place)
        terms = [[list(t.at) if t.at else None, list(t.tap), t.value, t.factor, t.product] for t in found.terms]
        assert answer["terms"] == terms
        assert answer["total"] == pytest.approx(float(stage.values[0][place]), abs=1e-9)
        assert answer["text"] == str(sum_text(found))
        assert answer["uses"] == [[u.row, u.col, pytest.approx(u.factor)] for u in uses(before, stage, *pixel)]
        wanted = [s.values.flatten().tolist() for s in stages if s.kind in ACTIVATIONS]
        for mine, torchs in zip(answer["activated"], wanted, strict=True):
            assert mine == pytest.approx(torchs, abs=1e-12)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on the PATH")
def test_the_field_in_the_browser_holds_every_pixel_with_a_gradient():
    drawn = [(s, place, pixel) for s, place, pixel in cases(80) if all(st.kind != "max" for st in s)]
    asked = [{"stages": glass_data(s)["stages"], "place": place, "pixel": pixel} for s, place, pixel in drawn]
    done = subprocess.run(
        ["node", str(HERE / "glass_answers.mjs")], input=json.dumps(asked), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    exact = 0
    for (stages, _place, _pixel), answer in zip(drawn, json.loads(done.stdout), strict=True):
        picture = torch.ones_like(stages[0].values, requires_grad=True)  # and weights of one: nothing cancels out
        plain = [s.operation for s in stages if s.kind == "conv"]
        ones = [
            Operation.model_validate(
                {**op.model_dump(), "activation": "none", "kernel": [[[1.0] * op.kernel_size] * op.kernel_size] * len(op.kernel)}
            )
            for op in plain
        ]  # fmt: skip
        run(picture, ones)[-1].values[0, 0, 0].backward()
        rows, cols = picture.grad.sum(0).nonzero(as_tuple=True)
        field = answer["last"]
        if len(rows):
            assert field["top"] <= rows.min() and rows.max() <= field["bottom"]
            assert field["left"] <= cols.min() and cols.max() <= field["right"]
            sides = [field[side] for side in ("top", "bottom", "left", "right")]
            exact += [rows.min(), rows.max(), cols.min(), cols.max()] == sides
    assert exact > len(drawn) / 2
