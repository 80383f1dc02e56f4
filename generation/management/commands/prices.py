"""`manage.py prices`: what services cost, where that is from, and newer prices in its place."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generation.catalogue import PROVIDERS, Mode, Provider
from generation.management.tables import aligned
from generation.models import PriceOverride
from generation.price_list import PriceList
from generation.prices import PriceLine
from generation.repricing import (
    FILE,
    OVERRIDE,
    NewPrices,
    NotAPriceList,
    changes,
    objections_to_stored,
    read_price_file,
    store,
)

HEADINGS = ("SERVICE", "KIND", "CONDITION", "PER", "USD", "AS OF", "SOURCE")


class Command(BaseCommand):
    help = (
        "List what services cost by the price list, or store newer prices. "
        "Exit status: 0 done, 2 wrong usage or a file that cannot be used (nothing is stored then)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--service", metavar="KEY", help="list this one only")
        parser.add_argument("--json", action="store_true", help="list it for programs")
        change = parser.add_mutually_exclusive_group()
        change.add_argument(
            "--update", metavar="FILE", help="store what this JSON file says; - is standard input"
        )
        change.add_argument(
            "--reset", metavar="KEY", help="let the catalogue's own prices count again"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change")

    def handle(
        self, *args: Any, update: str, reset: str, service: str, dry_run: bool, **options: Any
    ) -> None:
        if update:
            self._update(update, dry_run=dry_run)
        elif reset:
            self._reset(_provider(reset), dry_run=dry_run)
        else:
            chosen = [_provider(service)] if service else list(PROVIDERS.values())
            self._list(chosen, as_json=options["json"])

    # --- Listing ----------------------------------------------------------------------------

    def _list(self, providers: list[Provider], *, as_json: bool) -> None:
        stored = {(row.provider, row.generation_type): row for row in PriceOverride.objects.all()}
        prices = PriceList.of(stored.values())
        modes = [(provider, mode) for provider in providers for mode in provider.modes]
        if as_json:
            entries = [
                _entry(provider, mode, prices, stored.get((provider.key, mode.generation_type)))
                for provider, mode in modes
                # Where the list is silent there is nothing that could be stored again.
                if prices.lines(provider, mode)
            ]
            self.stdout.write(json.dumps(entries, indent=1, ensure_ascii=False))
            return
        rows: list[tuple[str, ...]] = [HEADINGS]
        for provider, mode in modes:
            row = stored.get((provider.key, mode.generation_type))
            rows += _rows(provider, mode, prices.lines(provider, mode), row)
        for line in aligned(rows):
            self.stdout.write(line)
        for row in stored.values():
            for why in objections_to_stored(row):
                self.stderr.write(f"stored prices do not fit the catalogue any more: {why}")

    # --- Changing ---------------------------------------------------------------------------

    def _update(self, path: str, *, dry_run: bool) -> None:
        try:
            text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
            found = read_price_file(text)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}", returncode=2) from error
        except NotAPriceList as error:
            for why in error.objections:
                self.stderr.write(why)
            raise CommandError("Nothing was stored.", returncode=2) from error
        news = self._tell_news(found)
        if not dry_run:
            store(news, by="manage.py prices")
        done = "would be stored" if dry_run else "stored"
        self.stdout.write(f"{len(news)} {done}, {len(found) - len(news)} as before")

    def _tell_news(self, found: list[NewPrices]) -> list[NewPrices]:
        """Those that change something, each change told."""
        now_listed, news = PriceList.now(), []
        for new in found:
            before = now_listed.lines(new.provider, new.mode)
            told = [*changes(before, new.price_lines, name=new.name)]
            for change in told:
                self.stdout.write(change)
            if told:
                news.append(new)
        return news

    def _reset(self, provider: Provider, *, dry_run: bool) -> None:
        rows = PriceOverride.objects.filter(provider=provider.key)
        now_listed = PriceList.of(rows)
        for mode in provider.modes:
            name = f"{provider.key} {mode.generation_type}"
            for change in changes(now_listed.lines(provider, mode), mode.prices, name=name):
                self.stdout.write(change)
        removed = rows.count() if dry_run else rows.delete()[0]
        self.stdout.write(f"{removed} {'would be reset' if dry_run else 'reset'}")


def _provider(key: str) -> Provider:
    try:
        return PROVIDERS[key]
    except KeyError:
        raise CommandError(f"no such service: {key}", returncode=2) from None


def _rows(
    provider: Provider, mode: Mode, lines: tuple[PriceLine, ...], row: PriceOverride | None
) -> Iterator[tuple[str, ...]]:
    service = (provider.key, mode.generation_type)
    source = OVERRIDE if row else FILE
    if not lines:
        yield (*service, "unknown", "-", "-", "-", source)
    for line in lines:
        amount = f"{line.usd.normalize():f}"
        yield (*service, line.condition, line.per, amount, f"{line.as_of}", source)


def _entry(
    provider: Provider, mode: Mode, prices: PriceList, row: PriceOverride | None
) -> dict[str, Any]:
    """As --update reads it, and a little more."""
    lines = prices.lines(provider, mode)
    latest = max((line.as_of for line in lines), default=None)
    return {
        "key": provider.key,
        "label": provider.label,
        "generation_type": mode.generation_type,
        "as_of": latest and f"{latest}",
        "prices": [
            {"when": dict(line.when), "per": line.per, "usd": float(line.usd)}
            # A line's own day would outlive an edited day of the whole.
            | ({} if line.as_of == latest else {"as_of": f"{line.as_of}"})
            for line in lines
        ],
        "source": (row.source or OVERRIDE) if row else FILE,
    }
