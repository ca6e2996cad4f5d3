"""Out of the lab: a network or a model as something that other programs open."""

from cnnlab.export.choices import EXPORTS, Export, Exported
from cnnlab.export.subject import Subject, of_model, of_network

__all__ = ["EXPORTS", "Export", "Exported", "Subject", "of_model", "of_network"]
