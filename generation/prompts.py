"""A person's earlier prompts, to be found and used again."""

from datetime import datetime

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from gallery.models import Video, VideoQuerySet
from generation.catalogue import PROVIDERS
from generation.request import UNSTORABLE
from videostudio.models import User

PAGE_SIZE = 30
# What is looked for: more than this nobody types, and a database refuses patterns without end.
LONGEST_SEARCH, MOST_WORDS = 200, 10


def earlier_prompts(
    user: User, *, since: datetime, search: str = "", page: int = 1
) -> tuple[list[Video], bool]:
    """The newest video of each different prompt, newest first; and whether there are more.

    One query, over this person's videos alone. Those deleted before `since` are gone for good.
    """
    # A larger version bears the words of the video it was made from, and was not made by them.
    wordless = [p.key for p in PROVIDERS.values() if not any(m.takes_prompt for m in p.modes)]
    videos = Video.objects.for_user(user).reachable(since=since).exclude(prompt="")
    videos = videos.exclude(provider__in=wordless)
    newest_first = [F("created_at").desc(), F("id").desc()]
    nth = Window(RowNumber(), partition_by="prompt", order_by=newest_first)
    distinct = _with_words(videos, search).annotate(nth=nth).filter(nth=1).newest_first()
    start = (page - 1) * PAGE_SIZE
    rows = list(distinct.only("prompt", "provider", "created_at")[start : start + PAGE_SIZE + 1])
    return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE


def _with_words(videos: VideoQuerySet, search: str) -> VideoQuerySet:
    """Those whose prompt has each of the words somewhere, in capitals or not."""
    for word in UNSTORABLE.sub(" ", search[:LONGEST_SEARCH]).split()[:MOST_WORDS]:
        # SQLite knows the capitals of a to z only; so ä is looked for as Ä too.
        spellings = {word} if word.isascii() else {word, word.lower(), word.upper(), word.title()}
        has_word = Q()
        for spelling in sorted(spellings):
            has_word |= Q(prompt__icontains=spelling)
        videos = videos.filter(has_word)
    return videos
