"""The Convolution page's questions: commit an answer first, then see; the lab checks it and keeps the score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.i18n import N_, _
from pages import _choices, _session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnlab.insight.glass import Operation, Stage, Verdict

KINDS = {"size": N_("Size"), "params": N_("Parameters"), "number": N_("Numbers")}
HINTS = {
    "size": N_("Count the places of the window: how far can it move, and in which jumps?"),
    "params": N_("Count the weights of one kernel for each plane that arrives, and the bias."),
    "number": N_("Multiply each number under the window by the weight on it, then add up, with the bias."),
}
"""What helps where nothing more is known about a wrong answer."""
_TURN = "convolution.turn"


@dataclass(frozen=True)
class Veil:
    """What nobody may see yet: stages by name, the number of parameters, one number by its place."""

    stages: frozenset[str] = frozenset()
    params: bool = False
    number: tuple[str, int, int] | None = None


@dataclass(frozen=True)
class _Try:
    """What came of the last answer: what the lab says of it, what was said now and at first, whether it goes on."""

    found: Verdict | None
    said: str
    first: str
    open: bool


@dataclass(frozen=True)
class _Asked:
    """One layer that is asked about: what arrives at it, its convolution, and the keys of the questions."""

    stage: Stage
    before: Stage
    operation: Operation
    size_key: str
    params_key: str


def predict(stages: Sequence[Stage], layer: int) -> Veil:
    """Draw the switch, the score and the open questions, about ``layer`` where nothing before it is open."""
    from cnnlab.insight.glass import challenge, number_key

    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="glass_predict"):
        on = _choices.toggle(
            "convolution.predict", _("Predict first"), False,
            help=_("Results stay covered until you have answered, or have them shown. First answers count."),
        )  # fmt: skip
        score = st.empty()
    if not on:
        score.markdown(_score())
        return Veil()
    asked = [
        _asked(stage, stages[place - 1], stage.operation)
        for place, stage in enumerate(stages)
        if stage.kind == "conv" and stage.operation is not None
    ]
    first = next((one for one in asked if _is_open(one.size_key)), asked[layer])
    row, col = challenge(first.before.values, first.stage, _turn())
    key = number_key(first.before.values, first.stage, row, col)
    with st.container(key="glass_cards"):
        columns = st.columns(3, gap="small")
        with columns[0]:
            sized = _size_card(first)
        with columns[1]:
            counted = _params_card(first)
        with columns[2]:
            known = _number_card(first, row, col, key, sized)
    score.markdown(_score())
    later = [s.name for s in stages[stages.index(first.stage) :]] if not sized else []
    place = (first.stage.name, row, col) if sized and not known else None
    return Veil(frozenset(later), not counted, place)


def _score() -> str:
    """Return how many first answers were right, of each kind that was asked at all."""
    score = _session.workspace().score
    parts = []
    for kind, name in KINDS.items():
        right, asked = score.of(kind)
        if asked:
            parts.append(_("{name}: **{right} of {asked}**", name=_(name), right=right, asked=asked))
    return " · ".join(parts)


def _asked(stage: Stage, before: Stage, operation: Operation) -> _Asked:
    from cnnlab.insight.glass import params_key, size_key

    _channels, height, width = before.values.shape
    return _Asked(stage, before, operation, size_key(operation, height, width), params_key(operation))


def _size_card(asked: _Asked) -> bool:
    from cnnlab.insight.glass import check_size

    _channels, height, width = asked.before.values.shape
    question = _("How large is the output, {stage}?", stage=f"`{asked.stage.name}`")
    rows, cols = asked.operation.conv_shape(height, width)
    fields = (_("rows"), _("columns"))

    def check(values: list[Any]) -> Verdict:
        return check_size(asked.operation, height, width, (int(values[0]), int(values[1])))

    return _card("size", asked.size_key, question, fields, check, f"{rows} × {cols}")


def _params_card(asked: _Asked) -> bool:
    from cnnlab.insight.glass import check_params

    question = _("How many numbers does {stage} learn, weights and bias together?", stage=f"`{asked.stage.name}`")

    def check(values: list[Any]) -> Verdict:
        return check_params(asked.operation, int(values[0]))

    return _card("params", asked.params_key, question, (_("parameters"),), check, str(asked.operation.num_params))


def _number_card(asked: _Asked, row: int, col: int, key: str, sized: bool) -> bool:
    from cnnlab.insight.glass import check_number
    from cnnlab.insight.glass.predictions import number

    if not sized:
        with st.container(border=True, key="glass_card_number"):
            st.markdown(_("**Which number stands at the pink question mark?**"))
            st.caption(_("Once the size is known, a place to work out will be marked here."))
        return False
    question = _("Which number is {unit}, at the pink question mark?", unit=f"`{asked.stage.name}[0,{row},{col}]`")

    def check(values: list[Any]) -> Verdict:
        return check_number(asked.before.values, asked.stage, row, col, float(values[0]))

    value = number(float(asked.stage.values[0, row, col]))
    return _card("number", key, question, (_("the sum"),), check, value, again=True)


def _card(
    kind: str, key: str, question: str, fields: tuple[str, ...], check: Any, answer: str, again: bool = False
) -> bool:
    """Draw one question, or what came of it; return whether its answer may be seen."""
    with st.container(border=True, key=f"glass_card_{kind}"):
        st.markdown(f"**{question}**")
        if _is_open(key):
            _form(kind, key, fields, check)
            return False
        _verdict(_last(key), answer)
        if again:
            st.button(_("Another number"), icon=":material/casino:", key="convolution.again", on_click=_next)
        return True


def _last(key: str) -> _Try | None:
    """Return what came of the last answer since the page was opened, None where there was none."""
    kept = _session.here(f"convolution.{key}")
    return kept if isinstance(kept, _Try) else None


def _is_open(key: str) -> bool:
    """Return whether this question still waits: nothing was said yet, or something wrong."""
    last = _last(key)
    return last.open if last else key not in _session.workspace().score.settled


def _form(kind: str, key: str, fields: tuple[str, ...], check: Any) -> None:
    """Draw the form of an open question; both of its buttons settle it before the page is drawn again."""
    places = [f"convolution.answer.{key}.{place}" for place in range(len(fields))]
    with st.form(f"convolution.form.{key}", border=False):
        columns = st.columns(len(fields), gap="small") if len(fields) > 1 else [st.container()]
        step: Any = {"step": 0.01, "format": "%.6g"} if kind == "number" else {"step": 1, "min_value": 0}
        for column, name, place in zip(columns, fields, places):
            column.number_input(name, value=None, key=place, placeholder="?", **step)
        with st.container(horizontal=True, gap="small"):
            st.form_submit_button(
                _("Check"), type="primary", key=f"convolution.check.{kind}",
                on_click=_answer, args=(kind, key, places, check),
            )  # fmt: skip
            st.form_submit_button(
                _("Show me"),
                type="tertiary",
                key=f"convolution.show.{kind}",
                on_click=_answer,
                args=(kind, key, (), None),
            )
    last = _last(key)
    if last is not None and last.found is not None:
        hint = last.found.hint or HINTS[kind]
        said = _("You said {said}: not quite.", said=f"**{last.said}**")
        st.markdown(
            f":orange[:material/cancel:] {said} {_(hint) if isinstance(hint, str) else hint.text(_session.language())}"
        )
        st.caption(_("Try again as often as you like; the score keeps the first answer only."))
    elif _session.here(f"convolution.{key}") == "empty":
        st.caption(_("Type a number first."))


def _answer(kind: str, key: str, places: Sequence[str], check: Any) -> None:
    """Have the lab check what was typed, or settle the question without an answer; keep what came of it."""
    from cnnlab.insight.glass.predictions import number

    last = _last(key)
    values = [st.session_state.get(place) for place in places]
    if any(value is None for value in values):
        if last is None:
            _session.set_here(f"convolution.{key}", "empty")
        return
    if not check:
        _session.workspace().settle(kind, key)
        came = replace(last, open=False) if last else _Try(None, "", "", open=False)
    else:
        found, said = check(values), " × ".join(number(float(value)) for value in values)
        _session.workspace().settle(kind, key, found.right)  # of several answers it counts the first
        came = _Try(found, said, last.first if last else said, open=not found.right)
    _session.set_here(f"convolution.{key}", came)


def _verdict(last: _Try | None, answer: str) -> None:
    """Draw the answer, and what came of the learner's where it was given since the page was opened."""
    if last is None or last.found is None:  # settled in another tab, or only shown
        st.markdown(f"### {answer}")
        return
    computation = last.found.computation.text(_session.language())
    if not last.found.right:
        st.markdown(f"### {answer}")
        st.markdown(
            _(
                "You said {said}. {answer} is right: {computation}.",
                said=last.said,
                answer=answer,
                computation=computation,
            )
        )
        return
    st.markdown(f"### :green[:material/check_circle:] {answer}")
    more = (
        "" if last.said == last.first else " " + _("For the score your first answer counts, {said}.", said=last.first)
    )
    st.markdown(_("Right: {computation}.", computation=computation) + more)


def _turn() -> int:
    """Return the how many-th number is asked for."""
    kept = _session.kept(_TURN, 0)
    return kept if isinstance(kept, int) and kept >= 0 else 0


def _next() -> None:
    _session.keep(_TURN, (_turn() + 1) % 10_000)
