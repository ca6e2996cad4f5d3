"""The one list of pages: what the sidebar shows, what the tests walk through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cnnlab.i18n import N_

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class PageInfo:
    """A page: its address, its title and group (marked ids), its icon, and whether only the teacher sees it."""

    name: str
    title: str
    group: str
    icon: str
    for_teacher: bool = False

    @property
    def path(self) -> str:
        """Return the file, relative to the folder of ``app.py``."""
        return f"pages/{self.name}.py"

    @property
    def exists(self) -> bool:
        """Return whether the page has been written."""
        return (ROOT / self.path).is_file()


PAGES: tuple[PageInfo, ...] = (
    PageInfo("home", N_("Home"), N_("Start"), ":material/home:"),
    PageInfo("data", N_("Data"), N_("Make"), ":material/grid_view:"),
    PageInfo("build", N_("Build"), N_("Make"), ":material/layers:"),
    PageInfo("train", N_("Train"), N_("Make"), ":material/show_chart:"),
    PageInfo("runs", N_("Runs"), N_("Make"), ":material/stacked_line_chart:"),
    PageInfo("search", N_("Network search"), N_("Make"), ":material/travel_explore:"),
    PageInfo("smaller", N_("Smaller"), N_("Make"), ":material/compress:"),
    PageInfo("draw", N_("Draw"), N_("Use"), ":material/gesture:"),
    PageInfo("explore", N_("Explore"), N_("Look inside"), ":material/search:"),
    PageInfo("magnifier", N_("Magnifier"), N_("Look inside"), ":material/zoom_in:"),
    PageInfo("convolution", N_("Convolution"), N_("Look inside"), ":material/apps:"),
    PageInfo("units", N_("Units"), N_("Look inside"), ":material/fingerprint:"),
    PageInfo("surgery", N_("Surgery"), N_("Look inside"), ":material/content_cut:"),
    PageInfo("descent", N_("Descent"), N_("Look inside"), ":material/landscape:"),
    PageInfo("explain", N_("Explain"), N_("Question"), ":material/help_center:"),
    PageInfo("teacher", N_("Your class"), N_("Teach"), ":material/groups:", for_teacher=True),
)


def present() -> tuple[PageInfo, ...]:
    """Return the pages that exist, in the order of the sidebar."""
    return tuple(page for page in PAGES if page.exists)
