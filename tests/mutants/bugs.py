"""The seeded bugs. One is a line as it stands, the same line broken, and the tests it must break.

Keep `old` short and unique in its file: tests/attacks/test_mutants.py fails where the code has
moved on, and then the bug moves with it.
"""

from dataclasses import dataclass

MACHINE = "tests/attacks/test_state_machine.py"

MODELS = "gallery/models.py"
GALLERY, FILES = "gallery/views.py", "gallery/files.py"
SUBMISSION = "generation/submission.py"
POLLING = "generation/polling.py"
RECORDING = "generation/recording.py"
ARCHIVE = "generation/archive.py"
DOWNLOAD = "generation/download.py"
SWEEPING = "generation/sweeping.py"
OUTAGE = "generation/outage.py"
ACCEPTANCE = "generation/acceptance.py"
RECOVERY = "generation/recovery.py"
CLIP = "generation/clip.py"
VIEWS = "generation/views.py"
WEBHOOKS = "generation/webhooks.py"
CALLBACKS = "generation/callbacks.py"
PUBLIC_WEB = "generation/public_web.py"
CLIENT = "generation/kie/client.py"
SIGNATURE = "generation/kie/signature.py"
BUDGET = "generation/kie/budget.py"
SNAPSHOT = "generation/kie/snapshot.py"

