"""A QR code has its rim, speaks to who cannot see it, and carries the address."""

import segno

from cnnlab.figures.qr import qr_html, qr_text

ADDRESS = "http://192.168.1.5:8501/"


def test_the_picture_says_what_it_is() -> None:
    html = qr_html(ADDRESS, 'a "code"', 200)
    assert 'alt="a &quot;code&quot;"' in html and 'width="200"' in html
    assert "data:image/svg+xml" in html and "<svg" not in html


def test_the_terminal_shows_the_same_modules() -> None:
    lines = qr_text(ADDRESS).splitlines()
    modules = segno.make_qr(ADDRESS, error="m").symbol_size(border=2)[0]
    assert len(lines) == -(-modules // 2)
    assert all(len(line) == modules for line in lines)
