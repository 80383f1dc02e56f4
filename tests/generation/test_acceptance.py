"""KIE.AI has accepted and the database is away: the id of what was paid for is not lost."""

import pytest
from django.db import OperationalError

from gallery.models import Stage, Video
from generation import acceptance
from generation.acceptance import keep_acceptance, write_down_kept_acceptances


@pytest.fixture
def video(transactional_db, make_video, settings, tmp_path, monkeypatch):
    """A video on its way to KIE.AI, and a database that will not take its task's id."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(acceptance, "PAUSES_SECONDS", (0.0, 0.0))
    return make_video(stage=Stage.SUBMITTING, task_id="", accepted_at=None)


@pytest.fixture
def database(monkeypatch):
    """`away()` and `back()`, as far as a video's acceptance is concerned."""

    class Database:
        usual = Video.mark_accepted

        def away(self, *, times=1000):
            left = iter(range(times))

            def mark_accepted(video, **facts):
                if next(left, None) is not None:
                    raise OperationalError("the server closed the connection unexpectedly")
                return Database.usual(video, **facts)

            monkeypatch.setattr(Video, "mark_accepted", mark_accepted)

        def back(self):
            monkeypatch.setattr(Video, "mark_accepted", Database.usual)

    return Database()


def test_a_short_absence_is_waited_out(video, database):
    database.away(times=1)

    keep_acceptance(video, task_id="task-paid")

    video.refresh_from_db()
    assert (video.stage, video.task_id) == (Stage.RUNNING, "task-paid")


def test_a_longer_absence_is_bridged_on_disk(video, database):
    database.away()
    keep_acceptance(video, task_id="task-paid")
    database.back()

    found = write_down_kept_acceptances()

    video.refresh_from_db()
    assert (found, video.stage, video.task_id) == (1, Stage.RUNNING, "task-paid")
    assert write_down_kept_acceptances() == 0


def test_what_was_taken_for_lost_meanwhile_is_accepted_after_all(video, database):
    database.away()
    keep_acceptance(video, task_id="task-paid")
    database.back()
    Video.objects.filter(pk=video.pk).update(stage=Stage.UNCONFIRMED)

    write_down_kept_acceptances()

    video.refresh_from_db()
    assert (video.stage, video.task_id) == (Stage.RUNNING, "task-paid")


def test_a_database_that_is_still_away_keeps_the_note(video, database):
    database.away()
    keep_acceptance(video, task_id="task-paid")
    with pytest.raises(OperationalError):
        write_down_kept_acceptances()
    database.back()

    assert write_down_kept_acceptances() == 1
