"""What a session knows: the only place that names session keys.

Truth lives under keys of our own, never under a widget's (a widget's value dies when its page is left), and what
should outlive a reload is also kept in the learner's workspace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab import teacher
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.i18n import LANGUAGES, best_language, set_language
from cnnlab.workspace import MAX_PAST, MAX_PAST_CHARS, ImageRef, Workspace, is_id, new_id

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture
    from cnnlab.training.recipe import Recipe

COOKIE = "cnnlab_workspace"
DEFAULT_PRESET = "mnist-sprint"
DEFAULT_MODEL = "bundled:mnist-sprint"
_WORKSPACE = "lab.workspace"
_LANGUAGE = "lab.language"
_ARCHITECTURE = "lab.architecture"
_UNDO = "lab.architecture.undo"
_REDO = "lab.architecture.redo"
_RECIPE = "lab.recipe"
_DATA = "lab.data"
_MODEL = "lab.model"
_IMAGE = "lab.image"
_RUN = "lab.run"
_BRANCH = "lab.branch"
_BRANCH_KEPT = "train.branch"
_UPLOAD = "lab.upload"
_VISITED = "lab.visited"
_WATCHER = "lab.watcher"
_TEACHER = "lab.teacher"
_PAGE = "lab.page"
_HERE = "lab.here"
_WIDGETS = "lab.widgets"
_MAX_UNDO = 100


@dataclass(frozen=True)
class Branch:
    """A run that is to go on from ``step`` of ``run`` with other settings.

    Attributes:
        rewind: whether exactly one setting may differ.
        recipe: what it is to train with; None as long as nothing was changed.
    """

    run: str
    step: int
    rewind: bool = False
    recipe: Recipe | None = None


def enter() -> None:
    """Set the language: the first line of ``app.py`` and of each fragment, whose rerun does not pass through it."""
    set_language(language())


# -------------------------------------------------------------------- who and how
def language() -> str:
    """Return the code of the learner's language: chosen, else the browser's, else English."""
    code = st.session_state.get(_LANGUAGE)
    if code not in LANGUAGES:
        kept = workspace().choices.language
        code = kept if kept in LANGUAGES else best_language([st.context.locale])
        st.session_state[_LANGUAGE] = code
    set_language(code)
    return str(code)


def choose_language(code: str) -> None:
    """Speak ``code`` from now on, after a reload too."""
    if code in LANGUAGES:
        st.session_state[_LANGUAGE] = code
        workspace().choose(language=code)
        set_language(code)


def dark() -> bool:
    """Return whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


def workspace() -> Workspace:
    """Return the learner's workspace: this session's, else the cookie's, else a new one."""
    id = st.session_state.get(_WORKSPACE)
    if not is_id(id):
        cookie = st.context.cookies.get(COOKIE)
        id = cookie if is_id(cookie) else new_id()
        st.session_state[_WORKSPACE] = id
    return Workspace(str(id))


def new_workspace() -> None:
    """Leave this workspace on the disk for its owner and begin an empty one (for shared computers)."""
    code = language()
    for key in [key for key in st.session_state if isinstance(key, str)]:
        del st.session_state[key]
    st.session_state[_WORKSPACE] = new_id()
    choose_language(code)


def open_workspace(space: Workspace) -> None:
    """Go on in ``space``, which a one-time link led to; this browser's own stays on the disk."""
    for key in [key for key in st.session_state if isinstance(key, str)]:
        del st.session_state[key]
    st.session_state[_WORKSPACE] = space.id


def is_teacher() -> bool:
    """Return whether this is the teacher: on the server's own machine, or with the PIN given."""
    context = st.context
    return bool(st.session_state.get(_TEACHER)) or teacher.is_teacher(context.ip_address, None, context.headers.keys())


def unlock_teacher(pin: str) -> bool:
    """Return whether ``pin`` is the teacher's (``CNNLAB_TEACHER_PIN``), and remember it for this session."""
    right = teacher.is_pin(pin)
    if right:
        st.session_state[_TEACHER] = True
    return right


# -------------------------------------------------------------------- what is being made
def architecture() -> Architecture:
    """Return the network being built: the learner's, else the first preset's."""
    from cnnlab.architecture import Architecture

    if _ARCHITECTURE not in st.session_state:
        kept = workspace().choices.architecture
        try:
            value = Architecture.from_json(kept) if kept else _default_architecture()
        except CnnLabError:
            value = _default_architecture()
        st.session_state[_ARCHITECTURE] = value
    return st.session_state[_ARCHITECTURE]


def set_architecture(network: Architecture) -> None:
    """Make ``network`` the one being built; the one before can be brought back with ``undo``.

    An edited preset, or an edited kept network, gets a name of its own (``cnnlab.architecture.naming``).
    """
    before = architecture()
    network = _settled(network)
    if network != before:
        _keep_architecture(network, [*_past(), before], [])


def undo_steps() -> tuple[int, int]:
    """Return how many edits of the network can be undone, and how many redone."""
    return len(_past()), len(st.session_state.get(_REDO, []))


