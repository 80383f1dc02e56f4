"""`manage.py models`: what the catalogue has, and whether KIE.AI still has the same."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generation.catalogue import PROVIDERS, PURPOSES, Provider, current
from generation.comparison import Comparison, compare
from generation.kie.client import KieClient
from generation.kie.errors import KieError
from generation.live_catalogue import listed
from generation.management.tables import aligned
from generation.models import Offer
from generation.price_list import PriceList

COLUMNS = ("key", "label", "maker", "kinds", "models", "families", "from", "status")
HEADINGS = {
    "new": "New at KIE.AI",
    "gone": "Gone from KIE.AI",
    "parameter": "Other parameters",
    "price": "Other prices",
}


class Command(BaseCommand):
    help = (
        "List the catalogue, or hold it against KIE.AI's live one; nothing is changed. "
        "Exit status: 0 listed, or equal; 1 something differs; 2 no answer from KIE.AI, or wrong "
        "usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--maker", help="services of this maker only")
        parser.add_argument("--kind", choices=list(PURPOSES), help="services of this kind only")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--compare",
            action="store_true",
            help="ask KIE.AI what it has now: one question a second, about one for each model",
        )

    def handle(
        self, *args: Any, maker: str | None, kind: str | None, json: bool, **options: Any
    ) -> None:
        chosen = _chosen(maker, kind)
        if options["compare"]:
            self._compare(chosen, is_whole=not (maker or kind), as_json=json)
        else:
            self._list(chosen, as_json=json)

    def _list(self, providers: list[Provider], *, as_json: bool) -> None:
        prices, words = PriceList.now(), _status_words()
        rows = [_row(provider, prices, words) for provider in providers]
        if as_json:
            self.stdout.write(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        cells = [[_cell(row[name]) for name in COLUMNS] for row in rows]
        for line in aligned([[name.upper() for name in COLUMNS], *cells]):
            self.stdout.write(line)

    def _compare(self, providers: list[Provider], *, is_whole: bool, as_json: bool) -> None:
        # A model that one of them shares with others is compared as a whole.
        chosen = {provider.key for provider in providers}
        models = [
            model
            for model in listed(PROVIDERS.values())
            if any(provider.key in chosen for provider, _ in model.choices)
        ]
        try:
            found = compare(
                models,
                client=KieClient.from_settings(),
                prices=PriceList.now(),
                is_whole=is_whole,
                tell=self.stderr.write,
            )
        except KieError as error:
            raise CommandError(f"KIE.AI gives no answer: {error}", returncode=2) from error
        if as_json:
            self.stdout.write(json.dumps(asdict(found), indent=1, ensure_ascii=False))
        else:
            self._report(found)
        if found.differences:
            raise SystemExit(1)

    def _report(self, found: Comparison) -> None:
        for kind, heading in HEADINGS.items():
            mine = [each for each in found.differences if each.kind == kind]
            if mine:
                self.stdout.write(f"{heading} ({len(mine)})")
            for each in mine:
                self.stdout.write(f"  {each.model}: {each.what}")
        if found.notes:
            self.stdout.write(f"Not compared ({len(found.notes)})")
        for note in found.notes:
            self.stdout.write(f"  {note}")
        count = len(found.differences)
        self.stdout.write(f"{found.compared} models compared, {count or 'no'} difference(s)")


def _chosen(maker: str | None, kind: str | None) -> list[Provider]:
    chosen = [
        provider
        for provider in PROVIDERS.values()
        if (not maker or provider.maker.lower() == maker.lower())
        and (not kind or provider.mode_of_type(kind))
    ]
    if not chosen:
        makers = ", ".join(dict.fromkeys(provider.maker for provider in PROVIDERS.values()))
        raise CommandError(f"no such service; the makers are {makers}", returncode=2)
    return chosen


def _row(provider: Provider, prices: PriceList, words: dict[str, str]) -> dict[str, Any]:
    modes = provider.modes
    cheapest = prices.cheapest(provider)
    return {
        "key": provider.key,
        "label": provider.label,
        "maker": provider.maker,
        "kinds": [mode.generation_type for mode in modes],
        "models": list(dict.fromkeys(mode.model for mode in modes)),
        "families": list(dict.fromkeys(mode.family.name for mode in modes)),
        "from": str(cheapest) if cheapest else "",
        "status": words[provider.key],
    }


def _status_words() -> dict[str, str]:
    """Of each service: on, off, for whom, or retired."""
    offers = {offer.provider: offer for offer in Offer.objects.prefetch_related("groups")}
    offered = {provider.key for provider in current()}
    return {key: _status(offers.get(key), is_current=key in offered) for key in PROVIDERS}


def _status(offer: Offer | None, *, is_current: bool) -> str:
    if not is_current:
        return "retired"
    if offer is None:
        return "on"
    if not offer.is_offered:
        return "off"
    groups = ", ".join(group.name for group in offer.groups.all())
    return f"on for {groups}" if groups else "on"


def _cell(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else value or "-"
