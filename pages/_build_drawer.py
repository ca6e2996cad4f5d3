"""What stands below on the Build page: presets as cards, the table of all layers, source, files and link."""

from __future__ import annotations

import streamlit as st

from cnnlab.architecture import Architecture, Row
from cnnlab.architecture.presets import PRESETS, Preset
from cnnlab.architecture.source import to_pytorch
from cnnlab.errors import CnnLabError
from cnnlab.figures.network import detail, shape_text, thumbnail
from cnnlab.figures.numbers import count_text
from cnnlab.i18n import _
from cnnlab.lessons import lesson
from pages import _build_paste, _export, _session, _widgets
from pages import _build_state as state

_TAB = "build.tab"


def drawer(architecture: Architecture) -> None:
    """Draw the tabs; only the one that is open is filled, so that an edit stays quick in a deep network too."""
    tabs = {"presets": (_("Presets"), _presets), "table": (_("Table"), _table),
            "source": ("PyTorch", _source), "paste": (_("From code"), _from_code),
            "export": (_("Export"), _other_forms), "keep": (_("Save, open, share"), _keep)}  # fmt: skip
    kept = _session.kept(_TAB, "presets")
    label = tabs[kept if kept in tabs else "presets"][0]
    key = _session.seed(f"{_TAB}.{_session.language()}", label)
    labels = [label for label, _fill in tabs.values()]
    places = st.tabs(labels, default=st.session_state[key], key=key, on_change="rerun")
    for place, (name, (_label, fill)) in zip(places, tabs.items()):
        if place.open:
            _session.keep(_TAB, name)
            with place:
                fill(architecture)


def story(architecture: Architecture) -> None:
    """Tell where the network comes from, what its source said and what is true, if it is a preset's."""
    preset = PRESETS.get(architecture.name)
    if preset is None:
        return
    with st.expander(
        _("What its source says, and what is true: {title}", title=_(preset.title)), icon=":material/fact_check:"
    ):
        if preset.card:
            st.markdown(lesson(preset.card))
        for paragraph in preset.note:
            st.markdown(_(paragraph))
        st.caption(_(preset.source))


def _presets(architecture: Architecture) -> None:
    families = {
        "build_cards": (_("From the articles, and the lab's own"), lambda preset: not preset.card),
        "build_cards_small": (_("Classics, small enough for class"), lambda p: p.card and not p.full_size),
        "build_cards_full": (_("Classics as they were published: to read, to cost, to run with their weights"),
                             lambda preset: preset.full_size),
    }  # fmt: skip
    st.button(
        _("Begin with an empty network"), icon=":material/add_box:", key="build.empty", disabled=not architecture.layers,
        on_click=state.begin_empty,
        help=_("For the same images, without a layer yet, and with a plain recipe. Undo brings your network back."),
    )  # fmt: skip
    for key, (heading, belongs) in families.items():
        _heading(heading)
        with st.container(key=key):
            for preset in filter(belongs, PRESETS.values()):
                with st.container(border=True, gap="xsmall", key=f"build_card_{preset.name}"):
                    _card(preset, architecture)


def _card(preset: Preset, architecture: Architecture) -> None:
    st.image(thumbnail(preset.architecture, _session.dark()), width="stretch")
    st.markdown(f"**{_(preset.title)}**" + (f" :gray[{preset.year}]" if preset.year else ""))
    st.markdown(_(preset.sentence))
    facts = _("{shape} in, {count} parameters", shape=shape_text(preset.architecture.input_shape),
              count=count_text(preset.architecture.trace().num_params))  # fmt: skip
    st.caption(f":red-badge[:material/error: {_('cannot run yet')}]" if preset.error else facts)
    named = (
        f"{_('Open')} :gray[{_(preset.title)}]"  # which one, for those who hear the page; build.css leaves it unseen
    )
    st.button(
        named, key=f"build.preset.{preset.name}", disabled=preset.architecture == architecture, width="stretch",
        on_click=state.use_preset, args=(preset.name,),
        help=_("Brings its recipe and data set too. Undo brings your network back."),
    )  # fmt: skip


