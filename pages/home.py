"""Home: the whole chain as one picture."""

from cnnlab.i18n import _
from pages import _session, _widgets

_session.start()
_widgets.page_head(_("Home"), _("Assemble a network, watch it learn, draw a digit, look inside, ask why."))
