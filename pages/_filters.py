"""The Explore page's filters of a layer: as pictures, as a sheet of kernels to point at, as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.figures import filters as filter_pictures
from cnnlab.figures import theme, tiles
from cnnlab.figures.heat import colour_bar_html
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _choices, _session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnnlab.insight import Filters
    from cnnlab.model import Model

_MOST_NUMBERS = 128

_COMPONENT = st.components.v2.component(
    "cnnlab_kernel_sheet",
    html='<div class="kernels-root"></div>',
    css=(ASSETS / "components" / "kernel_sheet.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "kernel_sheet.js").read_text(encoding="utf-8"),
)


def draw_filters(model: Model, layer: str) -> None:
    """Draw all filters of a convolution, or the weights of a dense layer, in the chosen order, with their colour bar."""
    from cnnlab.insight import ORDERS, filters, order

    found = filters(model, layer)
    names = dict(zip(ORDERS, (_("by number"), _("largest norm first"), _("most alike side by side"))))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="explore_filters"):
        by = _choices.segments("explore.filters.order", _("Order"), ORDERS, "number", names.__getitem__, wrap=True)
        places = _part(found, order(found, by))
        if st.button(_("Look at one channel"), icon=":material/fingerprint:", key="explore.unit", type="tertiary"):
            _session.keep("units.layer", layer)
            _session.keep("units.view", "one")
            _session.keep(f"units.unit.{layer}", int(_session.kept(f"explore.unit.{layer}", 0)))
            st.switch_page("pages/units.py")
    weight = found.weight.numpy()
    if not found.is_conv:
        _matrix(model, found, by, places)
    elif weight.shape[1] in (1, 3):
        _tiles(found, places)
    else:
        _sheet(found, places)
    if found.is_conv and weight.shape[1] == 3:  # its colours are those of the picture, not those of a sign
        st.caption(
            _("Grey is a weight of 0 on red, green and blue. A colour that is stronger than that has a positive weight, up to "
              "{limit}; one that is missing has a negative one.", limit=theme.number(theme.signed_limit(weight)))
        )  # fmt: skip
    else:
        limit = filter_pictures.filter_limit(weight)
        bar = colour_bar_html(-limit, limit, "signed", dark=_session.dark())
        st.html(f'<div style="max-width:320px">{bar}</div>')


def _part(found: Filters, places: tuple[int, ...]) -> tuple[int, ...]:
    """Return the filters that are shown of ``places``: all, or the part that is chosen where they are very many."""
    most = filter_pictures.shown_filters(found.weight.numpy()) if found.is_conv else len(places)
    if most >= len(places):
        return places
    starts = range(0, len(places), most)
    names = {
        start: _("{first} to {last} of {all}", first=start + 1, last=min(start + most, len(places)), all=len(places))
        for start in starts
    }
    start = _choices.menu(
        f"explore.filters.part.{found.layer}",
        _("In this order, filters"),
        list(starts),
        0,
        names.__getitem__,
        width=180,
    )
    return places[start : start + most]


def _matrix(model: Model, found: Filters, by: str, places: tuple[int, ...]) -> None:
    from cnnlab.attribution import fingerprint

    weight = found.weight.numpy()[list(places)]
    values = {"layer": found.layer, "shape": "×".join(map(str, weight.shape))}
    st.markdown(_("**Weights of {layer}**, {shape}: a row for each unit, a column for each input", **values))
    picture = _matrix_picture(fingerprint(model), found.layer, by, _session.dark(), weight)
    side = filter_pictures.matrix_side(weight)
    alt = _("The weights of {layer}, {shape}", **values)
    image = tiles.hard_img(picture, alt, width=side * weight.shape[1], style="max-width:none;display:block")
    st.html(f'<div tabindex="0" style="max-height:420px;overflow:auto">{image}</div>')
    if by != "number":
        numbers = ", ".join(map(str, places[:_MOST_NUMBERS])) + (" …" if len(places) > _MOST_NUMBERS else "")
        st.html(f'<p class="lab-facts">{_("From the top: {numbers}", numbers=numbers)}</p>')


@st.cache_data(max_entries=64, show_spinner=False)
def _matrix_picture(model_print: str, layer: str, by: str, dark: bool, _weight: NDArray[Any]) -> bytes:
    """Return the picture of a dense layer's weights in the order ``by``, made once for all who look at this model."""
    return filter_pictures.matrix_png(_weight, dark=dark)


def _tiles(found: Filters, places: tuple[int, ...]) -> None:
    """Draw the filters on one or three channels as pictures."""
    weight = found.weight.numpy()[list(places)]
    values = _caption_values(found)
    if weight.shape[1] == 1:
        st.markdown(_("**Filters of {layer}**: {count} filters of {kernel}", **values))
    else:
        st.markdown(_("**Filters of {layer}**: {count} filters of {kernel}, each on red, green and blue", **values))
    norms = found.weight.flatten(1).norm(dim=1)
    alts = [
        _("Filter {unit} of {layer}, norm {norm}", unit=unit, layer=found.layer, norm=theme.number(float(norms[unit])))
        for unit in places
    ]
    captions = [f"{unit} · {float(norms[unit]):.2f}" for unit in places]
    st.html(tiles.tiles_html(filter_pictures.filter_tiles(weight, dark=_session.dark()), alts, captions, size=64))


def _sheet(found: Filters, places: tuple[int, ...]) -> None:
    """Draw the kernels of filters on many channels as a sheet to point at."""
    said = _(
        "**Filters of {layer}**: a column for each of {count} filters, a row for each of {channels} input channels, "
        "{kernel} each",
        **_caption_values(found),
    )
    st.markdown(said)
    data = filter_pictures.sheet_data(found, places, dark=_session.dark())
    data["text"] = {
        "sheet": _("The kernels of {layer}; point at one, tap it, or press the arrow keys", layer=found.layer),
        "kernel": _(
            "filter {unit} on input channel {channel}; its norm is {norm}",
            unit="{unit}", channel="{channel}", norm="{norm}",
        ),
    }  # fmt: skip
    _COMPONENT(data=data, key=f"explore.kernels.{found.layer}")


def _caption_values(found: Filters) -> dict[str, Any]:
    count, channels, height, width = found.weight.shape
    return {"layer": found.layer, "count": count, "channels": channels, "kernel": f"{height}×{width}"}
