"""Home: the whole chain as one picture, from the learner's own state, and the next step."""

from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _chain, _widgets

_widgets.begin_page(
    N_("From pixels to an answer, and back"),
    N_("Assemble a network, watch it learn, draw for it, look inside, and ask it why."),
    N_("Home"),
)

_chain.draw()
_widgets.what_is_this(lesson("home"), _("How to read this"))
_chain.steps()
