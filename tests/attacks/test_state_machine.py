"""A video's life under every disturbance we could name, with its promises checked at each step.

Hypothesis draws schedules of clicks, passes, callbacks, deletions, deaths and lost answers; the
real services work on a real database; KIE.AI is simulated and keeps books of its own. Each schedule
ends with everything healthy again, and then everything has to come to rest.

STUDIO_MACHINE chooses how long: "usual" (the suite), "hunt" (as long, and stops at the first
finding without making it small), "long" (500 schedules of 40 steps).
"""

import json
import logging
import os
import re
import shutil
import sys
from collections import deque
from contextlib import ExitStack
from datetime import timedelta
from queue import Empty
from types import SimpleNamespace
from typing import ClassVar
from uuid import uuid4

import pytest
import responses
from django.conf import settings as studio
from django.contrib import admin
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gallery.models import Stage, Video
from generation import archive, asking, polling, recording, submission, sweeping, tasks
from generation.callbacks import token_of
from generation.catalogue import PROVIDERS
from generation.kie.budget import creations
from generation.kie.client import KieClient
from generation.kie.errors import KieRefused
from generation.request import GenerationRequest
from tests.attacks.checker import Checker, place_of
from tests.attacks.nemesis import Clock, Death, Died
from tests.attacks.simulated_kie import RESULTS, Click, Creation, Fetching, Reading, SimulatedKie
from tests.conftest import make_clip
from videostudio.models import User

ONCE = [Phase.explicit, Phase.generate]
PROFILES = {
    "usual": settings(max_examples=20, stateful_step_count=25),
    "hunt": settings(
        max_examples=int(os.environ.get("N", 60)), stateful_step_count=25, phases=ONCE
    ),
    "long": settings(max_examples=500, stateful_step_count=40, derandomize=False),
}
PROFILE = settings(
    PROFILES[os.environ.get("STUDIO_MACHINE", "usual")],
    # The same schedules each time: a red suite is red for whoever looks at it next.
    derandomize=os.environ.get("STUDIO_MACHINE") != "long",
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)

# --- What may go wrong where: a rule draws only deaths that lie in its own code ---------------

BEFORE_THE_CALL = ["before claim_sending", "after claim_sending", "while sending"]
AFTERWARDS = {
    Creation.ACCEPTED: ["after acceptance", "before mark_accepted", "after mark_accepted"],
    Creation.LOST: ["before mark_unconfirmed", "after mark_unconfirmed"],
    Creation.GARBLED: ["before mark_unconfirmed"],
    Creation.NEVER_CAME: ["before mark_unconfirmed"],
    Creation.BROKEN: ["after mark_unconfirmed"],
    Creation.UNREACHABLE: ["before send_again_at", "after send_again_at"],
    Creation.BUSY: ["after send_again_at"],
    Creation.REFUSED: ["before delete", "before mark_failed"],
    Creation.SURPRISE: [],
}
SENDING = [
    *((answer, None) for answer in Creation),
    *((answer, death) for answer, deaths in AFTERWARDS.items() for death in deaths),
    *((Creation.ACCEPTED, death) for death in BEFORE_THE_CALL),
]
CLICKING = [
    *([(Creation.ACCEPTED, None)] * 6),
    *SENDING,
    (Creation.ACCEPTED, "before note_changes"),
    (Creation.ACCEPTED, "after note_changes"),
]
ASKING = [
    *([(Reading.TRUE, None)] * 6),
    *((reading, None) for reading in Reading),
    *(
        (Reading.TRUE, death)
        for death in (
            "after claim",
            "before mark_succeeded",
            "after mark_succeeded",
            "before mark_failed",
            "before mark_accepted",
            "after mark_accepted",
            "before note_changes",
        )
    ),
]
SAVING = [
    *([(Fetching.WHOLE, None)] * 4),
    *((fetching, None) for fetching in Fetching),
    *(
        (Fetching.WHOLE, death)
        for death in (
            "after claim",
            "while fetching",
            "before save",
            "after save",
            "before keep_file",
            "after keep_file",
            "before note_changes",
        )
    ),
]
# What else happens while a call is on the wire. Mostly nothing.
MEANWHILE = [
    *([None] * 8),
    "a healthy tick",
    "deleted",
    "given up",
    "called back",
    "clicked again",
    "taken for dead",
    "the clock is set back",
]
# What else happens between a sender's turn and its call.
BEFORE_ITS_TURN = ["deleted before its turn", "sent by another before its turn"]
WAITS = [
    timedelta(seconds=1),
    timedelta(seconds=11),
    timedelta(seconds=61),
    timedelta(seconds=125),
    timedelta(minutes=6),
    timedelta(hours=1),
    timedelta(minutes=-7),
]
LONG_WAITS = [timedelta(hours=25), timedelta(days=15), timedelta(days=31)]

