"""Numbers as a person reads them: at most four significant digits, k and M for counts, units after a narrow space."""

from __future__ import annotations

_STEPS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def count_text(count: int) -> str:
    """Return a count: whole below 10,000, else four significant digits and k, M, G, T, P or E (``61.71k``)."""
    if count < 10_000:
        return f"{count:,}"
    for size, unit in _STEPS:
        if count >= size * 0.99995:  # 999,960 is 1M, not 1000k
            return f"{_four(count / size)}{unit}"
    return f"{count:,}"


def bytes_text(size_bytes: int) -> str:
    """Return an amount of memory in B, kB, MB, GB and so on (powers of ten), with four significant digits."""
    for size, unit in _STEPS:
        if size_bytes >= size * 0.99995:
            return f"{_four(size_bytes / size)}\u202f{unit}B"
    return f"{size_bytes}\u202fB"


def _four(value: float) -> str:
    digits = 3 if value < 10 else 2 if value < 100 else 1 if value < 1000 else 0
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
