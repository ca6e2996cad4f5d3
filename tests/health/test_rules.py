"""Every rule speaks where it is provoked, by a real network or a real training, and keeps silent where all is well."""

import math
import re
from functools import cache

import pytest

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import (
    BatchNorm2d,
    Dropout,
    Dropout2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from cnnlab.architecture.presets import PRESETS
from cnnlab.figures.health import evidence_html
from cnnlab.health.case import SEVERITIES, Case
from cnnlab.health.facts import DataFacts
from cnnlab.health.history import History
from cnnlab.health.rules import RULES, diagnose
from cnnlab.i18n import set_language
from cnnlab.training.recipe import Recipe
from tests.health.makers import (
    SOUND,
    Trained,
    conv,
    deep,
    dense,
    described,
    digits,
    network,
    run,
    shuffled_digits,
    small,
    trained,
)

STATIC: dict[str, tuple[Architecture, dict[str, object]]] = {
    "softmax-inside": (network(conv(8), ReLU(), conv(16), ReLU(), Flatten(), dense(32), Softmax(), dense(10)), {}),
    "softmax-twice": (network(conv(8), ReLU(), Flatten(), dense(10), Softmax(), Softmax()), {}),
    "activation-last": (network(conv(8), ReLU(), Flatten(), dense(10), Sigmoid()), {}),
    "dropout-on-scores": (network(conv(8), ReLU(), Flatten(), dense(10), Dropout(p=0.5), Softmax()), {}),
    "dropout-first": (network(Dropout(p=0.3), conv(8), ReLU(), Flatten(), dense(10)), {}),
    "dropout-high": (network(conv(8), ReLU(), Flatten(), Dropout(p=0.9), dense(10)), {}),
    "dense-heavy": (network(conv(32), ReLU(), Flatten(), dense(64), ReLU(), dense(10)), {}),
    "map-too-small": (
        network(
            conv(8),
            ReLU(),
            MaxPool2d(),
            conv(8),
            MaxPool2d(),
            ReLU(),
            conv(8, 3, 1, padding=1),
            ReLU(),
            Flatten(),
            dense(10),
        ),
        {},
    ),
    "padding-only": (network(conv(8, 1, 1, padding=1), ReLU(), MaxPool2d(), Flatten(), dense(10)), {}),
    "stride-skips": (network(conv(8, 2, 4), ReLU(), Flatten(), dense(10)), {}),
    "no-nonlinearity": (network(conv(8), BatchNorm2d(), conv(16), ReLU(), Flatten(), dense(32), dense(10)), {}),
    "sigmoid-stack": (deep(Sigmoid, 4), {}),
    "batchnorm-batch": (network(conv(8), BatchNorm2d(), ReLU(), Flatten(), dense(10)), {"batch_size": 1}),
    "batch-too-large": (small(), {"batch_size": 2048}),
    "mirrored-characters": (small(), {"augmentation": {"flip": True}}),
    "turned-characters": (small(), {"augmentation": {"rotate": 180}}),
    "momentum-too-high": (small(), {"optimizer": "sgd", "momentum": 0.999}),
}
"""What provokes each of the rules that need no run."""

PROVOKED = {
    "exploding-gradient": "steps much too long",
    "vanishing-gradient": "sigmoids",
    "learning-rate-high": "steps too long",
    "learning-rate-low": "steps too short",
    "dead-relu": "steps too long",
    "saturated": "tanh, steps too long",
    "weight-decay-strong": "strong decay",
    "overfitting": "by heart",
    "underfitting": "too narrow",
    "labels-shuffled": "shuffled",
    "class-never-predicted": "no sevens",
    "val-ahead": "dropout",
    "schedule-ended": "stairs",
}
"""Which real training provokes each of the others."""

HEALTHY = ("healthy", "healthy sgd", "healthy tanh", "slow start")


@cache
def provoked(rule: str) -> Trained:
    if rule in PROVOKED:
        return run(PROVOKED[rule])
    architecture, fields = STATIC[rule]
    return described(architecture, Recipe.of({**SOUND, **fields}), digits())


def test_every_rule_is_provoked_here() -> None:
    assert {*STATIC} | {*PROVOKED} == {*RULES} and len(RULES) >= 18
    assert {name for name, rule in RULES.items() if rule.from_run} == {*PROVOKED}
    assert all(name == rule.id for name, rule in RULES.items())
    assert all({*rule.unless} <= {*RULES} - {rule.id} for rule in RULES.values())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_speaks_where_it_should(rule: str) -> None:
    case = provoked(rule)
    assert rule in case.ids
    finding = case.finding(rule)
    assert finding.severity == RULES[rule].severity and finding.evidence
    assert {*finding.layers} <= {*case.architecture.names}
    if rule in STATIC:
        assert [name for name in case.ids if name != rule] == [], "the example shows more than its own fault"


@pytest.mark.parametrize("healthy", HEALTHY)
def test_a_healthy_run_is_told_nothing(healthy: str) -> None:
    case = run(healthy)
    assert case.ids == ()
    assert case.history.steps >= 250 and len(case.history.looks) > 10
    judged = case.history.judged[-1].acc
    assert judged > (0.3 if healthy == "slow start" else 0.85)  # it is healthy


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.error is None])
def test_the_networks_of_the_lab_have_no_fault(name: str) -> None:
    preset = PRESETS[name]
    data = DataFacts("pictures", tuple(f"class {k}" for k in range(10)), (5400,) * 10)
    said = diagnose(History(), preset.architecture, Recipe.of(preset.recipe), data)
    assert [finding.rule for finding in said] == (["dense-heavy"] if name == "article-004-cnn-fixed" else [])


