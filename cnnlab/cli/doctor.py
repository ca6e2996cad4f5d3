"""``doctor``: one screen to read before class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cnnlab.cli import emit, json_option, table

if TYPE_CHECKING:
    from cnnlab.doctor import Report


def register(group: click.Group) -> None:
    """Add ``doctor`` to ``group``."""
    group.add_command(doctor)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="The lab's port.")
@click.option("--qr", is_flag=True, help="Show the address that learners open as a QR code, too.")
@json_option
def doctor(port: int, qr: bool, as_json: bool) -> None:
    """Say whether this machine is ready for a class."""
    from cnnlab.doctor import examine  # only now: other commands start without it

    report = examine(port)
    emit(report.as_dict(), as_json, lambda: _screen(report))
    if qr and not as_json and report.lan_address:
        from cnnlab.figures.qr import qr_text

        click.echo(f"\n{qr_text(_learners_open(report))}")


def _learners_open(report: Report) -> str:
    return f"http://{report.lan_address}:{report.port['number']}"


def _screen(report: Report) -> str:
    port, access = report.port["number"], report.write_access
    present = [name for name, origin in report.data_sets.items() if origin != "absent"]
    absent = [name for name, origin in report.data_sets.items() if origin == "absent"]
    packages = [f"{name} {version or 'MISSING'}" for name, version in report.versions.items()]
    rows = [
        ("versions", ", ".join(packages[:5])),
        ("", ", ".join(packages[5:10])),
        ("", ", ".join(packages[10:])),
        ("cores", report.cores),
        ("data sets", ", ".join(present) or "none"),
        ("  to fetch", ", ".join(absent) or "nothing"),
        ("models", ", ".join(report.models) or "none"),
        ("port", f"{port}, {'free' if report.port['free'] else 'taken'}"),
        (
            "learners open",
            _learners_open(report) if report.lan_address else "no network: this machine only",
        ),
        (
            "writes to",
            f"{access['home']} ({'yes' if access['writable'] else 'NO'}, {access['free_bytes'] / 1e9:.0f} GB free)",
        ),
        ("languages", ", ".join(f"{name} ({code})" for code, name in report.languages.items())),
        (
            "teacher's PIN",
            "set" if report.teacher_pin else "not set: only this machine may import and delete data",
        ),
    ]
    verdict = [
        "Ready." if report.ok else "To mend before class:",
        *(f"  - {problem}" for problem in report.problems),
    ]
    return "\n".join([table(rows, ("CNN Lab", "")), "", *verdict])