# Where the tests of each room are.
TESTS = {
    MODELS: ("tests/gallery/test_models.py", "tests/generation/test_submission.py"),
    GALLERY: ("tests/gallery/test_views.py",),
    FILES: ("tests/gallery/test_views.py", "tests/gallery/test_files.py"),
    SUBMISSION: ("tests/generation/test_submission.py", "tests/generation/test_variations.py"),
    POLLING: ("tests/generation/test_polling.py", "tests/generation/test_webhooks.py"),
    RECORDING: ("tests/generation/test_polling.py",),
    ARCHIVE: ("tests/generation/test_archive.py",),
    DOWNLOAD: ("tests/generation/test_download.py", "tests/generation/test_archive.py"),
    SWEEPING: ("tests/generation/test_archive.py",),
    OUTAGE: ("tests/generation/test_outage.py",),
    ACCEPTANCE: ("tests/generation/test_acceptance.py",),
    RECOVERY: ("tests/generation/test_recovery.py",),
    CLIP: ("tests/generation/test_archive.py",),
    VIEWS: ("tests/generation/test_views.py", "tests/gallery/test_views.py"),
    WEBHOOKS: ("tests/generation/test_webhooks.py",),
    CALLBACKS: ("tests/generation/test_webhooks.py",),
    PUBLIC_WEB: ("tests/generation/test_public_web.py",),
    CLIENT: ("tests/generation/kie/test_client.py",),
    SIGNATURE: ("tests/generation/kie/test_signature.py", "tests/generation/test_webhooks.py"),
    BUDGET: ("tests/generation/kie/test_budget.py",),
    SNAPSHOT: ("tests/generation/kie/test_families.py", "tests/generation/test_webhooks.py"),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded bug."""

    name: str
    file: str
    old: str
    new: str
    # What a person or the operator would see of it.
    breaks: str
    # About a video's life: the state machine has to find it without help.
    is_life: bool = False
    tests: tuple[str, ...] = ()

    @property
    def all_tests(self) -> tuple[str, ...]:
        return self.tests or TESTS[self.file]


def life(
    name: str, file: str, old: str, new: str, breaks: str, tests: tuple[str, ...] = ()
) -> Mutant:
    return Mutant(name, file, old, new, breaks, is_life=True, tests=tests)


MUTANTS = (
    # --- Money ------------------------------------------------------------------------------
    life(
        "no idempotency key",
        SUBMISSION,
        "_insert_one(user, request, idempotency_key=key, **facts, **more)",
        "_insert_one(user, request, **facts, **more)",
        "a double click is charged twice",
    ),
    life(
        "resend on an unclear answer",
        SUBMISSION,
        "video.mark_unconfirmed(why=str(error), at=now() + LOOK_AT_UNCONFIRMED)",
        "_send_later(video, KieNotSent(str(error)))",
        "a lost answer is charged again",
    ),
    life(
        "the sweep sends again",
        SUBMISSION,
        "video.mark_unconfirmed(why=why, at=at + LOOK_AT_UNCONFIRMED)",
        "video.send_again_at(at, why=why)",
        "who died while sending is charged again",
    ),
    life(
        "sending without winning the claim",
        MODELS,
        "waiting = Q(stage=Stage.QUEUED, deleted_at=None)",
        "waiting = Q(deleted_at=None)",
        "two senders each make a video",
    ),
    life(
        "a deleted video is sent",
        MODELS,
        "waiting = Q(stage=Stage.QUEUED, deleted_at=None)",
        "waiting = Q(stage=Stage.QUEUED)",
        "what was thrown away is paid for",
    ),
    life(
        "a task named too late is forgotten",
        MODELS,
        "if not accepted and given_up.update(**known):",
        "if not accepted and given_up.exists():",
        "a paid task has no row that follows it",
    ),
    Mutant(
        "another request under the same key",
        SUBMISSION,
        "if any(video.request_digest not in digests for video in videos):",
        "if any(video.request_digest is None for video in videos):",
        "a changed prompt silently gives the first video",
    ),
    Mutant(
        "a variation that somebody has sent is taken back",
        SUBMISSION,
        "if not video.claim_sending(until=now() + CLAIM)]",
        "if video.pk is None]",
        "a task that costs money has no video",
        tests=("tests/generation/test_variations.py",),
    ),
    Mutant(
        "all variations have one key",
        SUBMISSION,
        "key and uuid5(key, str(place))",
        "None",
        "a double click is charged for all variations but the first",
        tests=("tests/generation/test_variations.py",),
    ),
    Mutant(
        "any number of variations under the same key",
        "generation/request.py",
        "facts += (self.place, self.number)",
        "facts += (self.place,)",
        "another number of variations silently gives the first ones",
        tests=("tests/generation/test_variations.py",),
    ),
    Mutant(
        "a proof that nothing was sent is not believed",
        MODELS,
        'Q(stage__in=(Stage.SUBMITTING, Stage.UNCONFIRMED), task_id=""),',
        'Q(stage__in=(Stage.SUBMITTING,), task_id=""),',
        "a video that was never sent waits for ever",
        is_life=True,
    ),
    Mutant(
        "every broken connection counts as never sent",
        CLIENT,
        "and isinstance(reason, NEVER_CONNECTED):",
        "and True:",
        "a reset after sending is charged again",
    ),
    Mutant(
        "urllib3 repeats by itself",
        CLIENT,
        "max_retries=0)",
        'max_retries=__import__("urllib3").Retry(3, allowed_methods=None))',
        "a broken answer is asked for again below us",
    ),
    Mutant(
        "an answer without a task id counts as one",
        CLIENT,
        'raise KieUnclear("accepted without a task id")',
        'raise KieNotSent("accepted without a task id")',
        "a charged creation is sent again",
    ),
    life(
        "the budget of creations is not kept",
        SUBMISSION,
        "sleep_until(turn[0])",
        "turn.clear()",
        "KIE.AI refuses us for calling too often",
    ),
    life(
        "an expired queue does not look at the stage",
        SUBMISSION,
        'video.mark_failed(failure="never_sent", only=Q(stage=Stage.QUEUED))',
        'video.mark_failed(failure="never_sent")',
        "what has just been sent is called never sent",
    ),
    # --- Steps ------------------------------------------------------------------------------
    life(
        "completed is not final",
        MODELS,
        "running = Q(status=Status.PROCESSING) & ~Q(stage=Stage.SAVING)",
        "running = ~Q(stage=Stage.SAVING)",
        "a late answer takes a finished video back",
    ),
    life(
        "a late failure takes back a success",
        MODELS,
        "Q(status=Status.PROCESSING) & ~Q(stage=Stage.SAVING) & (only or Q()),",
        "Q(status=Status.PROCESSING) & (only or Q()),",
        "a paid and finished video is lost",
    ),
    life(
        "no condition on failing",
        MODELS,
        "Q(status=Status.PROCESSING) & ~Q(stage=Stage.SAVING) & (only or Q()),",
        "(only or Q()),",
        "a late answer overwrites what is settled",
    ),
    life(
        "completed twice",
        MODELS,
        "Q(stage=Stage.SAVING) & (only or Q()),\n            event=event,",
        "(only or Q()),\n            event=event,",
        "a video is completed without being finished",
    ),
    life(
        "a late note sets a finished video's due time",
        RECORDING,
        "Video.objects.filter(STILL_ASKED, ",
        "Video.objects.filter(",
        "what happens next is put off by a stale answer",
    ),
    life(
        "the claim of a poll is never given back",
        MODELS,
        'unclaimed = Q(claimed_until=None) | has_come("claimed_until", at)',
        "unclaimed = Q(claimed_until=None)",
        "who dies while asking leaves a video nobody asks about",
        TESTS[POLLING],
    ),
    life(
        "one wrong answer fails a video",
        POLLING,
        "if not video.accepted_at or video.accepted_at > now() - GIVE_UP_AFTER:",
        "if not video.accepted_at:",
        "a gateway's hiccup is called a failure",
    ),
    life(
        "an unconfirmed video is looked at in a day",
        SUBMISSION,
        "LOOK_AT_UNCONFIRMED = timedelta(minutes=5)",
        "LOOK_AT_UNCONFIRMED = timedelta(days=1)",
        "an unsettled row without an early due time",
    ),
    life(
        "success without a result completes",
        RECORDING,
        "snapshot.state is TaskState.SUCCEEDED and snapshot.video_urls:",
        "snapshot.state is not TaskState.RUNNING and snapshot.kie_state:",
        "a failure is taken for a success",
    ),
    life(
        "restored by anybody's step",
        MODELS,
        "accepted_at=at,\n            next_poll_at=at,",
        "accepted_at=at,\n            deleted_at=None,\n            next_poll_at=at,",
        "a deleted video comes back by itself",
    ),
    # --- Callbacks --------------------------------------------------------------------------
    life(
        "no echo check",
        POLLING,
        "if not names_video(snapshot.request.call_back_url, video.pk):",
        "if not snapshot.request.call_back_url:",
        "a stranger's task is adopted",
    ),
    life(
        "an offer is taken over without asking KIE.AI",
        MODELS,
        "offered_task_id=Case(offered, default=Value(task_id)),",
        'task_id=Case(When(task_id="", then=Value(task_id)), default=F("task_id")),',
        "whoever knows the address names the task",
        TESTS[WEBHOOKS],
    ),
    life(
        "an offer is forgotten when KIE.AI does not answer",
        POLLING,
        'logger.info("offer_unanswered video=%s: %s", video.pk, error)',
        "video.refuse_offer(why=str(error))",
        "a lost answer is never made good",
    ),
    Mutant(
        "the body is trusted",
        WEBHOOKS,
        "if Video.objects.filter(pk=video_id).nudge(task_id=task_id):",
        "if Video.objects.filter(pk=video_id).update(kie_state=task_id, video_url=task_id):",
        "whoever knows the address writes into the row",
        is_life=True,
    ),
    Mutant(
        "no signature",
        WEBHOOKS,
        "if keys and not is_signed(",
        "if keys and is_signed(",
        "strangers are heard, KIE.AI is not",
    ),
    Mutant(
        "hmac ==, cut short",
        SIGNATURE,
        "hmac.compare_digest(sign(task_id, timestamp, key=key).encode(), given)",
        "sign(task_id, timestamp, key=key).encode()[: len(given)] == given",
        "a signature can be guessed byte by byte",
    ),
    Mutant(
        "no timestamp window",
        SIGNATURE,
        "if abs(at.timestamp() - int(timestamp)) > MOST_SECONDS_OFF:",
        "if at.timestamp() - int(timestamp) > 10 * 365 * 86400:",
        "an old delivery can be replayed for ever",
    ),
    Mutant(
        "int() in place of the pattern",
        SIGNATURE,
        "if not TIMESTAMP.fullmatch(timestamp):",
        "if not timestamp.strip():",
        "odd digits cause an error 500",
    ),
    Mutant(
        "only ValueError is caught",
        WEBHOOKS,
        "except (ValueError, RecursionError):",
        "except ValueError:",
        "a deeply nested body causes an error 500",
    ),
    Mutant(
        "any length of body",
        WEBHOOKS,
        "> MOST_BYTES:",
        "> MOST_BYTES * 1024:",
        "anybody can fill our memory",
    ),
    Mutant(
        "an unsigned token",
        CALLBACKS,
        "return UUID(hex=_signer.unsign(token))",
        'return UUID(hex=token.partition(".")[0])',
        "a video's id is enough to wake it",
    ),
    # --- Files ------------------------------------------------------------------------------
    life(
        "done before the file",
        ARCHIVE,
        "size = _fetch(part, wanted.url, video=video, client=client)",
        'video.mark_completed(event="archived", file="videos/x.mp4", archived_at=now())\n'
        "        size = _fetch(part, wanted.url, video=video, client=client)",
        "a completed card without a file",
    ),
    Mutant(
        "the end is not decoded",
        CLIP,
        "shown = sum(1 for _ in container.decode(stream))",
        "shown = 10**6",
        "half a file counts as a video",
        is_life=True,
    ),
    Mutant(
        "no fsync",
        DOWNLOAD,
        "os.fsync(self._file.fileno())",
        "self._file.tell()",
        "a power cut leaves an empty file that counts as saved",
    ),
    Mutant(
        "not renamed but copied",
        ARCHIVE,
        "return str(self._path)",
        "raise AttributeError(self._path)",
        "half a file under its final name",
    ),
    Mutant(
        "no cap on what is fetched",
        DOWNLOAD,
        "if size > settings.ARCHIVE_MAX_BYTES:",
        "if not size:",
        "one link fills the disk",
    ),
    Mutant(
        "no cap on an answer",
        CLIENT,
        "body = response.raw.read(MOST_ANSWER_BYTES + 1, decode_content=True)",
        "body = response.content[: MOST_ANSWER_BYTES + 1]",
        "one answer fills our memory",
    ),
    Mutant(
        "redirects are followed with the key",
        CLIENT,
        "allow_redirects=False,",
        "allow_redirects=True,",
        "our key is sent elsewhere",
    ),
    Mutant(
        "only private addresses are inside",
        PUBLIC_WEB,
        "if not address.is_global or address.is_multicast or address.is_reserved:",
        "if address.is_private:",
        "a link leads into the network around us",
    ),
    Mutant(
        "the first address decides",
        PUBLIC_WEB,
        "if not all(is_public(address) for address in addresses):",
        "if not any(is_public(address) for address in addresses):",
        "a name with two addresses leads inside",
    ),
    life(
        "saving is given up at once",
        ARCHIVE,
        "if video.succeeded_at and video.succeeded_at < now() - GIVE_UP_AFTER:",
        "if video.succeeded_at:",
        "one bad download and the video never comes home",
    ),
    life(
        "the trash is swept too early",
        SWEEPING,
        "deleted_at__lt=now() - timedelta(days=settings.TRASH_DAYS)",
        "deleted_at__lt=now()",
        "a video brought back from the trash has no file",
    ),
    life(
        "a failed download is not tried again",
        MODELS,
        'return self.filter(has_come("next_archive_at", at))',
        'return self.filter(has_come("next_archive_at", at), archive_attempts=0)',
        "what failed once is never tried again",
        TESTS[ARCHIVE],
    ),
    life(
        "a fresh link is asked for outside the budget",
        ARCHIVE,
        "turn = status_queries().reserve(1, within=TURN_WAITS)",
        "turn = [now()]",
        "KIE.AI refuses us for calling too often",
    ),
    # --- Whose ------------------------------------------------------------------------------
    *(
        Mutant(
            f"no for_user() in {where}",
            file,
            old,
            new,
            "another person's videos can be seen or changed",
        )
        for where, file, old, new in (
            (
                "the gallery",
                GALLERY,
                'Video.objects.for_user(request.user).kept(), "gallery/index.html")',
                'Video.objects.kept(), "gallery/index.html")',
            ),
            (
                "the trash",
                GALLERY,
                "still_here = Video.objects.for_user(request.user).in_trash(",
                "still_here = Video.objects.in_trash(",
            ),
            (
                "the refresh",
                GALLERY,
                "videos = Video.objects.for_user(request.user)\n    changed",
                "videos = Video.objects.all()\n    changed",
            ),
            (
                "one video's page",
                GALLERY,
                "Video.objects.for_user(request.user).select_related(ANCESTORS)",
                "Video.objects.select_related(ANCESTORS)",
            ),
            (
                "the heart",
                GALLERY,
                "get_object_or_404(Video.objects.for_user(request.user).kept(), pk=pk)",
                "get_object_or_404(Video.objects.kept(), pk=pk)",
            ),
            (
                "deleting",
                GALLERY,
                "get_object_or_404(Video.objects.for_user(request.user), pk=pk)\n    video.mark",
                "get_object_or_404(Video, pk=pk)\n    video.mark",
            ),
            (
                "restoring",
                GALLERY,
                "videos = Video.objects.for_user(request.user)\n    video =",
                "videos = Video.objects.all()\n    video =",
            ),
            (
                "the strip beside the form",
                GALLERY,
                "newest = Video.objects.for_user(user).kept()",
                "newest = Video.objects.kept()",
            ),
            (
                "files",
                FILES,
                "videos = Video.objects.for_user(request.user)",
                "videos = Video.objects.all()",
            ),
            (
                "making another",
                VIEWS,
                "get_object_or_404(Video.objects.for_user(request.user), pk=uuid.UUID(text))",
                "get_object_or_404(Video, pk=uuid.UUID(text))",
            ),
            (
                "Refresh",
                VIEWS,
                "client=KieClient.from_settings(), user=request.user, limit",
                "client=KieClient.from_settings(), limit",
            ),
        )
    ),
    # --- Outages and lost property ----------------------------------------------------------
    Mutant(
        "every row tries KIE.AI in an outage",
        OUTAGE,
        "if not Outage.objects.claim_try(Outage.KIE, at=now(), pause=PAUSE):",
        "if client is None:",
        "an outage becomes a storm",
    ),
    Mutant(
        "bad luck counts as an outage",
        OUTAGE,
        "if error.is_silence:",
        "if error:",
        "one refusal stops everybody's videos",
        tests=("tests/generation/test_outage.py", "tests/generation/test_polling.py"),
    ),
    Mutant(
        "a deleted video is sent when its turn comes",
        MODELS,
        "stage=Stage.SUBMITTING, deleted_at=None)\n        return row.update",
        "stage=Stage.SUBMITTING)\n        return row.update",
        "money is spent on what somebody has thrown away",
        tests=("tests/generation/test_submission.py", MACHINE),
    ),
    Mutant(
        "an acceptance is not kept on disk",
        ACCEPTANCE,
        'file.write(json.dumps({"video": str(video.pk), "task": task_id}) + "\\n")',
        "file.flush()",
        "a paid task is lost with the database's absence",
    ),
    Mutant(
        "somebody else's lost video is given away",
        RECOVERY,
        "if video.user_id != user.pk or video.task_id:",
        "if video.task_id:",
        "a task id opens another person's video",
    ),
    Mutant(
        "any task is attached",
        RECOVERY,
        "if not _is_task_of(video, snapshot.request):",
        "if not snapshot.request:",
        "a video shows what somebody else has asked for",
    ),
    Mutant(
        "a clock that was set back stops everything",
        MODELS,
        'return Q(**{f"{name}__lte": at}) | Q(**{f"{name}__gt": at + MOST_AHEAD[name]})',
        'return Q(**{f"{name}__lte": at})',
        "nothing moves until the clock is where it was",
        tests=("tests/attacks/test_clocks.py", "tests/generation/test_polling.py"),
    ),
    # --- Limits, variations, files, prices --------------------------------------------------
    Mutant(
        "no limits",
        SUBMISSION,
        "check_limits(user, videos=len(columns), credits=_credits_in(columns))",
        "_credits_in(columns)",
        "somebody spends more than was allowed",
        tests=("tests/generation/test_limits.py",),
    ),
    Mutant(
        "limits count one of four variations",
        SUBMISSION,
        "check_limits(user, videos=len(columns), credits=_credits_in(columns))",
        "check_limits(user, videos=1, credits=_credits_in(columns[:1]))",
        "four videos are made where one was allowed",
        tests=("tests/generation/test_limits.py", "tests/generation/test_variations.py"),
    ),
    Mutant(
        "variations without keys of their own",
        SUBMISSION,
        "return [key, *(key and uuid5(key, str(place)) for place in range(2, number + 1))]",
        "return [key, *(None for place in range(2, number + 1))]",
        "a double click on four variations makes three of them twice",
        tests=("tests/generation/test_variations.py",),
    ),
    Mutant(
        "the price of one for four",
        "generation/forms.py",
        "return price and price.times(self.number)",
        "return price",
        "the button says a quarter of what is charged",
        tests=("tests/generation/test_variations.py",),
    ),
    Mutant(
        "another person's file is taken",
        "generation/inputs.py",
        "found = InputFile.objects.for_user(user).in_bulk([key for key in keys if key])",
        "found = InputFile.objects.in_bulk([key for key in keys if key])",
        "somebody's picture ends up in another person's video",
        tests=("tests/generation/test_inputs.py", "tests/generation/test_views.py"),
    ),
    Mutant(
        "the library of everybody",
        "generation/input_views.py",
        "entries = InputFile.objects.for_user(request.user).filter(kind=slot.kind).newest_first()",
        "entries = InputFile.objects.filter(kind=slot.kind).newest_first()",
        "everybody sees everybody's pictures",
        tests=("tests/generation/test_input_views.py", "tests/generation/test_inputs.py"),
    ),
    Mutant(
        "a file is what its name says",
        "generation/inputs.py",
        "image = Image.open(upload, formats=list(PICTURES))",
        "image = Image.open(upload)",
        "what is no picture of ours is opened",
        tests=("tests/generation/test_inputs.py", "tests/generation/test_views.py"),
    ),
    Mutant(
        "everybody's spend",
        "gallery/spend.py",
        "return Video.objects.all() if _sees_everyone(user) else Video.objects.for_user(user)",
        "return Video.objects.all()",
        "everybody sees what everybody spends",
        tests=("tests/gallery/test_spend.py",),
    ),
    Mutant(
        "a clip that is charged and not counted",
        "generation/prices.py",
        "total += inputs.video_seconds",
        "total += 0",
        "a video costs twice what its button said",
        tests=("tests/generation/test_catalogue.py", "tests/generation/test_catalogue_prices.py"),
    ),
    Mutant(
        "a change that nobody hears of",
        "generation/models.py",
        "@receiver((post_save, post_delete), sender=Offer)",
        "@receiver((post_save,), sender=Group)",
        "a service that was switched off is still offered by other processes",
        tests=("tests/generation/test_offers.py",),
    ),
    Mutant(
        "a price that stays",
        "generation/models.py",
        "@receiver((post_save, post_delete), sender=PriceOverride)",
        "@receiver((post_save,), sender=Group)",
        "buttons show the old price, and the new one is charged",
        tests=("tests/generation/test_offers.py", "tests/generation/test_price_list.py"),
    ),
    Mutant(
        "a count for a stamp",
        "generation/offers.py",
        "if stamp and remembered and remembered[:2] == known_by:",
        "if stamp and remembered:",
        "what operators set counts when the processes are started again",
        tests=("tests/generation/test_offers.py",),
    ),
    Mutant(
        "everybody in the group",
        "generation/offers.py",
        "if not groups & mine}",
        "if not groups}",
        "what is kept for a group is offered to everybody",
        tests=("tests/generation/test_offers.py",),
    ),
)
