"""The models that the learner has changed, made smaller or brought along, and kept."""

from __future__ import annotations

from pathlib import Path

from cnnlab.home import write_whole
from cnnlab.workspace.base import FILE_ID, Folder, check_room, file_id

MAX_MODELS = 20


class Models(Folder):
    """A workspace's models."""

    def models(self) -> dict[str, str]:
        """Return the names of the kept models by their sources (``file:PATH``), oldest first; never two alike.

        Those in int8 are not among them: see ``int8_models``.
        """
        return {source: name for source, (name, int8) in self._kept().items() if not int8}

    def int8_models(self) -> dict[str, str]:
        """Return the same of the models in int8, which can answer and nothing else."""
        return {source: name for source, (name, int8) in self._kept().items() if int8}

    def _kept(self) -> dict[str, tuple[str, bool]]:
        from cnnlab.description import read_answering
        from cnnlab.errors import ModelError

        found, names = dict[str, tuple[str, bool]](), set[str]()
        for path in sorted((self.folder / "models").glob("*.safetensors")):
            try:
                described, int8 = read_answering(path)
            except ModelError:
                continue
            name = shown = described.about.name
            count = 1
            while shown in names:
                count += 1
                shown = f"{name} ({count})"
            names.add(shown)
            found[f"file:{path}"] = (shown, int8)
        return found

    def save_model(self, file: bytes) -> str:
        """Keep the model whose file is ``file`` and return its source (``file:PATH``), which every page can look into.

        Raises:
            BudgetError: the workspace holds as many models as it may.
        """
        check_room(self.folder / "models", "*.safetensors", MAX_MODELS)
        path = self.folder / "models" / f"{file_id()}.safetensors"
        write_whole(path, file)
        return f"file:{path}"

    def has_model(self, source: str) -> bool:
        """Return whether ``source`` is a model of this workspace, and no other file of the machine."""
        kind, _colon, value = source.partition(":")
        path = Path(value)
        named = path.suffix == ".safetensors" and FILE_ID.fullmatch(path.stem) is not None
        return kind == "file" and path.parent == self.folder / "models" and named and path.is_file()

    def delete_model(self, source: str) -> None:
        """Forget the model ``source``; nothing happens where it is none of this workspace."""
        if self.has_model(source):
            Path(source.partition(":")[2]).unlink(missing_ok=True)
