"""Pasted PyTorch or Keras source as an architecture: parsed, never executed."""

from cnnlab.source_in.findings import Finding, Imported
from cnnlab.source_in.reading import read_source

__all__ = ["Finding", "Imported", "read_source"]
