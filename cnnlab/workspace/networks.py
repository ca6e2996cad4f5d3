"""The networks that the learner keeps."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.home import write_whole
from cnnlab.workspace.base import Folder, check_room, read_text

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture

MAX_NETWORKS = 100


class Networks(Folder):
    """A workspace's networks."""

    @property
    def networks(self) -> dict[str, Architecture]:
        """Return the kept networks by name, in alphabetical order; files that are none are left out."""
        from cnnlab.architecture import Architecture
        from cnnlab.errors import ArchitectureError

        kept = {}
        for path in sorted((self.folder / "networks").glob("*.json")):
            try:
                architecture = Architecture.from_json(read_text(path))
            except ArchitectureError:
                continue
            kept[architecture.name] = architecture
        return dict(sorted(kept.items()))

    def network(self, name: str) -> Architecture | None:
        """Return the kept network ``name``, or None where there is none, or none that can be read."""
        from cnnlab.architecture import Architecture
        from cnnlab.errors import ArchitectureError

        try:
            return Architecture.from_json(read_text(self._network_path(name)))
        except ArchitectureError:
            return None

    def save_network(self, architecture: Architecture) -> None:
        """Keep ``architecture`` under its name; an older one of that name is replaced.

        Raises:
            BudgetError: the workspace holds as many networks as it may.
        """
        path = self._network_path(architecture.name)
        if not path.exists():
            check_room(self.folder / "networks", "*.json", MAX_NETWORKS)
        write_whole(path, architecture.to_json().encode())

    def delete_network(self, name: str) -> None:
        """Forget the network ``name``; nothing happens when there is none."""
        self._network_path(name).unlink(missing_ok=True)

    def _network_path(self, name: str) -> Path:
        return self.folder / "networks" / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"
