"""The learning-rate finder's curve: its marks stand where the numbers are, its words in both languages."""

import base64
import re

import pytest

from cnnlab.figures.lr import rate_text, search_html
from cnnlab.i18n import set_language
from cnnlab.training.lr_finder import HIGHEST, LOWEST, Trial, read_curve

STEPS = 61
TRIALS = tuple(
    Trial(k + 1, lr := LOWEST * (HIGHEST / LOWEST) ** (k / (STEPS - 1)), 2.3 if lr < 1e-3 else 0.5 if lr < 0.1 else 9.0)
    for k in range(STEPS)
)


def svg(html: str) -> str:
    found = re.search(r"base64,([^\"]+)", html)
    assert found
    return base64.b64decode(found[1]).decode()


@pytest.mark.parametrize(("lr", "text"), [(0.00123, "0.0012"), (0.1, "0.1"), (1.0, "1"), (0.0000012, "0.0000012")])
def test_a_rate_has_two_digits(lr: float, text: str) -> None:
    assert rate_text(lr) == text


def test_the_suggestion_the_edge_and_the_rate_in_force_are_marked() -> None:
    finding = read_curve(TRIALS)
    assert finding.suggested is not None and finding.edge is not None
    html = search_html(TRIALS, finding, now=0.01)
    at = {style: float(x) for style, x in re.findall(r'<line class="(\w+)" x1="([\d.]+)"', svg(html))}
    assert 0.0005 < finding.suggested < 0.002 and at["best"] < at["now"] < at["edge"]
    assert f"falls fastest {rate_text(finding.suggested)}" in html and f"falls apart {rate_text(finding.edge)}" in html
    assert svg(html).count("<polyline") == 2


def test_a_search_that_goes_on_has_its_trials_alone() -> None:
    set_language("zh_CN")
    html = search_html(TRIALS[:20])
    assert svg(html).count("<polyline") == 1 and 'class="best"' not in svg(html) and "试了 20 个学习率" in html
    assert "<polyline" not in svg(search_html(()))
