"""Figures against what was promised: on the screen, and between markers of docs/reliability.md."""

import os
import platform
import re
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "reliability.md"
HEADING = "## Figures"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and what was promised about it. No limit: it is only told."""

    what: str
    value: float
    sign: str = ""
    limit: float = 0.0
    unit: str = ""

    @property
    def is_kept(self):
        if not self.sign:
            return True
        holds = {"≤": self.value <= self.limit, "≥": self.value >= self.limit}
        return (holds | {"=": self.value == self.limit})[self.sign]

    @property
    def row(self):
        promised = f"{self.sign} {self.limit:g}{self.unit}" if self.sign else ""
        verdict = ("yes" if self.is_kept else "**no**") if self.sign else ""
        return f"| {self.what} | {number(self.value)}{self.unit} | {promised} | {verdict} |"


@dataclass(slots=True)
class Report:
    """What one section found: its figures, and remarks for whoever looks into a miss."""

    name: str
    title: str
    figures: list = field(default_factory=list)
    remarks: list = field(default_factory=list)

    def add(self, what, value, sign="", limit=0.0, unit=""):
        self.figures.append(Figure(what, value, sign, limit, unit))

    @property
    def is_kept(self):
        return all(figure.is_kept for figure in self.figures)

    @property
    def table(self):
        head = ["| what | measured | promised | kept |", "| --- | --- | --- | --- |"]
        return "\n".join([*head, *(figure.row for figure in self.figures)])

    def __str__(self):
        remarks = "".join(f"\n  {remark}" for remark in self.remarks)
        return f"\n{self.title}\n\n{self.table}\n{remarks}"


def number(value):
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def share(values, percent):
    """The value that so many percent of these do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def median(values):
    return statistics.median(values) if values else 0.0


def machine(servers):
    """The class of this machine, and nothing that tells which one it is."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3
    python = platform.python_version()
    system = f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, Python {python}"
    return f"{system}, {servers}"


def write(report, *, servers, page=PAGE):
    """Put this report in its place on the page; everything else there stays as it is."""
    today = datetime.now(UTC).strftime("%d %B %Y").lstrip("0")
    begin, end = f"<!-- {report.name}: begin -->", f"<!-- {report.name}: end -->"
    measured = f"{today}; {machine(servers)}."
    block = f"{begin}\n### {report.title}\n\n{report.table}\n\nMeasured on {measured}\n{end}"
    text = page.read_text() if page.exists() else "# Reliability\n"
    if begin in text:
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, text, flags=re.S)
    else:
        if HEADING not in text:
            text = f"{text.rstrip()}\n\n{HEADING}\n"
        before, heading, after = text.partition(HEADING)
        # Behind our last block, before a heading that somebody else has put after ours.
        ours, mark, theirs = after.partition("\n## ")
        text = f"{before}{heading}{ours.rstrip()}\n\n{block}\n{mark}{theirs}"
    page.write_text(text)
