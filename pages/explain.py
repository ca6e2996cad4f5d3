"""Explain: which pixels decided for a class, by several methods side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _answers, _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.attribution import Method
    from cnnlab.insight import Look
    from cnnlab.model import Model, Tensor

FIRST = ["saliency", "integrated_gradients", "occlusion", "grad_cam"]


def _choose_classes(model: Model, seen: Look) -> list[int]:
    order = seen.probs.argsort(descending=True).tolist()
    names = {
        k: f"{_(name)} · {share:.0%}" for k, (name, share) in enumerate(zip(model.class_names, seen.probs.tolist()))
    }
    key = f"explain.classes.{len(names)}.{'.'.join(map(str, order[:2]))}"
    chosen = _choices.pills(key, _("Ask about"), list(names), order[:2], names.__getitem__)
    return [k for k in order if k in chosen]


def _choose_methods(methods: dict[str, Method], has_convolution: bool) -> list[str]:
    usable = [id for id, method in methods.items() if has_convolution or not method.needs_convolution]
    first = [id for id in FIRST if id in usable]
    return _choices.pills("explain.methods", _("Methods"), usable, first, lambda id: _(methods[id].title))


def _choose_views() -> tuple[str, ...]:
    labels = {"both": _("both"), "overlay": _("on the picture"), "heat": _("heat map")}
    view = _choices.segments("explain.view", _("Show"), list(labels), "both", labels.__getitem__)
    return ("overlay", "heat") if view == "both" else (view,)


def _small(text: str) -> None:
    st.markdown(f":small[{text.strip()}]")


def _about(methods: dict[str, Method], chosen: list[str]) -> None:
    """A popover with three sentences and the paper for each chosen method."""
    with st.popover(_("What each method measures"), icon=":material/help:", type="tertiary"):
        for id in chosen:
            method = methods[id]
            st.markdown(f"##### {_(method.title)}")
            for sentence in method.sentences(_session.language()):
                st.markdown(sentence)
            st.markdown(f"[{method.source}]({method.url})")


def _remarks(model: Model, methods: dict[str, Method], chosen: list[str]) -> None:
    from cnnlab.attribution import last_convolution

    if any(methods[id].complete for id in chosen):
        _small(lesson("explain_completeness", _session.language()))
    if any(methods[id].needs_convolution for id in chosen):
        _small(_(
            "Grad-CAM looks at **{layer}**, the last convolution: no layer after it still knows where in the picture "
            "something is, and none before it has seen as much of the picture at once.",
            layer=last_convolution(model.architecture),
        ))  # fmt: skip
    _answers.mirror_remark(model)


def main() -> None:
    """Draw the Explain page: the methods side by side, for one image."""
    _widgets.begin_page(N_("Explain"), N_("Choose a class and ask which pixels spoke for it, and which against it."))
    _ref, model = _widgets.model_line()
    image = _widgets.image_line(model)
    if image is not None:
        _explain(model, image)


def _explain(model: Model, image: Tensor) -> None:
    from cnnlab.attribution import METHODS, last_convolution
    from cnnlab.insight import look, padded

    seen = look(model, image)
    has_convolution = last_convolution(model.architecture) is not None
    targets = _choose_classes(model, seen)
    chosen = _choose_methods(METHODS, has_convolution)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        views = _choose_views()
        _widgets.what_is_this(lesson("explain_reading", _session.language()), _("Reading the maps"))
        if chosen:
            _about(METHODS, chosen)
    if not has_convolution:
        st.info(_("This network has no convolution with a map, so Grad-CAM and Guided Grad-CAM have nothing to weigh."))
    if not targets or not chosen:
        st.info(_("Choose at least one class and one method."))
        return
    questions = [(target, method) for target in targets for method in chosen]
    with st.container(horizontal=True, vertical_alignment="center", key="explain_says"):
        st.markdown(_widgets.verdict(model, seen), width="content")
        found = _answers.ask(model, image, questions, METHODS)
    shared = _answers.limits(found)
    picture = padded(model, image)
    for target in targets:
        answers = [found[target, method] for method in chosen if (target, method) in found]
        _answers.draw_row(model, seen, picture, target, answers, shared, METHODS, views)
    _remarks(model, METHODS, chosen)


main()
