"""What was found out about a model, kept for all who look at it; what nobody has asked for longest goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from cnnlab.model import Model

Found = TypeVar("Found")


class Memo(Generic[Found]):
    """Findings by model and key; a model is known as long as one of its findings is kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, Hashable], tuple[Model, Found]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, model: Model, key: Hashable = None) -> Found | None:
        """Return what was found about ``model`` under ``key``, or None."""
        with self._guard:
            kept = self._kept.get((id(model), key))  # the model is kept with it, so its number is no one else's
            if kept is not None:
                self._kept.move_to_end((id(model), key))
        return None if kept is None else kept[1]

    def put(self, model: Model, key: Hashable, found: Found) -> Found:
        """Keep ``found`` unless somebody was faster; return what is kept."""
        with self._guard:
            kept = self._kept.setdefault((id(model), key), (model, found))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return kept[1]