def _table(architecture: Architecture) -> None:
    rows = [_row(row) for row in architecture.trace().rows]
    if not rows:
        st.caption(_("No layer yet."))
        return
    trace = architecture.trace()
    total = dict.fromkeys(rows[0], "")
    least = "≥ " if trace.error else ""
    total |= {
        _("Layer"): f"**{_('Total')}**",
        _("Parameters"): f"**{least}{trace.num_params:,}**" if trace.num_params or not least else "?",
        _("Multiply-adds"): f"**{least}{trace.macs:,}**" if trace.macs or not least else "?",
    }
    with st.container(key="build_table"):
        st.table([*rows, total], hide_index=True)
    _widgets.what_is_this(lesson("build_table"), _("How to read this table"))


def _row(row: Row) -> dict[str, str]:
    field = row.receptive_field
    seen = ""
    if field:
        seen = "×".join(map(str, field.size))
        if field.stride and max(field.stride) > 1:
            seen = _("{size}, every {stride} px", size=seen, stride=field.stride[0])
    cells = {
        _("Layer"): row.name,
        _("Kind"): f"{row.layer.kind} {detail(row.layer)}".strip(),
        _("Output"): shape_text(row.output_shape) or ("✕" if row.error else "?"),
        _("Parameters"): f"{row.num_params:,}" if row.num_params else "",
        _("Multiply-adds"): f"{row.macs:,}" if row.macs else "",
        _("Receptive field"): seen,
    }
    return {head: f":red[{cell}]" if cell and row.error else cell for head, cell in cells.items()}


def _source(architecture: Architecture) -> None:
    try:
        text = to_pytorch(architecture)
    except CnnLabError as error:
        st.caption(_("There is no source until every layer fits."))
        _widgets.show_error(error)
        return
    st.code(text, language="python")
    st.download_button(
        _("Download"), text, f"{_file_name(architecture)}.py", "text/x-python", icon=":material/download:",
        key="build.download.py", on_click="ignore",
    )  # fmt: skip


def _from_code(architecture: Architecture) -> None:
    _build_paste.paste()


def _other_forms(architecture: Architecture) -> None:
    _export.export_choices(key="build.export")


def _keep(architecture: Architecture) -> None:
    link, files, mine = st.columns(3, gap="large")
    with link:
        _share()
    with files:
        _heading(_("As a file"))
        st.download_button(
            _("Save as JSON"), _export.network_document(), f"{_file_name(architecture)}.json", "application/json",
            icon=":material/download:", key="build.download.json", on_click="ignore", width="stretch",
        )  # fmt: skip
        _said()
        st.file_uploader(
            _("Open a JSON file"), type=["json"], key="build.upload", max_upload_size=1,
            on_change=state.open_document, args=("build.upload",),
        )  # fmt: skip
    with mine:
        _mine(architecture)


def _said() -> None:
    said = state.notice(state.DRAWER)
    if isinstance(said, CnnLabError):
        _widgets.show_error(said)


def _heading(text: str) -> None:
    st.markdown(f"**{text}**")


def _share() -> None:
    _heading(_("As a link"))
    st.markdown(_("The link holds the network, its recipe and the name of its data; no account, no server keeps it."))
    if st.button(_("Share"), icon=":material/link:", key="build.share", width="stretch"):
        _export.network_link("build.link")


def _mine(architecture: Architecture) -> None:
    _heading(_("In my workspace"))
    workspace = _session.workspace()
    st.button(
        _("Keep {name}", name=_widgets.plain(architecture.name) or _("this network")), icon=":material/bookmark_add:", width="stretch",
        key="build.keep", on_click=_keep_mine,
    )  # fmt: skip
    for number, (name, network) in enumerate(workspace.networks.items()):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.button(
                _widgets.plain(name) or _("without a name"), key=f"build.mine.{number}", width="stretch", on_click=state.open_network,
                args=(network,),
            )  # fmt: skip
            st.button(
                ":material/delete:", key=f"build.forget.{number}", help=_("Forget {name}", name=_widgets.plain(name)),
                on_click=workspace.delete_network, args=(name,),
            )  # fmt: skip


def _keep_mine() -> None:
    try:
        _session.workspace().save_network(_session.architecture())
    except CnnLabError as error:
        state.say(error, state.DRAWER)


def _file_name(architecture: Architecture) -> str:
    kept = "".join(mark if mark.isalnum() or mark in "-_" else "-" for mark in architecture.name)
    return kept.strip("-") or "network"
