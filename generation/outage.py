"""When KIE.AI as a whole does not answer: a free question now and then, instead of a storm.

Nothing is lost meanwhile: rows stay due, and go on as soon as one of these questions is answered.
"""

import logging
from datetime import timedelta

from django.utils.timezone import now

from generation.kie.client import KieClient
from generation.kie.errors import KieError
from videostudio.models import KieBalance, Outage

logger = logging.getLogger(__name__)

PAUSE = timedelta(seconds=15)
# So many calls in a row without any word of KIE.AI's are no longer one task's bad luck.
SUSPICIOUS = 5


def is_known() -> bool:
    """Is KIE.AI known to be away? Whoever cannot wait, a page, asks no further."""
    return Outage.objects.is_ongoing(Outage.KIE)


def may_ask(*, client: KieClient) -> bool:
    """Does KIE.AI answer, as far as we know? In an outage, one process tries it now and then."""
    if not is_known():
        return True
    if not Outage.objects.claim_try(Outage.KIE, at=now(), pause=PAUSE):
        return False
    return not is_away(client=client)


def is_away(*, client: KieClient) -> bool:
    """Ask KIE.AI something that costs nothing and concerns no task, and note what came of it."""
    asked_at = now()
    try:
        KieBalance.objects.keep(client.fetch_credits(), asked_at=asked_at)
    except KieError as error:
        if error.is_silence:
            logger.warning("kie_away: %s", error)
            Outage.objects.begin(Outage.KIE, why=str(error), at=now(), pause=PAUSE)
            return True
    if Outage.objects.end(Outage.KIE):
        logger.warning("kie_back")
    return False