def without_a_click() -> set[str]:
    return {"labels-shuffled", "class-never-predicted"}


@pytest.mark.parametrize("rule", RULES)
def test_apply_mends_it(rule: str) -> None:
    """One click mends what stands in the description; a learning rate may take a few."""
    case, data = provoked(rule), digits()
    if rule in without_a_click():
        assert case.finding(rule).change is None and case.finding(rule).remedy is None
        return
    for _click in range(1 if rule in STATIC else 4):
        finding = case.finding(rule)
        assert finding.change is not None and finding.remedy is not None and str(finding.remedy)
        recipe, architecture = finding.change
        assert (recipe, architecture) != (case.recipe, case.architecture) and architecture.trace().error is None
        if rule in ("overfitting", "underfitting"):
            break  # whether these few steps are enough is another question
        case = (described if rule in STATIC else trained)(architecture, recipe, data)
        if rule not in case.ids:
            break
    else:
        pytest.fail(f"{rule} is still there: {case.ids}")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_it_says_why_in_both_languages_with_its_numbers(rule: str, language: str) -> None:
    set_language(language)
    finding = provoked(rule).finding(rule)
    for message in (finding.title, finding.why, *([finding.remedy] if finding.remedy else [])):
        text = message.text()
        assert not re.search(r"[{}]|\bnan\b|\binf\b|None", text), text
        assert bool(re.search(r"[一-鿿]", text)) == (language == "zh_CN"), text
    assert finding.why.values and re.search(r"\d", finding.why.text())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_its_evidence_is_a_picture_that_can_be_read_aloud(rule: str, language: str) -> None:
    set_language(language)
    case, image = provoked(rule), digits().train.images[0].numpy()
    html = evidence_html(case.finding(rule), case.history, case.architecture.names, image)
    told = re.findall(r'alt="([^"]*)"', html)
    assert told and all(alt.strip() for alt in told) and not re.search(r"\bnan\b|\binf\b|None|[{}]", " ".join(told))


def test_the_numbers_of_a_finding_are_those_of_the_run() -> None:
    case = run("steps much too long")
    why = case.finding("exploding-gradient").why.values
    lengths = [
        value for name in ("conv1", "conv2", "fc1", "fc2") for _s, value in case.history.series(name, "grad_norm")
    ]
    assert why["length"] == max(value for value in lengths if value is not None) > 100
    assert (why["step"], why["length"]) in case.history.series(why["name"], "grad_norm")

    dead = run("steps too long").finding("dead-relu").why.values
    assert run("steps too long").history.series(dead["name"], "dead_window")[-1][1] == dead["share"] > 0.7

    heavy = provoked("dense-heavy")
    said = heavy.finding("dense-heavy").why.values
    weights = 32 * 13 * 13 * 64 + 64
    assert said["into"] == 32 * 13 * 13 and said["share"] == weights / said["total"] and said["out"] == 64

    rare = run("no sevens").finding("class-never-predicted").why.values
    assert (rare["name"], rare["count"]) == ("7", run("no sevens").facts.counts[7]) and rare["count"] <= 10


def test_squashed_scores_cannot_pass_the_loss_that_is_named() -> None:
    """The best that scores in [0, 1] or [-1, 1] can do, worked out with torch's own loss."""
    import torch
    import torch.nn.functional as F

    target = torch.tensor([3])
    for rule, act, low, high in (("softmax-twice", None, 0.0, 1.0), ("activation-last", Tanh, -1.0, 1.0)):
        if act is not None:
            architecture = network(conv(8), ReLU(), Flatten(), dense(10), act())
            case = described(architecture, Recipe.of(SOUND), digits())
        else:
            case = provoked(rule)
        best = torch.full((1, 10), low)
        best[0, 3] = high
        assert case.finding(rule).why.values["least"] == pytest.approx(F.cross_entropy(best, target).item(), rel=1e-6)


