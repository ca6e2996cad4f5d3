"""What a session knows, behind one door: who is here, what is made, what is looked at, what controls show.

Truth lives under keys of our own (``keys``), never under a widget's (a widget's value dies when its page is left), and
what should outlive a reload is also kept in the learner's workspace.

    function                                   what it keeps lives
    seed, settle, unseed                       until the page is left: Streamlit forgets a control that is not drawn
    leave, pick_up, say                        until it is picked up, by the next draw as a rule
    here, set_here                             until the page is left
    redo, upload_id, unlock_teacher            as long as the session: until the browser's page is loaded anew
    keep, kept, take                           in the workspace: the choice of a single control, under the control's key
    set_*, choose_language, use_preset, undo   in the workspace: what is chosen for the whole lab, and the networks before

What a page alone needs for as long as the session lives (which of two buttons was pressed, a link that was made) it has
in ``st.session_state`` under a key that begins with the page's name; only ``new_workspace`` and ``open_workspace`` forget
that. The keys in ``keys`` are touched by this package alone, and by tests.
"""

from pages._session import keys
from pages._session.controls import seed, settle, take, unseed
from pages._session.lasting import COOKIE, here, keep, kept, leave, pick_up, set_here, workspace
from pages._session.looked import (
    DEFAULT_MODEL,
    bin,
    current_run,
    image_ref,
    model_ref,
    operations,
    page,
    set_bin,
    set_current_run,
    set_image_ref,
    set_model_ref,
    set_operations,
    set_upload_id,
    upload_id,
    visit,
    visited,
    visited_whole,
)
from pages._session.made import (
    DEFAULT_PRESET,
    Branch,
    architecture,
    branch,
    data_name,
    data_names,
    has_network,
    not_kept,
    open_network,
    recipe,
    redo,
    set_architecture,
    set_branch,
    set_data_name,
    set_recipe,
    undo,
    undo_steps,
    use_preset,
)
from pages._session.who import (
    choose_language,
    dark,
    enter,
    interval,
    is_teacher,
    language,
    new_workspace,
    open_workspace,
    say,
    unlock_teacher,
)

__all__ = [
    "Branch",
    "COOKIE",
    "DEFAULT_MODEL",
    "DEFAULT_PRESET",
    "architecture",
    "bin",
    "branch",
    "choose_language",
    "current_run",
    "dark",
    "data_name",
    "data_names",
    "enter",
    "has_network",
    "here",
    "image_ref",
    "interval",
    "is_teacher",
    "keep",
    "kept",
    "keys",
    "language",
    "leave",
    "model_ref",
    "new_workspace",
    "not_kept",
    "open_network",
    "open_workspace",
    "operations",
    "page",
    "pick_up",
    "recipe",
    "redo",
    "say",
    "seed",
    "set_architecture",
    "set_bin",
    "set_branch",
    "set_current_run",
    "set_data_name",
    "set_here",
    "set_image_ref",
    "set_model_ref",
    "set_operations",
    "set_recipe",
    "set_upload_id",
    "settle",
    "take",
    "undo",
    "undo_steps",
    "unlock_teacher",
    "unseed",
    "upload_id",
    "use_preset",
    "visit",
    "visited",
    "visited_whole",
    "workspace",
]
