"""Home's picture: every stage of the network in sight, to scale, with a sign where something is left out."""

import re

import pytest

from cnnlab.architecture import Architecture, make_layer
from cnnlab.architecture.presets import PRESETS
from cnnlab.figures import chain
from tests.figures.test_live import drawn


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.architecture.is_flat])
def test_every_preset_is_drawn_to_scale(name: str) -> None:
    architecture = PRESETS[name].architecture
    html = chain.network_html(architecture)
    svg = drawn(html)
    assert ('class="broken"' in svg) == (architecture.trace().error is not None)
    assert f"<small>{'×'.join(map(str, architecture.input_shape))}</small>" in html
    widths = [float(w) for w in re.findall(r'class="sheet"[^>]*width="([\d.]+)"', svg)]
    assert widths[0] == max(widths)
    names = re.findall(r"<b>([^<]*)</b>", html)
    learning = [
        row.name for row in architecture.trace().rows if row.output_shape and row.layer.kind in ("Conv2d", "Linear")
    ]
    left_out = next((int(name.split()[0]) for name in names if name.endswith(" more")), 0)
    assert len(names) <= chain.MAX_STAGES
    assert len(set(learning) - set(names)) <= left_out


def test_what_is_left_out_is_counted() -> None:
    layers = tuple(make_layer("Conv2d", out_channels=8, padding=1) for _n in range(40))
    html = chain.network_html(Architecture(name="deep", input_shape=(1, 16, 16), layers=layers))
    names = re.findall(r"<b>([^<]*)</b>", html)
    assert len(names) == chain.MAX_STAGES
    assert names[0] == "input" and names[-1] == "conv40"
    assert f"{41 - (chain.MAX_STAGES - 1)} more" in names


def test_a_name_cannot_break_out() -> None:
    html = chain.network_html(PRESETS["mnist-sprint"].architecture.renamed('"><b onclick="x">'))
    assert 'onclick="' not in html


def test_the_answer_marks_the_largest() -> None:
    answer = chain.Answer(tuple("0123456789"), (0.01,) * 9 + (0.91,))
    html = chain.answer_html(answer)
    assert html.count("lab-best") == 1 and "91.0%" in html
    assert 'aria-busy="true"' in chain.answer_html(None)
