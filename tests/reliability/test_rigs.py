"""A check that finds nothing proves nothing: here it is given something to find."""

from dataclasses import dataclass, field

import pytest

from generation.kie.sandbox import RequestSeen
from tests.reliability import checker, report
from tests.reliability.people import Click

PROMPT = "a red kite"


def asked(task_id, at, until=None):
    return RequestSeen("GET", "/recordInfo", at, 200, until or at + 0.1, task_id)


@pytest.mark.parametrize(
    ("moments", "most"),
    [
        ([], 0),
        ([0.0], 1),
        ([0.0, 0.999], 2),
        ([0.0, 1.0], 1),
        ([n / 8 for n in range(30)], 8),
        ([0.0, 0.95, 0.96, 0.97, 1.01], 4),
    ],
)
def test_the_fullest_second_is_found_wherever_it_begins(moments, most):
    assert checker.most_in_a_second(moments) == most


def test_only_questions_about_the_same_task_can_collide():
    alone = [asked("a", 1.0), asked("b", 1.05), asked("a", 1.2)]

    assert checker.asked_twice_at_once(alone) == []
    assert len(checker.asked_twice_at_once([*alone, asked("a", 1.25)])) == 1


@dataclass
class Told:
    """A studio of which only the database is there."""

    media: object
    videos: list
    history: list = field(default_factory=list)

    def rows(self, query):
        return self.videos

    def changes(self):
        return self.history


def row(media, **facts):
    (media / "video.mp4").write_bytes(b"whole")
    done = {"status": "completed", "stage": "settled", "file": "video.mp4", "file_size": 5}
    return {"id": 1, "task_id": "t", "prompt": PROMPT, "error_message": ""} | done | facts


def task(task_id="t", **facts):
    return task_id, {"task_id": task_id, "prompt": PROMPT, "failure": ""} | facts


def change(was, became, stage_was, stage_became):
    return {
        "video": 1,
        "was": was,
        "became": became,
        "stage_was": stage_was,
        "stage_became": stage_became,
    }


WAITING = {"status": "processing", "task_id": "", "file": ""}
CALLED_BACK = RequestSeen("CALL", "", 1.0, 200, 1.1, "t")


@pytest.fixture
def find(tmp_path, monkeypatch):
    """The names of all findings about these rows, tasks, calls and changes."""

    def find(*rows, tasks=None, calls=(), history=(), clicks=()):
        books = checker.Books(dict([task()] if tasks is None else tasks), list(calls))
        monkeypatch.setattr(checker.Books, "of", lambda folder: books)
        studio = Told(tmp_path, list(rows), list(history))
        studio.sandbox_folder = tmp_path
        found = checker.check(studio, clicks=clicks)
        names = set(checker.Findings.__dataclass_fields__) - {"states"}
        return {name for name in names if getattr(found, name)}

    return find


def test_what_is_as_it_should_be_is_not_found(find, tmp_path):
    steps = [("processing", "processing", "submitting", "queued")]
    steps += [("failed", "processing", "settled", "saving")]

    assert find(row(tmp_path), history=[change(*step) for step in steps]) == set()


def test_each_fault_is_found(find, tmp_path):
    fine = row(tmp_path)
    lost = Click(PROMPT, said="started")
    undone = change("completed", "processing", "settled", "saving")
    back = change("processing", "processing", "running", "queued")

    assert find(tasks=[task()]) == {"missing"}
    assert find(fine, tasks=[task(), task("another")]) == {"missing", "twice"}
    assert find(fine, fine | {"id": 2}) == {"rows_twice"}
    assert find(tasks=[], clicks=[lost]) == {"clicks_lost"}
    assert find(fine, history=[undone]) == {"changed"}
    assert find(fine, history=[back]) == {"changed"}
    assert find(fine | {"file": ""}) == {"broken_files"}
    assert find(fine | {"file_size": 6}) == {"broken_files"}
    assert find(fine | {"status": "failed"}) == {"wrongly_failed"}
    assert find(fine | WAITING | {"stage": "running", "task_id": "t"}) == {"stuck"}
    assert find(fine | WAITING | {"stage": "queued"}, tasks=[]) == {"stuck"}


def test_a_lost_answer_explains_a_wait_until_kie_has_called_back(find, tmp_path):
    waiting = row(tmp_path, **WAITING, stage="unconfirmed")

    assert find(waiting) == set()
    assert find(waiting, calls=[CALLED_BACK]) == {"stuck"}


def test_a_report_replaces_its_own_table_and_nothing_else(tmp_path):
    page = tmp_path / "reliability.md"
    page.write_text("# Reliability\n\nWords.\n\n## Figures\n\nMine.\n\n## Rules\n\nTheirs.\n")
    first, second = report.Report("one", "One"), report.Report("two", "Two")
    first.add("lost", 3, "=", 0)
    second.add("seconds", 1.5, "≤", 2, " s")

    for found in (first, second):
        report.write(found, servers="none", page=page)
    first.figures.clear()
    first.add("lost", 0, "=", 0)
    report.write(first, servers="none", page=page)

    text = page.read_text()
    assert text.index("Mine.") < text.index("### One") < text.index("### Two")
    assert text.index("### Two") < text.index("## Rules") < text.index("Theirs.")
    assert "| lost | 0 | = 0 | yes |" in text
    assert "**no**" not in text
    assert "| seconds | 1.50 s | ≤ 2 s | yes |" in text


def test_a_figure_beyond_its_limit_is_a_miss():
    found = report.Report("one", "One")
    found.add("seconds", 2.1, "≤", 2)

    assert not found.is_kept
