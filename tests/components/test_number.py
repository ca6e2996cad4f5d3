"""The sums that a browser works out for the number view are those of the lab."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from cnnlab.figures.number_sheets import number_data
from cnnlab.home import ASSETS
from cnnlab.insight.arithmetic import explain, pass_of, training_pass
from tests.insight.makers import MODELS, picture_for
from tests.insight.test_arithmetic import some_units

SCRIPT = """
import { readFileSync } from "node:fs"
const { decode, sumAt, unitOf, CURVES } = await import(process.argv[1])
const told = JSON.parse(readFileSync(process.argv[2], "utf-8")).map((data) => {
  const lab = decode(data)
  const sum = sumAt(lab, data.at)
  const curve = CURVES[data.kind] && sum.terms.length ? CURVES[data.kind](data.numbers)(sum.terms[0].x) : null
  return {
    total: sum.total, unit: unitOf(lab.out, data.at), curve,
    largest: sum.terms.length ? sum.terms[0].product : null,
  }
})
console.log(JSON.stringify(told))
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on the PATH")
@pytest.mark.parametrize("net", MODELS)
def test_the_browsers_sums_are_those_of_the_lab(net, tmp_path: Path):
    model = MODELS[net]()
    images = [picture_for(model, seed) for seed in range(3)]
    asked, wanted = [], []
    for passed in (pass_of(model, images[0]), training_pass(model, torch.stack(images))):
        for unit in some_units(passed, 3):
            told = explain(passed, unit)
            for count in (2, 99):
                asked.append(number_data(passed, told.unit, count))
                wanted.append(told)
    file = tmp_path / "asked.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    module = (ASSETS / "components" / "number.js").as_uri()
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, module, str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == len(wanted)
    for data, answer, told in zip(asked, answers, wanted):
        assert answer["unit"] == str(told.unit)
        assert answer["total"] == pytest.approx(told.total, abs=1e-9 * max(1.0, told.size)), told
        if data["more"] and data["of_incoming"] == len(data["incoming"]) and told.terms and data["view"] != "points":
            assert abs(answer["largest"]) == pytest.approx(abs(told.terms[0].product), rel=1e-9)
        if answer["curve"] is not None:
            assert answer["curve"] == pytest.approx(told.total, abs=1e-12)
