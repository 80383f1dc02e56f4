"""`manage.py kie_sandbox`: a KIE.AI of our own, for trying things out at no cost."""

import signal
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from generation import stand_in
from generation.catalogue import refusal_of
from generation.kie.sandbox import FAULTS, WORDS, Creation, Faults, ModelOnOffer, Sandbox
from generation.price_list import PriceList


class Command(BaseCommand):
    help = "Serve a stand-in for KIE.AI until it is interrupted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        sandbox = settings.VAR_DIR / "sandbox"
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on.")
        parser.add_argument("--port", type=int, default=settings.KIE_SANDBOX_PORT)
        parser.add_argument("--folder", type=Path, default=sandbox, help="Keeps tasks and files.")
        parser.add_argument(
            "--seconds",
            type=float,
            default=settings.KIE_SANDBOX_SECONDS,
            help="How long a task takes.",
        )
        parser.add_argument("--credits", type=float, default=100_000, help="Balance at the start.")
        parser.add_argument(
            "--create-rate", type=int, default=20, help="Creations allowed in 10 seconds."
        )
        parser.add_argument(
            "--status-rate", type=int, default=10, help="Questions about tasks allowed a second."
        )
        parser.add_argument(
            "--clip", type=Path, help="Every task results in this file; none is rendered."
        )
        parser.add_argument(
            "--faults", type=float, default=0.0, help="Share of calls that go wrong by chance."
        )
        parser.add_argument("--seed", type=int, default=0, help="The same seed, the same faults.")
        parser.add_argument(
            "--pause", type=float, default=3.0, help="Seconds that a slow fault lasts."
        )
        parser.add_argument(
            "--words", action="store_true", help="List what can go wrong in it, and stop."
        )

    def handle(self, *args: Any, words: bool, **options: Any) -> None:
        if words:
            self._print_words()
        else:
            self._serve(options)

    def _print_words(self) -> None:
        for word, meaning in WORDS.items():
            self.stdout.write(f"sandbox:{word:<12} {meaning}")
        for call, kinds in FAULTS.items():
            for name, fault in kinds.items():
                self.stdout.write(f"--faults {call:<9} {name:<10} {fault.meaning}")

    def _serve(self, options: Mapping[str, Any]) -> None:
        sandbox = Sandbox(
            folder=options["folder"],
            api_key=settings.KIE_API_KEY,
            refusal_of=refusal_of,
            credits_for=credits_for,
            models=models_on_offer,
            seconds=options["seconds"],
            host=options["host"],
            port=options["port"],
            credits=options["credits"],
            create_rate=(options["create_rate"], 10.0),
            status_rate=(options["status_rate"], 1.0),
            webhook_key=next(iter(settings.KIE_WEBHOOK_KEYS), ""),
            clip=options["clip"],
            faults=Faults(options["faults"], seed=options["seed"], pause_seconds=options["pause"]),
        )
        # A supervisor says SIGTERM, a person says Ctrl-C: both end the serving the same way.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.stdout.write(f"KIE.AI sandbox on {sandbox.url}, files in {options['folder']}")
        with suppress(KeyboardInterrupt):
            sandbox.serve_forever()
        sandbox.stop()


def credits_for(creation: Creation) -> Decimal | None:
    return stand_in.credits_for(creation, prices=_prices())


def models_on_offer() -> list[ModelOnOffer]:
    return stand_in.models_on_offer(_prices())


def _prices() -> PriceList:
    """What counts now. The sandbox stands in for somebody else: our database may be away."""
    try:
        return PriceList.now()
    except DatabaseError:
        return PriceList()
    finally:
        # Each question to the sandbox has a thread of its own, which ends with it.
        connection.close()
