"""A field for source that was found printed somewhere: it is read, its network opens, and what was found is said by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.figures.network import shape_text
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from cnnlab.source_in import Finding, Imported, read_source
from pages import _build_state as state
from pages import _choices, _session, _widgets

_SOURCE = "build.paste.source"
_NETWORK = "build.paste.network"
_SIZE = {"channels": ("build.paste.channels", 3, 64), "height": ("build.paste.height", 32, 1024),
         "width": ("build.paste.width", 32, 1024)}  # fmt: skip
_FOUND = "build.paste.found"
_SHOWN = 30
_NOTHING: tuple[Imported | None, str, bool] = (None, "", False)


def paste(opened: Callable[[Architecture], None] = state.open_network) -> None:
    """Draw a text area, what has to be asked, the button, and what the last reading found.

    Args:
        opened: what is done with the network that was read.
    """
    with st.container(key="build_paste"):
        st.html(ASSETS / "css" / "build_paste.css")
        st.text_area(_("PyTorch or Keras source"), key=_SOURCE, height=300, placeholder=_PLACEHOLDER)
    found, source, sized = _session.here(_FOUND, _NOTHING)
    with st.container(key="build_paste_bar", horizontal=True, vertical_alignment="bottom", gap="small"):
        if found is not None:
            _ask(found, sized)
        st.button(
            _("Import"), icon=":material/code:", type="primary", key="build.paste.import", on_click=_read, args=(opened,)
        )  # fmt: skip
    st.caption(_("The source is read, never run."))
    if found is not None:
        _tell(found, source.splitlines())


_PLACEHOLDER = "class Net(nn.Module):\n    ..."


def _ask(found: Imported, sized: bool) -> None:
    """Draw what the source leaves open: which of its networks is meant, how large its pictures are."""
    if found.choices:
        _choices.seeded(st.selectbox, _("Network"), found.choices, key=_NETWORK, now=found.choices[0], width=220)
    if sized:
        labels = {"channels": _("Channels"), "height": _("Height"), "width": _("Width")}
        for name, (key, value, most) in _SIZE.items():
            start = found.channels if name == "channels" and found.channels else value
            _choices.seeded(st.number_input, labels[name], 1, most, key=key, now=start, width=120)


def _read(opened: Callable[[Architecture], None]) -> None:
    """Read what stands in the field, with what was asked, and open its network."""
    source = str(st.session_state.get(_SOURCE) or "")
    before, earlier, sized = _session.here(_FOUND, _NOTHING)
    shape = network = None
    if before is not None and source == earlier:  # what was asked was asked of this source
        channels, height, width = (int(st.session_state.get(key, value)) for key, value, _most in _SIZE.values())
        shape = (channels, height, width) if sized else None
        network = st.session_state.get(_NETWORK) if before.choices else None
    found = read_source(source, shape, network)
    _session.set_here(_FOUND, (found, source, shape is not None or found.asks_size))
    if found.architecture is not None:
        opened(found.architecture)


def _tell(found: Imported, lines: Sequence[str]) -> None:
    """Say what was read and what was not, each with its line."""
    network = found.architecture
    if network is not None and network.trace().error:
        st.warning(_("{name} is open, as it is written; it cannot run yet.", name=_widgets.plain(network.name)),
                   icon=":material/build:")  # fmt: skip
    elif network is not None:
        st.success(
            _("{name} is open: {shape} in, {count:,} parameters.", name=_widgets.plain(network.name),
              shape=shape_text(network.input_shape), count=found.num_params or 0),
            icon=":material/check:",
        )  # fmt: skip
    if found.asks_size and len(found.problems) == 1:
        st.info(_list(found.problems, lines), icon=":material/photo_size_select_large:")
    elif found.problems:
        st.error(_list(found.problems, lines), icon=":material/error:")
    if found.notes:
        st.info(_list(found.notes, lines), icon=":material/info:")
    if found.ignored:
        with st.expander(_("Left out: {count} lines that do not define the network", count=len(found.ignored))):
            st.markdown(_list(found.ignored, ()))


def _list(findings: Sequence[Finding], lines: Sequence[str]) -> str:
    """Return findings as a list, each with its line's number and, where ``lines`` are given, its code."""
    rows = []
    for one in findings[:_SHOWN]:
        code = lines[one.line - 1].strip()[:90] if 0 < one.line <= len(lines) else ""
        shown = f" `` {code} ``" if code.replace("`", "") else ""
        text = _widgets.plain(one.text.text(_session.language()))
        rows.append(f"- **{_('Line {line}', line=one.line)}**{shown if '``' not in code else ''}  \n  {text}")
    if len(findings) > _SHOWN:
        rows.append("- " + _("and {count} more", count=len(findings) - _SHOWN))
    return "\n".join(rows)
