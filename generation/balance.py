"""What is left on the account at KIE.AI: asked for now and then, kept where every page sees it."""

import logging
from datetime import timedelta

from django.utils.timezone import now

from generation import outage
from generation.kie.budget import sleep_until, status_queries
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieNotSent
from videostudio.models import KieBalance

logger = logging.getLogger(__name__)

# It is asked for at most so often. Who knows that it has changed lets it be asked for so much
# later: whoever has asked meanwhile has asked after the change.
PAUSE = timedelta(seconds=3)
TURN_WAITS = timedelta(seconds=2)


def refresh_balance(*, client: KieClient) -> bool:
    """Ask KIE.AI for the balance, in a turn of its own. False: nobody asked, or no answer came."""
    # While KIE.AI is away, each try whether it is back asks this very question.
    if outage.is_known() or not KieBalance.objects.claim_question(at=now(), pause=PAUSE):
        return False
    turn = status_queries().reserve(1, within=TURN_WAITS)
    if not turn:
        return False
    sleep_until(turn[0])
    asked_at = now()
    try:
        credits = client.fetch_credits()
    except KieError as error:
        # The figure that is known tells its age; whether KIE.AI is away, others find out.
        logger.info("balance_unanswered: %s", error)
        if isinstance(error, KieNotSent) and error.retry_after:
            status_queries().pause(error.retry_after)
        return False
    return KieBalance.objects.keep(credits, asked_at=asked_at)