def test_the_worst_comes_first() -> None:
    case = run("steps much too long")
    ranks = [SEVERITIES.index(finding.severity) for finding in case.findings]
    assert len(ranks) > 1 and ranks == sorted(ranks)
    both = described(
        network(Dropout(p=0.3), conv(32), ReLU(), Flatten(), dense(64), ReLU(), dense(10), Sigmoid()),
        Recipe.of(SOUND),
        digits(),
    )
    assert both.ids == ("activation-last", "dropout-first", "dense-heavy")


def test_a_deeper_cause_silences_the_rest() -> None:
    case = run("steps too long")
    alone = Case(case.architecture, case.recipe, case.facts, case.history)
    assert RULES["vanishing-gradient"].find(alone) is not None and "vanishing-gradient" not in case.ids


def test_a_network_that_cannot_run_is_for_others_to_mend() -> None:
    broken = network(conv(8), ReLU(), dense(10))
    assert broken.trace().error is not None
    assert described(broken, Recipe.of(SOUND), digits()).ids == ()
    assert described(network(), Recipe.of(SOUND), digits()).ids == ()


def test_no_judgement_before_there_was_time_to_learn() -> None:
    """Cut off after 60 steps, even the worst runs are told only what a single step can show."""
    at_once = {"exploding-gradient", "dead-relu", "saturated", "vanishing-gradient"}
    for name in ("shuffled", "steps too short", "by heart", "too narrow", "healthy"):
        case = run(name)
        begun = History(
            tuple(point for point in case.history.train if point.step <= 60),
            tuple(point for point in case.history.val if point.step <= 60),
            tuple(look for look in case.history.looks if look.step <= 60),
        )
        said = {finding.rule for finding in diagnose(begun, case.architecture, case.recipe, case.facts)}
        assert said <= at_once, (name, said)


def test_labels_are_tested_against_what_needs_no_training() -> None:
    right, wrong = (DataFacts.of(data, Recipe.of(SOUND)) for data in (digits(), shuffled_digits()))
    assert right.nearest_mean is not None and wrong.nearest_mean is not None
    assert right.nearest_mean > 0.75 and wrong.nearest_mean < 0.15
    images, targets = digits().fit
    means = [images[targets == k].double().mean(0).flatten() for k in range(10)]
    shown, named = digits().val
    near = [min(range(10), key=lambda k: (x.double().flatten() - means[k]).square().sum().item()) for x in shown[:200]]
    share = sum(k == int(t) for k, t in zip(near, named[:200])) / 200
    assert abs(right.nearest_mean - share) < 0.08  # of other pictures, by means of fewer


@pytest.mark.parametrize(
    ("names", "characters"),
    [(tuple("0123456789"), True), (("お o", "き ki"), True), (("cat", "ship"), False), (("a", "cat"), False)],
)
def test_characters_are_known_by_their_names(names: tuple[str, ...], characters: bool) -> None:
    assert DataFacts("x", names, (1,) * len(names)).are_characters == characters


def test_progress_is_measured_from_guessing_to_perfect() -> None:
    facts = DataFacts("x", tuple("0123456789"), (100,) * 10)
    plain, smooth, mse = (
        Case(small(), Recipe.of({**SOUND, **fields}), facts)
        for fields in ({}, {"label_smoothing": 0.2}, {"loss": "mse"})
    )
    assert (plain.guess_loss, plain.least_loss) == (math.log(10), 0)
    shares = [0.82] + [0.02] * 9
    assert smooth.least_loss == pytest.approx(-sum(q * math.log(q) for q in shares)) and smooth.guess_loss == math.log(
        10
    )
    assert mse.guess_loss == pytest.approx((0.9**2 + 9 * 0.1**2) / 10)
    assert plain.chance == 0.1 and isinstance(plain.learned[-1].layer, Linear)


def test_whole_maps_can_be_dropped_too_early() -> None:
    early = network(Dropout2d(p=0.5), conv(8), ReLU(), Flatten(), dense(10))
    finding = described(early, Recipe.of(SOUND), digits()).finding("dropout-first")
    assert "whole colour channels" in str(finding.why) and finding.change is not None
    assert finding.change[1] == early.remove(0)
