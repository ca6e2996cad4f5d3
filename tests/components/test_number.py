"""The sums that a browser works out for the number view are those of the lab."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from cnnlab.architecture import Address
from cnnlab.figures import number_sheets
from cnnlab.figures.gradient_sheets import gradient_data, weight_data
from cnnlab.figures.number_sheets import number_data
from cnnlab.home import ASSETS
from cnnlab.insight.arithmetic import explain, pass_of, training_pass
from cnnlab.insight.backwards import backward_of, explain_gradient
from pages._magnifier_texts import texts
from tests.insight.makers import MODELS, picture_for
from tests.insight.test_arithmetic import some_units

SCRIPT = """
import { readFileSync } from "node:fs"
const { decode, sumAt, says, partialAt, unitOf, number, CURVES } = await import(process.argv[1])
const told = JSON.parse(readFileSync(process.argv[2], "utf-8")).map((data) => {
  const lab = decode(data)
  const sum = sumAt(lab, data.at)
  const rows = lab.incoming.map((map) => ({ map, values: map.kernel ? { [data.at]: partialAt(lab, map, data.at) } : null }))
  const numbers = Object.fromEntries(Object.entries(data.numbers).map(([name, value]) => [name, number(value)]))
  const curve = CURVES[data.kind] && sum.terms.length ? CURVES[data.kind](data.numbers)(sum.terms[0].x) : null
  return {
    total: sum.total, says: says({ data: lab, at: data.at, rows, numbers }, sum), unit: unitOf(lab.out, data.at), curve,
    largest: sum.terms.length ? sum.terms[0].product : null,
  }
})
console.log(JSON.stringify(told))
"""


NEEDS_NODE = pytest.mark.skipif(shutil.which("node") is None, reason="no node on the PATH")


def worked_out(asked: list[dict], tmp_path: Path) -> list[dict]:
    """Return what the browser makes of the data, each at its own place."""
    file = tmp_path / "asked.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    module = (ASSETS / "components" / "number.js").as_uri()
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, module, str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == len(asked)
    return answers


@NEEDS_NODE
@pytest.mark.parametrize("net", MODELS)
def test_the_browsers_sums_are_those_of_the_lab(net, tmp_path: Path, monkeypatch):
    model = MODELS[net]()
    images = [picture_for(model, seed) for seed in range(3)]
    asked, wanted = [], []
    for passed in (pass_of(model, images[0]), training_pass(model, torch.stack(images))):
        for unit in some_units(passed, 3):
            told = explain(passed, unit)
            for count, most in ((2, 0), (99, 0), (1, 250_000)):
                monkeypatch.setattr(number_sheets, "MOST", most)
                asked.append({**number_data(passed, told.unit, count), "text": texts()})
                wanted.append(told)
    answers = worked_out(asked, tmp_path)
    for data, answer, told in zip(asked, answers, wanted):
        assert answer["unit"] == str(told.unit)
        assert answer["says"].startswith(str(told.unit)) and "{" not in answer["says"], answer["says"]
        assert answer["total"] == pytest.approx(told.total, abs=1e-9 * max(1.0, told.size)), told
        if data["more"] and data["of_incoming"] == len(data["incoming"]) and told.terms and data["view"] != "points":
            assert abs(answer["largest"]) == pytest.approx(abs(told.terms[0].product), rel=1e-9)
        if answer["curve"] is not None:
            assert answer["curve"] == pytest.approx(told.total, abs=1e-12)


@NEEDS_NODE
@pytest.mark.parametrize("net", ["grey", "colour"])
def test_gradients_too(net, tmp_path: Path):
    model = MODELS[net]()
    images = torch.stack([picture_for(model, seed) for seed in range(3)])
    back = backward_of(model, images, torch.tensor([0, 1, 2]), training=True)
    units = [Address.parse(unit) for unit in ("conv1[1,2,3]", "conv2[3,1,1]", "input[0,4,4]", "fc1[2]")]
    weights = [Address.parse(unit) for unit in ("conv1.weight[2,0,0,1]", "conv2.weight[1,1,2,0]")]
    asked = [gradient_data(back, unit) for unit in units] + [weight_data(back, weight) for weight in weights]
    asked = [{**one, "text": texts()} for one in asked]
    for unit, answer in zip([*units, *weights], worked_out(asked, tmp_path)):
        told = explain_gradient(back, unit)
        assert answer["total"] == pytest.approx(told.total, abs=1e-9 * max(1.0, told.size))
        assert f"dL/d{unit}" in answer["says"] and "{" not in answer["says"]
        assert told.gap <= told.allowed