def undo() -> None:
    """Take back the last edit of the network; those of before a reload too."""
    past = _past()
    if past:
        _keep_architecture(_settled(past[-1]), past[:-1], [*st.session_state.get(_REDO, []), architecture()])


def redo() -> None:
    """Make the edit that was taken back last again."""
    future = st.session_state.get(_REDO, [])
    if future:
        _keep_architecture(_settled(future[-1]), [*_past(), architecture()], future[:-1])


def has_network() -> bool:
    """Return whether the learner has changed or chosen a network yet."""
    return workspace().choices.architecture is not None


def _settled(network: Architecture) -> Architecture:
    from cnnlab.architecture.naming import settled

    return settled(network, workspace().network)


def _past() -> list[Architecture]:
    from cnnlab.architecture import Architecture

    if _UNDO not in st.session_state:
        try:
            st.session_state[_UNDO] = [Architecture.from_json(text) for text in workspace().choices.past]
        except CnnLabError:
            st.session_state[_UNDO] = []
    return list(st.session_state[_UNDO])


def _keep_architecture(network: Architecture, past: list[Architecture], future: list[Architecture]) -> None:
    st.session_state[_ARCHITECTURE] = network
    st.session_state[_UNDO] = past[-_MAX_UNDO:]
    st.session_state[_REDO] = future
    texts = [text for text in (one.to_json() for one in past[-MAX_PAST:]) if len(text) <= MAX_PAST_CHARS]
    shown = {"recipe": st.session_state[_RECIPE].model_dump_json()} if _RECIPE in st.session_state else {}
    workspace().choose(architecture=network.to_json(), past=tuple(texts), **shown)


def _default_architecture() -> Architecture:
    from cnnlab.architecture.presets import PRESETS

    preset = PRESETS.get(DEFAULT_PRESET) or next(iter(PRESETS.values()))
    return preset.architecture


def use_preset(name: str) -> None:
    """Take over a preset: its network, its recipe and the data it was made for."""
    from cnnlab.architecture.presets import PRESETS
    from cnnlab.training.recipe import Recipe

    preset = PRESETS[name]
    open_network(preset.architecture)
    set_recipe(Recipe.of(preset.recipe))
    set_data_name(preset.data)


def open_network(network: Architecture) -> None:
    """Build on with another network; the one before is kept among the learner's own."""
    if _settled(network) != architecture():
        _keep_mine()
        set_architecture(network)


def _keep_mine() -> None:
    """Keep the network being built among the learner's own, unless it is a preset's: a choice must not lose work."""
    from cnnlab.architecture.presets import PRESETS

    mine = architecture()
    if mine.layers and all(mine != preset.architecture for preset in PRESETS.values()):
        try:
            workspace().save_network(mine)
        except CnnLabError:
            pass  # the workspace is full: undo still brings it back


def recipe() -> Recipe:
    """Return how the next run will train: the learner's recipe, else the one of the network's preset."""
    from cnnlab.architecture.presets import PRESETS
    from cnnlab.training.recipe import Recipe

    if _RECIPE not in st.session_state:
        kept = workspace().choices.recipe
        try:
            value = Recipe.from_json(kept) if kept else None
        except CnnLabError:
            value = None
        if value is None:
            preset = PRESETS.get(architecture().name)
            value = Recipe.of(preset.recipe if preset else {})
        st.session_state[_RECIPE] = value
    return st.session_state[_RECIPE]


def set_recipe(recipe: Recipe) -> None:
    """Train with ``recipe`` from the next run on."""
    if st.session_state.get(_RECIPE) != recipe:
        st.session_state[_RECIPE] = recipe
        workspace().choose(recipe=recipe.model_dump_json())


def data_name() -> str:
    """Return the name of the data set in use."""
    return str(_get(_DATA, "data", "mnist"))


def set_data_name(name: str) -> None:
    """Use the data set ``name``."""
    _set(_DATA, "data", name)


# -------------------------------------------------------------------- what is being looked at
def model_ref() -> ModelRef:
    """Return which model is looked into; the bundled one until another is chosen."""
    try:
        return ModelRef.parse(str(_get(_MODEL, "model", DEFAULT_MODEL)))
    except CnnLabError:
        return ModelRef.parse(DEFAULT_MODEL)


def set_model_ref(ref: ModelRef | str) -> None:
    """Look into ``ref`` from now on, on every page."""
    _set(_MODEL, "model", str(ref))


def image_ref() -> ImageRef:
    """Return which image is looked at."""
    value = _get(_IMAGE, "image", ImageRef())
    return value if isinstance(value, ImageRef) else ImageRef()


def set_image_ref(ref: ImageRef) -> None:
    """Look at ``ref`` from now on, on every page."""
    _set(_IMAGE, "image", ref)


def upload_id(file_id: str) -> str | None:
    """Return under which id the workspace keeps the uploaded file ``file_id``, or None if it does not yet."""
    value = st.session_state.get(_UPLOAD, {}).get(file_id)
    return str(value) if value else None


def set_upload_id(file_id: str, id: str) -> None:
    """Remember that the workspace keeps the uploaded file ``file_id`` as ``id``."""
    st.session_state[_UPLOAD] = {file_id: id}


