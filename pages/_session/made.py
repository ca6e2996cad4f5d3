"""What is being made: the network with its past, the recipe, the data, and the branch that is about to begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.workspace import MAX_PAST, MAX_PAST_CHARS
from pages._session import keys
from pages._session.lasting import choose, chosen, keep, kept, leave, pick_up, workspace

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture
    from cnnlab.training.recipe import Recipe

DEFAULT_PRESET = "mnist-sprint"
_MAX_UNDO = 100


def architecture() -> Architecture:
    """Return the network being built: the learner's, else the first preset's."""
    from cnnlab.architecture import Architecture

    if keys.ARCHITECTURE not in st.session_state:
        kept = workspace().choices.architecture
        try:
            value = Architecture.from_json(kept) if kept else _default_architecture()
        except CnnLabError:
            value = _default_architecture()
        st.session_state[keys.ARCHITECTURE] = value
    return st.session_state[keys.ARCHITECTURE]


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
    return len(_past()), len(st.session_state.get(keys.REDO, []))


def undo() -> None:
    """Take back the last edit of the network; those of before a reload too."""
    past = _past()
    if past:
        _keep_architecture(_settled(past[-1]), past[:-1], [*st.session_state.get(keys.REDO, []), architecture()])


def redo() -> None:
    """Make the edit that was taken back last again."""
    future = st.session_state.get(keys.REDO, [])
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

    if keys.UNDO not in st.session_state:
        try:
            st.session_state[keys.UNDO] = [Architecture.from_json(text) for text in workspace().choices.past]
        except CnnLabError:
            st.session_state[keys.UNDO] = []
    return list(st.session_state[keys.UNDO])


def _keep_architecture(network: Architecture, past: list[Architecture], future: list[Architecture]) -> None:
    st.session_state[keys.ARCHITECTURE] = network
    st.session_state[keys.UNDO] = past[-_MAX_UNDO:]
    st.session_state[keys.REDO] = future
    texts = [text for text in (one.to_json() for one in past[-MAX_PAST:]) if len(text) <= MAX_PAST_CHARS]
    shown = {"recipe": st.session_state[keys.RECIPE].model_dump_json()} if keys.RECIPE in st.session_state else {}
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


def open_network(network: Architecture) -> bool:
    """Build on with another network; return whether the one before is kept: among the learner's own, or as a preset.

    Where the workspace or the disk is full it is not; then the frame says so, and ``undo`` still brings it back.
    """
    kept = True
    if _settled(network) != architecture():
        kept = _keep_mine()
        set_architecture(network)
    return kept


def not_kept() -> tuple[str, CnnLabError] | None:
    """Return once which network ``open_network`` could not keep, and why; None where there was none."""
    found: tuple[str, CnnLabError] | None = pick_up(keys.NOT_MINE)
    return found


def _keep_mine() -> bool:
    """Keep the network being built among the learner's own, unless it is a preset's: a choice must not lose work.

    Returns:
        whether nothing is lost; where it could not be kept, ``not_kept`` tells.
    """
    from cnnlab.architecture.presets import PRESETS

    mine = architecture()
    if mine.layers and all(mine != preset.architecture for preset in PRESETS.values()):
        try:
            workspace().save_network(mine)
        except CnnLabError as error:
            leave(keys.NOT_MINE, (mine.name, error))
            return False
    return True


def recipe() -> Recipe:
    """Return how the next run will train: the learner's recipe, else the one of the network's preset."""
    from cnnlab.architecture.presets import PRESETS
    from cnnlab.training.recipe import Recipe

    if keys.RECIPE not in st.session_state:
        kept = workspace().choices.recipe
        try:
            value = Recipe.from_json(kept) if kept else None
        except CnnLabError:
            value = None
        if value is None:
            preset = PRESETS.get(architecture().name)
            value = Recipe.of(preset.recipe if preset else {})
        st.session_state[keys.RECIPE] = value
    return st.session_state[keys.RECIPE]


def set_recipe(recipe: Recipe) -> None:
    """Train with ``recipe`` from the next run on."""
    if st.session_state.get(keys.RECIPE) != recipe:
        st.session_state[keys.RECIPE] = recipe
        workspace().choose(recipe=recipe.model_dump_json())


def data_name() -> str:
    """Return the name of the data set in use."""
    return str(chosen(keys.DATA, "data", "mnist"))


def data_names() -> tuple[str, ...]:
    """Return the data sets that can be loaded and are offered to this learner: not what others have drawn."""
    from cnnlab.data import drawn, loader

    return tuple(name for name in loader.present() if drawn.is_for(name, workspace().owner))


def set_data_name(name: str) -> None:
    """Use the data set ``name``."""
    choose(keys.DATA, "data", name)


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


def branch() -> Branch | None:
    """Return what the learner is about to branch from, or None; what was changed in its recipe dies with a reload."""
    if keys.BRANCH not in st.session_state:
        place = kept(keys.BRANCH_KEPT, None)
        st.session_state[keys.BRANCH] = Branch(str(place[0]), int(place[1]), bool(place[2])) if place else None
    return st.session_state[keys.BRANCH]


def set_branch(branch: Branch | None) -> None:
    """Let the recipe of the Train page be that of a branch, or of a new run again (None)."""
    st.session_state[keys.BRANCH] = branch
    keep(keys.BRANCH_KEPT, None if branch is None else (branch.run, branch.step, branch.rewind))
