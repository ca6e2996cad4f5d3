"""Descent: the loss over a plane through the space of all weights, the path of the run on it, and marbles that roll."""

from __future__ import annotations

from cnnlab.errors import CnnLabError
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _looks, _marble, _plane, _session, _widgets

KIND = "landscape"


def main() -> None:
    """Draw the Descent page: the landscape of a loss, and marbles on it."""
    from cnnlab.insight.landscape import found_for, points_of, survey

    _widgets.begin_page(
        N_("Descent"),
        N_("See the loss as a landscape around a network, set a marble down on it, and watch how it rolls."),
    )
    ref, model = _widgets.model_line()
    try:
        ref, model = _plane.standing(ref, model)
        ask = _plane.ask(ref, model)
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    known = found_for(model, ask)
    if known is not None:
        _marble.bench(ref, model, known)
    else:
        key = f"{ref} {id(model)} {ask}"

        def begin() -> None:
            _looks.begin(KIND, key, points_of(ask), lambda: survey(model, ask))

        _looks.begin_once(KIND, key, points_of(ask), lambda: survey(model, ask))
        _looks.view(KIND, key, _marble.so_far, _plane.told, begin)
    _widgets.what_is_this(lesson("descent", _session.language()), _("What happens here"))


main()