def current_run() -> str | None:
    """Return the id of the learner's current run, or None."""
    value = _get(_RUN, "run", None)
    return str(value) if value else None


def set_current_run(id: str | None) -> None:
    """Make ``id`` the run that the sidebar and the Train page show."""
    _set(_RUN, "run", id)


def bin() -> tuple[str, ...]:
    """Return the ids of the runs in the learner's bin, as the disk has them: another tab may have thrown some, too."""
    return workspace().choices.bin


def set_bin(ids: Iterable[str]) -> None:
    """Let these runs lie in the bin, and no others."""
    workspace().choose(bin=tuple(ids))


def branch() -> Branch | None:
    """Return what the learner is about to branch from, or None; what was changed in its recipe dies with a reload."""
    if _BRANCH not in st.session_state:
        place = kept(_BRANCH_KEPT, None)
        st.session_state[_BRANCH] = Branch(str(place[0]), int(place[1]), bool(place[2])) if place else None
    return st.session_state[_BRANCH]


def set_branch(branch: Branch | None) -> None:
    """Let the recipe of the Train page be that of a branch, or of a new run again (None)."""
    st.session_state[_BRANCH] = branch
    keep(_BRANCH_KEPT, None if branch is None else (branch.run, branch.step, branch.rewind))


def kept(key: str, default: Any) -> Any:
    """Return what was chosen under ``key`` on any page, before a reload too; ``default`` where nothing was."""
    choices = _widget_choices()
    return choices.get(key, default)


def keep(key: str, value: Any) -> None:
    """Remember ``value`` (plain, or a few plain ones) as the choice under ``key``: ``kept`` gives it back."""
    value = tuple(value) if isinstance(value, list) else value
    choices = _widget_choices()
    if key not in choices or choices[key] != value:
        choices[key] = value
        workspace().choose_widget(key, value)


def _widget_choices() -> dict[str, Any]:
    if _WIDGETS not in st.session_state:
        st.session_state[_WIDGETS] = dict(workspace().choices.widgets)
    return st.session_state[_WIDGETS]


def seed(key: str, value: Any, labels: Mapping[Any, str] | None = None) -> str:
    """Make ``value`` what the widget ``key`` shows unless the learner moved it since; return ``key``.

    A menu goes on showing the label that it had when an option was chosen. Where ``labels`` change while it is shown
    (option to label), it is told to show the new one.

    A widget forgets its value when its page is left, and ignores a new default once it has a key. So the widget is
    given no default; it is seeded before it is drawn, and again whenever the truth changed elsewhere.
    """
    shadow = f"{key}~"
    truth, shown = st.session_state.get(shadow, (None, None))
    if key not in st.session_state or value not in (truth, shown):  # neither the old truth nor the learner's own move
        st.session_state[key] = value
    if labels is not None:
        now = st.session_state[key] if st.session_state[key] in labels else value
        if (now, labels.get(now)) != st.session_state.get(f"{key}~label"):
            st.session_state[key] = now  # to set it, even to what it is, makes the browser show it anew
        st.session_state[f"{key}~label"] = (now, labels.get(now))
    st.session_state[shadow] = (value, st.session_state[key])
    return key


def unseed(prefix: str) -> None:
    """Let every widget whose key begins with ``prefix`` show the truth again, whatever was typed into it before."""
    for key in [key for key in st.session_state if isinstance(key, str) and key.startswith(prefix)]:
        if key.endswith("~"):
            st.session_state[key] = ((), ())  # no field ever holds this


def here(key: str, default: Any = None) -> Any:
    """Return what ``set_here`` has noted under ``key`` since this page was opened."""
    return st.session_state.get(_HERE, {}).get(key, default)


def set_here(key: str, value: Any) -> None:
    """Note ``value`` under ``key`` until this page is left."""
    st.session_state[_HERE] = {**st.session_state.get(_HERE, {}), key: value}


def visit(page: str) -> None:
    """Note that ``page`` was opened; Home marks the next step by it.

    A page's widgets are new ones to Streamlit even under the key of another page's, and would begin with their first
    option: they are seeded with the truth again.
    """
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        st.session_state[_HERE] = {}
        unseed("")
    if page not in visited():
        _set(_VISITED, "visited", (*visited(), page))


def page() -> str:
    """Return the name of the page that is open; empty where a page runs without its frame."""
    return str(st.session_state.get(_PAGE, ""))


def visited() -> tuple[str, ...]:
    """Return which pages this workspace has opened, in the order it did."""
    return tuple(_get(_VISITED, "visited", ()))


def _get(key: str, choice: str, default: Any) -> Any:
    if key not in st.session_state:
        kept = getattr(workspace().choices, choice)
        st.session_state[key] = default if kept is None else kept
    return st.session_state[key]


def _set(key: str, choice: str, value: Any) -> None:
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
        workspace().choose(**{choice: value})


def interval() -> float:
    """Return after how many seconds a live view of this session should look again; longer in a full class."""
    from cnnlab.runs.audience import AUDIENCE

    if _WATCHER not in st.session_state:
        st.session_state[_WATCHER] = new_id()
    return AUDIENCE.seen(st.session_state[_WATCHER])
