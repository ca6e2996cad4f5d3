"""One channel at a time: what excites it, what it likes best, what it costs to lose it."""

from cnnlab.insight.units.pages import Gallery, UnitPage, gallery, gallery_of, page_of, responses_of, unit_page
from cnnlab.insight.units.preferred import WAYS, Preferred, preferred
from cnnlab.insight.units.responses import Responses, field_box, responses, unit_layers

__all__ = [
    "WAYS",
    "Gallery",
    "Preferred",
    "Responses",
    "UnitPage",
    "field_box",
    "gallery",
    "gallery_of",
    "page_of",
    "preferred",
    "responses",
    "responses_of",
    "unit_layers",
    "unit_page",
]
