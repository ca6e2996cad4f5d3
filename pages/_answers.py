"""The Explain page's parts: asking with a progress bar and a way out, and the table of answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.figures import heat, theme
from cnnlab.i18n import _
from pages import _session
from pages._said import plain

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from cnnlab.attribution import Attribution, Method
    from cnnlab.insight import Look
    from cnnlab.model import Model, Tensor

PATIENCE_S = 0.3  # nobody needs a bar for less
CANCELLED = "explain.cancelled"

Question = tuple[int, str]


class Asking:
    """A progress bar with a cancel button that appears only when the work takes a while.

    It lies over the line in which it is drawn (``assets/css/lab.css``), so that nothing below has to move.
    """

    def __init__(self, total: int, mark: str) -> None:
        self._holder = st.empty()
        self._bar: DeltaGenerator | None = None
        self._total = total
        self._mark = mark
        self._since = time.monotonic()
        self._done = 0
        self._name = ""

    def begin(self, number: int, name: str) -> None:
        """Say that work ``number`` begins."""
        self._done, self._name = number, name
        self.update(0.0)

    def update(self, share: float) -> None:
        """Show that ``share`` of the present work is done."""
        if time.monotonic() - self._since < PATIENCE_S:
            return
        if self._bar is None:
            with self._holder.container(horizontal=True, vertical_alignment="center", key="explain_asking"):
                self._bar = st.progress(0.0)
                st.button(_("Cancel"), key="explain.cancel", on_click=_cancel, args=(self._mark,))
        self._bar.progress(min(1.0, (self._done + share) / self._total), text=self._name)

    def end(self) -> None:
        """Take the bar away."""
        self._holder.empty()


def _cancel(mark: str) -> None:
    st.session_state[CANCELLED] = mark


def _resume() -> None:
    st.session_state.pop(CANCELLED, None)


def ask(
    model: Model, image: Tensor, questions: list[Question], methods: dict[str, Method]
) -> dict[Question, Attribution]:
    """Return the answers, from memory where they are known; what the learner cancelled is left out."""
    from cnnlab.attribution import answer, fingerprint, known_answer

    known = {one: known_answer(model, image, one[1], one[0]) for one in questions}
    found = {one: made for one, made in known.items() if made is not None}
    missing = [one for one in questions if one not in found]
    mark = repr((fingerprint(model), _session.image_ref(), questions))
    if missing and st.session_state.get(CANCELLED) == mark:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_("Cancelled: {count} maps are missing.", count=len(missing)))
            st.button(_("Go on"), key="explain.resume", on_click=_resume)
        return found
    asking = Asking(len(missing), mark)
    for number, (target, method) in enumerate(missing):
        asking.begin(number, f"{_(methods[method].title)} · {plain(_(model.class_names[target]))}")
        found[target, method] = answer(model, image, method, target, asking.update)
    asking.end()
    return found


def limits(answers: dict[Question, Attribution]) -> dict[str, float]:
    """Return one colour limit for each method, shared by its classes, so that rows can be compared."""
    shared: dict[str, float] = {}
    for (_target, method), one in answers.items():
        shared[method] = max(shared.get(method, 0.0), heat.heat_limit(one.heat.numpy()))
    return shared


def draw_row(
    model: Model, seen: Look, picture: Tensor, target: int, answers: list[Attribution],
    shared: dict[str, float], methods: dict[str, Method], views: tuple[str, ...],
) -> None:  # fmt: skip
    """Draw the answers for one class, the picture in front of them."""
    pixels = picture.numpy()
    name = _(model.class_names[target])
    facts = _(
        "{share:.1%} sure, logit {logit}",
        share=float(seen.probs[target]), logit=theme.number(float(seen.logits[target])),
    )  # fmt: skip
    alt = _("The picture as the network receives it")
    head = heat.class_head_html(name, theme.class_colour(target), facts, pixels, alt)
    cells = [
        heat.cell_html(
            pixels, one.heat.numpy(), title=_(methods[one.method].title),
            alt=_("{method} for class {name}", method=_(methods[one.method].title), name=name),
            signed=methods[one.method].signed, limit=shared[one.method], views=views,
            note=_note(one), dark=_session.dark(),
        )
        for one in answers
    ]  # fmt: skip
    st.html(heat.row_html(head, cells))


def mirror_remark(model: Model) -> None:
    """Say that the picture is looked at as it stands, where the model usually averages with its mirror image."""
    if model.about.mirror:
        said = _(
            "This model usually averages its answer with that for the mirrored picture; here it is asked about the "
            "picture as it stands."
        )
        st.markdown(f":small[{said}]")


def _note(one: Attribution) -> str:
    if one.delta is not None:
        return _("sum {sum} · logits differ by {delta}", sum=theme.number(one.sum), delta=theme.number(one.delta))
    return ""
