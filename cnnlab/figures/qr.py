"""QR codes: an address that a phone's camera opens."""

from __future__ import annotations

from html import escape

import segno


def qr_html(address: str, alt: str, px: int = 240) -> str:
    """Return ``address`` as an HTML picture, ``px`` wide or as wide as there is room: black on white in both themes, with the quiet rim it needs.

    Source:
        ISO/IEC 18004; error correction M (15 %), rim of 4 modules.
    """
    picture = segno.make_qr(address, error="m").svg_data_uri(border=4, dark="#000", light="#fff", omitsize=True)
    size = f'width="{px}" height="{px}" style="max-width:100%;height:auto"'
    return f'<img class="lab-qr" src="{picture}" alt="{escape(alt)}" {size}>'


def qr_text(address: str) -> str:
    """Return ``address`` as lines of block characters for a terminal, light on its dark ground."""
    import io

    out = io.StringIO()
    segno.make_qr(address, error="m").terminal(out, border=2, compact=True)
    return out.getvalue().rstrip("\n")