sendings, clickings = st.sampled_from(SENDING), st.sampled_from(CLICKING)
askings, savings = st.sampled_from(ASKING), st.sampled_from(SAVING)
meanwhiles = st.sampled_from(MEANWHILE)
meanwhiles_of_senders = st.sampled_from([*MEANWHILE, *BEFORE_ITS_TURN, *BEFORE_ITS_TURN])
picks = st.integers(0, 7)
# Which video: one that stands there, if there is one. Drawn by number, the places where the
# promises are tested were hardly ever met.
places = st.sampled_from([*Stage, "completed", "failed"])


class Inline:
    """Threads that are none: what a pass asks in parallel is asked in turn, and replays."""

    def __init__(self, max_workers):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, ask, *turn):
        ask(*turn)


class Waiting(deque):
    """A queue on which nobody waits in real time."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def put(self, answer):
        self.append(answer)

    def get(self, timeout):
        if not self:
            self.clock.move(timedelta(seconds=timeout))
            raise Empty
        return self.popleft()


class LifeOfVideos(RuleBasedStateMachine):
    """The studio, KIE.AI, two people, an operator and bad luck."""

    clip = b""
    # Signed in once: they outlive each schedule.
    people: ClassVar[list[User]] = []
    browsers: ClassVar[dict[int, Client]] = {}

    def __init__(self):
        super().__init__()
        self.around = ExitStack()
        # A clean database for each schedule: everything is taken back at its end.
        self.around.enter_context(transaction.atomic())
        self.around.callback(transaction.set_rollback, True)
        self.clock, self.death = Clock(), Death()
        self.kie = SimulatedKie(self.clip, reach=self.death.reach)
        self.kie.meanwhile = self._meanwhile
        self.clock.meanwhile = self._before_its_turn
        self.checker = Checker(self.kie, self.clock)
        patch = self.around.enter_context(pytest.MonkeyPatch.context())
        self.clock.rule(patch)
        self.death.haunt(patch)
        patch.setattr(KieClient, "from_settings", classmethod(lambda cls: self.kie))
        patch.setattr(asking, "ThreadPoolExecutor", Inline)
        patch.setattr(asking, "SimpleQueue", lambda: Waiting(self.clock))
        # Messages are hints: all of them are lost here, and the rules come anyway.
        patch.setattr(tasks, "nudge", lambda *args, **options: None)
        web = self.around.enter_context(responses.RequestsMock(assert_all_requests_are_fired=False))
        web.add_callback(responses.GET, re.compile(re.escape(RESULTS)), self.kie.download)
        shutil.rmtree(studio.MEDIA_ROOT, ignore_errors=True)
        self.event = None
        self.requests: dict[str, tuple] = {}
        self.reads: list[tuple] = []
        self.offered: set[str] = set()

    # --- The cast ---------------------------------------------------------------------------

    @initialize()
    def two_people_with_videos_under_way(self):
        self.around.enter_context(connection.execute_wrapper(self.checker.watch))
        for who in (0, 1, 0):
            self.click(who=who, sending=(Creation.ACCEPTED, None), meanwhile=None)
            self.clock.move(timedelta(seconds=4))
        self.click(who=0, sending=(Creation.LOST, None), meanwhile=None)
        self.clock.move(timedelta(seconds=4))
        for who in (0, 1):
            self.click(who=who, sending=(Creation.UNREACHABLE, None), meanwhile=None)
        # By now those are due again.
        self.clock.move(timedelta(seconds=8))
        self.kie.tasks["task-0"].succeeds()
        self.kie.tasks["task-2"].fails()
        self.poll(asking=(Reading.TRUE, None), meanwhile=None)

    def _video(self, place) -> Video | None:
        videos = list(Video.objects.order_by("created_at"))
        there = [video for video in videos if place_of(video) == place]
        return next(iter(there + videos), None)

    def _task(self, pick):
        made = list(self.kie.tasks.values())
        return made[pick % len(made)] if made else None

    def _do(self, work, *, death=None, meanwhile=None, nth=1):
        """Run this as a process of its own, which may die on the way."""
        if meanwhile in BEFORE_ITS_TURN:
            # Somebody else has just had a turn: the next one has to be waited for.
            creations().reserve(1, within=timedelta(0))
        self.death.awaits(death, nth=nth)
        self.event = meanwhile
        try:
            return work()
        except Died:
            # Whatever was about to be written down is lost with it.
            lost = Video.objects.filter(stage=Stage.SUBMITTING).values_list("prompt", flat=True)
            for prompt in lost:
                self.kie.clicks[prompt].is_told = False
        except RuntimeError as error:
            # The code that breaks is ours: it is loud, and the row must still tell the truth.
            if str(error) != "our own code breaks":
                raise
            self.kie.clicks[self.on_the_wire].is_told = False
        finally:
            self.death.awaits(None)
            self.event, self.kie.is_stalled = None, False
            self.kie.creation, self.kie.reading = Creation.ACCEPTED, Reading.TRUE
            self.kie.fetching = Fetching.WHOLE

    on_the_wire = ""

    def _meanwhile(self, prompt):
        """What happens in other processes while the call about this video is on the wire."""
        self.on_the_wire = prompt
        if self.event in BEFORE_ITS_TURN:
            return
        event, self.event = self.event, None
        video = Video.objects.filter(prompt=prompt).first()
        if event is None or video is None:
            return
        self._with_nothing_wrong(lambda: self._befall(video, event))
        self.on_the_wire = prompt

    def _befall(self, video, event):
        match event:
            case "a healthy tick":
                self._tick()
            case "deleted":
                video.mark_deleted()
            case "given up":
                self._give_up(video)
            case "called back":
                self._call_back_about(video)
            case "clicked again":
                self._click_again(video.prompt)
            case "taken for dead":
                self.kie.is_stalled = True
                self.clock.move(timedelta(minutes=3))
                self._tick()
            case "the clock is set back":
                self.kie.is_stalled = True
                self.clock.move(timedelta(minutes=-3))

    def _before_its_turn(self):
        """What happens to videos that wait in the queue while their sender waits for its turn."""
        if self.event not in BEFORE_ITS_TURN:
            return
        event, self.event = self.event, None
        self._with_nothing_wrong(lambda: self._befall_the_queue(event))

    def _befall_the_queue(self, event):
        if event == "deleted before its turn":
            for video in Video.objects.filter(stage=Stage.QUEUED):
                video.mark_deleted()
            return
        # The sender hangs for longer than its claim holds.
        self.kie.is_stalled = True
        self.clock.move(timedelta(minutes=2))
        self._tick()

    def _with_nothing_wrong(self, work):
        """Run this as somebody whom nothing befalls."""
        faults = self.kie.creation, self.kie.reading, self.kie.fetching
        mine, self.death.at = self.death.at, None
        self.kie.creation, self.kie.reading = Creation.ACCEPTED, Reading.TRUE
        self.kie.fetching = Fetching.WHOLE
        work()
        self.kie.creation, self.kie.reading, self.kie.fetching = faults
        self.death.at = mine

    # --- People -----------------------------------------------------------------------------

    @rule(who=st.integers(0, 1), sending=clickings, meanwhile=meanwhiles_of_senders)
    def click(self, who, sending, meanwhile):
        self.kie.creation, death = sending
        prompt = f"kite {len(self.requests)}"
        provider = PROVIDERS["kie-veo3-fast" if len(self.requests) % 2 else "kie-hailuo-text2vid"]
        mode = provider.mode_for()
        values = {s.name: s.default for s in mode.settings if s.default is not None}
        request = GenerationRequest.checked(provider=provider, prompt=prompt, values=values)
        self.requests[prompt] = (self.people[who], request, uuid4())
        self.kie.clicks[prompt] = Click(prompt, self.people[who].pk)
        self._do(lambda: self._submit(prompt), death=death, meanwhile=meanwhile, nth=1)

    @rule(pick=picks, sending=sendings, meanwhile=meanwhiles)
    def click_again(self, pick, sending, meanwhile):
        """A reload, a double click, a second tab: the same form once more."""
        self.kie.creation, death = sending
        prompt = list(self.requests)[pick % len(self.requests)]
        self._do(lambda: self._click_again(prompt), death=death, meanwhile=meanwhile)

    def _click_again(self, prompt):
        user, _request, _key = self.requests[prompt]
        before = set(Video.objects.for_user(user).filter(prompt=prompt).values_list("pk"))
        video = self._submit(prompt)
        assert not before or video is None or (video.pk,) in before, "I2 a second row"

    def _submit(self, prompt):
        user, request, key = self.requests[prompt]
        try:
            return submission.submit_video(
                user=user, request=request, client=self.kie, idempotency_key=key
            )
        except KieRefused:
            return None

    @rule(place=places, goes=st.booleans())
    def delete_or_restore(self, place, goes):
        if not (video := self._video(place)):
            return
        name = "gallery:delete" if goes else "gallery:restore"
        browser = self.browsers[video.user_id]
        with self.checker.while_somebody("restores" if not goes else "deletes"):
            browser.post(reverse(name, args=[video.pk]))

    @rule(who=st.integers(0, 1), asking=askings)
    def refresh(self, who, asking):
        self.kie.reading, death = asking
        browser = self.browsers[self.people[who].pk]
        self._do(lambda: browser.post(reverse("generation:refresh")), death=death)

    @rule(place=places)
    def an_operator_gives_up(self, place):
        if video := self._video(place):
            self._give_up(video)

    def _give_up(self, video):
        desk = admin.site._registry[Video]
        said = SimpleNamespace(add=lambda *args: None)
        operator = SimpleNamespace(get_username=lambda: "operator")
        request = SimpleNamespace(user=operator, _messages=said)
        with self.checker.while_somebody("gives up"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(desk), "message_user", lambda *args, **kwargs: None)
            desk.mark_as_failed(request, Video.objects.filter(pk=video.pk))

    @rule(picked=st.lists(places, min_size=1, max_size=3), asking=askings, meanwhile=meanwhiles)
    def an_operator_checks(self, picked, asking, meanwhile):
        self.kie.reading, death = asking
        ids = {video.pk for place in picked if (video := self._video(place))}
        self._do(
            lambda: polling.poll_videos_by_id(list(ids), client=self.kie),
            death=death,
            meanwhile=meanwhile,
        )

    # --- The studio's passes ----------------------------------------------------------------

    @rule()
    def a_healthy_tick(self):
        self._do(self._tick)

    def _tick(self):
        tasks.send_queued_videos()
        tasks.poll_videos()
        tasks.archive_videos()

    @rule(sending=sendings, meanwhile=meanwhiles_of_senders)
    def send(self, sending, meanwhile):
        self.kie.creation, death = sending
        self._do(
            lambda: submission.send_queued_videos(client=self.kie),
            death=death,
            meanwhile=meanwhile,
        )

    @rule(asking=askings, meanwhile=meanwhiles)
    def poll(self, asking, meanwhile):
        self.kie.reading, death = asking
        self._do(lambda: polling.poll_due_videos(client=self.kie), death=death, meanwhile=meanwhile)

    @rule(saving=savings, meanwhile=meanwhiles)
    def save(self, saving, meanwhile):
        self.kie.fetching, death = saving
        self._do(
            lambda: archive.archive_due_videos(client=self.kie), death=death, meanwhile=meanwhile
        )

    @rule(death=st.sampled_from([None, "before mark_completed", "after mark_completed"]))
    def complete_with_link(self, death):
        self._do(archive.complete_with_link, death=death)

    @rule(death=st.sampled_from([None, "before delete", "after delete"]))
    def sweep(self, death):
        self._do(sweeping.sweep_files, death=death)

    # --- A process that reads, sleeps and then writes ------------------------------------------

    @rule(place=places)
    def slow_read(self, place):
        video = self._video(place)
        if video and (task := self.kie.tasks.get(video.task_id)):
            self.reads.append((video, task.now))

    @precondition(lambda self: self.reads)
    @rule(pick=picks)
    def slow_write(self, pick):
        video, said = self.reads.pop(pick % len(self.reads))
        if not recording.record(video, said) and video.is_processing:
            recording.record_running([recording.Look(video, said)], since=self.clock.at)

    # --- KIE.AI -----------------------------------------------------------------------------

    @rule(
        place=places,
        becomes=st.sampled_from(["works", "succeeds", "succeeds", "fails", "empty"]),
        calls_back=st.booleans(),
    )
    def kie_goes_on(self, place, becomes, calls_back):
        video = self._video(place)
        made = [task for task in self.kie.tasks.values() if video and task.prompt == video.prompt]
        if not made or made[0].now.video_urls:
            return
        task = made[0]
        match becomes:
            case "works" if not task.is_over:
                task.works()
            case "succeeds":
                # Also what was called a failure before.
                task.succeeds()
            case "fails" if not task.is_over:
                task.fails()
            case "empty" if not task.is_over:
                task.succeeds_without_a_result()
        if calls_back:
            self._call_back_about(video)

    @rule(pick=picks)
    def links_rotate(self, pick):
        task = self._task(pick)
        if task and task.now.video_urls:
            task.link += 1
            task.succeeds()

    @rule(
        place=places,
        pick=picks,
        named=st.sampled_from(["its own", "its own", "another's", "nobody's"]),
    )
    def call_back(self, place, pick, named):
        if video := self._video(place):
            self._call_back_about(video, named=named, pick=pick)

    def _call_back_about(self, video, *, named="its own", pick=0):
        own = [task for task in self.kie.tasks.values() if task.prompt == video.prompt]
        others = [task for task in self.kie.tasks.values() if task.prompt != video.prompt]
        choice = {"its own": own, "another's": others, "nobody's": []}[named]
        task_id = choice[pick % len(choice)].id if choice else "task-of-nobody"
        # Everything but the id could have been written by anybody.
        claim = {"resultUrls": [f"{RESULTS}/evil/1.mp4"]}
        data = {"taskId": task_id, "state": "success", "resultJson": json.dumps(claim)}
        answer = Client().post(
            f"/webhooks/kie/{token_of(video.pk)}/",
            {"code": 200, "data": data},
            content_type="application/json",
        )
        assert answer.status_code == 200
        row = Video.objects.filter(pk=video.pk).first()
        if row and own and row.offered_task_id == own[0].id:
            self.offered.add(row.prompt)

    # --- Time -------------------------------------------------------------------------------

    @rule(wait=st.sampled_from(WAITS))
    def time_passes(self, wait):
        self.clock.move(wait)

    @rule(wait=st.sampled_from([*WAITS, *WAITS, *LONG_WAITS]))
    def much_time_passes(self, wait):
        self.clock.move(wait)

    # --- What must hold ---------------------------------------------------------------------

    @invariant()
    def every_promise_is_kept(self):
        self.checker.check()

    def teardown(self):
        with self.around:
            # After a finding there is nothing more to find.
            if sys.exception() is None and self.requests:
                self._heal()
                self.checker.check_converged(self.offered)

    def _heal(self):
        """Every fault is over, KIE.AI finishes its work, the studio ticks."""
        # Past whatever a clock that was set back has left in the future.
        self.clock.move(self.clock.latest - self.clock.at + timedelta(minutes=6))
        for _ in range(40):
            for task in self.kie.tasks.values():
                if not task.is_over:
                    task.succeeds()
            self._tick()
            self.clock.move(timedelta(minutes=1))
            if self._is_at_rest():
                return

    def _is_at_rest(self):
        videos = Video.objects.filter(deleted_at=None)
        busy = videos.processing().exclude(stage=Stage.UNCONFIRMED, offered_task_id="")
        return not busy.exists() and not videos.filter(next_archive_at__isnull=False).exists()


@pytest.fixture
def small_clip(tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.5, size=(64, 48), fps=4)
    return clip.read_bytes()


@pytest.fixture
def quiet_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet_logs")
def test_no_schedule_of_faults_breaks_a_promise(alice, bob, settings, small_clip):
    settings.PUBLIC_URL = "https://studio.example.com"
    # Tight enough that some videos wait for their turn.
    settings.KIE_CREATE_RATE, settings.KIE_STATUS_RATE = (5, 5.0), (3, 1.0)
    browsers = {person.pk: Client() for person in (alice, bob)}
    for person in (alice, bob):
        browsers[person.pk].force_login(person)
    facts = {"clip": small_clip, "people": [alice, bob], "browsers": browsers}

    run_state_machine_as_test(type("LifeOfVideos", (LifeOfVideos,), facts), settings=PROFILE)
