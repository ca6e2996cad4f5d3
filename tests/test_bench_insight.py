"""The benchmark of looking inside has a row for each model that comes with the lab, and judges by its bar."""

import json

from benchmarks import surgery
from benchmarks.insight import FIRST_MS, glance, image_for, measure_glances
from cnnlab.description import bundled_models
from cnnlab.runs.models import named


def test_every_bundled_model_is_measured() -> None:
    rows = list(measure_glances(rounds=1))
    assert set(FIRST_MS) == set(bundled_models())
    for found, (name, bar) in zip(rows, FIRST_MS.items()):
        assert name in found.what and found.bar == f"<= {bar} ms"
        assert isinstance(found.value, float) and found.value > 0
        assert found.met == (found.value <= bar)


def test_what_is_measured_is_what_the_page_sends() -> None:
    model = named("article-000-lenet5")
    data = json.loads(glance(model, image_for(model)))
    assert [column["name"] for column in data["columns"]] == ["input", *model.architecture.names, "probs"]


def test_operations_and_channels_are_timed_on_the_networks_that_there_are() -> None:
    name = surgery.ARTICLES[0]
    for seconds in (surgery._edit_s, surgery._lesions_s, surgery._page_s):
        assert seconds(name, "conv1") > 0
