"""How many pages are watching, and so how often each may ask: a class of thirty costs as little as one page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SHORTEST_S = 0.5
EACH_S = 0.3
FORGET_S = 15.0


class Audience:
    """Who has asked lately, and the interval that follows from it.

        interval = max(0.5 s, 0.3 s * watchers)

    so that all pages together ask ten times in three seconds at most, however many they are: less than a tenth of a core.

    Args:
        clock: seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def seen(self, watcher: str) -> float:
        """Note that ``watcher`` asked just now; return after how many seconds it should ask again."""
        with self._lock:
            now = self._clock()
            self._seen[watcher] = now
            self._seen = {name: at for name, at in self._seen.items() if now - at < FORGET_S}
            return max(SHORTEST_S, EACH_S * len(self._seen))


AUDIENCE = Audience()
"""The watchers of this process."""
