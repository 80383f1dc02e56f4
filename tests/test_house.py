"""The house keeps its own rules: imports go down, settings are documented, nothing is left over."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("videostudio", "gallery", "generation")

# From the top down: a module may import what stands below it, never what stands above.
FLOORS = (
    (
        "generation.views",
        "generation.prompt_views",
        "generation.input_views",
        "generation.picker_views",
        "generation.templatetags",
        "generation.webhooks",
        "generation.urls",
        "generation.admin",
        "generation.offers_admin",
        "generation.management",
        "generation.apps",
        "generation.checks",
    ),
    ("generation.tasks",),
    (
        "generation.submission",
        "generation.polling",
        "generation.archive",
        "generation.recovery",
        "generation.sweeping",
    ),
    ("generation.recording", "generation.asking", "generation.acceptance", "generation.download"),
    ("generation.balance", "generation.limits"),
    ("generation.outage",),
    (
        "generation.forms",
        "generation.going_on",
        "generation.fields",
        "generation.request",
        "generation.rows",
        "generation.shapes",
        "generation.prompts",
        "generation.presets",
        "generation.inputs",
        "generation.carrying",
        "generation.callbacks",
        "generation.public_web",
        "generation.failures",
        "generation.clip",
        "generation.documents",
        "generation.pdf",
        "generation.storage",
    ),
    (
        "generation.offers",
        "generation.price_list",
        "generation.repricing",
        "generation.service_facts",
        "generation.live_catalogue",
        "generation.comparison",
        "generation.stand_in",
    ),
    ("generation.catalogue", "generation.prices", "generation.schema"),
    ("generation.kie",),
    ("generation.models",),
)
PASSES = (
    "generation.submission",
    "generation.polling",
    "generation.archive",
    "generation.recovery",
    "generation.sweeping",
)


def modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield name.removesuffix(".__init__"), path


def imports_of(name, path):
    """The modules of ours that this one imports, also inside functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, base]).rstrip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def floor_of(name):
    """How far up a module stands; None for one that has no floor."""
    for height, floor in enumerate(reversed(FLOORS)):
        if any(name == room or name.startswith(f"{room}.") for room in floor):
            return height
    return None


MODULES = dict(modules())


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down(name):
    mine = floor_of(name)
    above = [
        other
        for other in imports_of(name, MODULES[name])
        if mine is not None and (floor_of(other) or 0) > mine
    ]

    assert above == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("gallery")])
def test_the_gallery_knows_nothing_of_how_videos_come_to_be(name):
    assert [i for i in imports_of(name, MODULES[name]) if i.startswith("generation")] == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("generation.kie")])
def test_kie_knows_no_video_no_request_and_no_celery(name):
    foreign = ("gallery", "celery", "generation.request", "generation.catalogue")

    assert [i for i in imports_of(name, MODULES[name]) if i.startswith(foreign)] == []


@pytest.mark.parametrize("name", PASSES)
def test_passes_are_neighbours_that_never_call_each_other(name):
    others = tuple(other for other in PASSES if other != name)

    assert [i for i in imports_of(name, MODULES[name]) if i.startswith(others)] == []


def test_every_module_of_generation_has_a_floor():
    without = [n for n in MODULES if n.startswith("generation.") and floor_of(n) is None]

    assert without == []


def test_every_setting_is_explained_to_operators():
    settings = (ROOT / "videostudio" / "settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', settings))
    explained = set(re.findall(r"`([A-Z0-9_]+)`", (ROOT / "docs" / "operations.md").read_text()))

    assert names - explained == set()
    assert len(names) > 20


def test_templates_work_under_a_strict_policy():
    forbidden = re.compile(r"hx-on|\bon\w+=|<style|style=\"|hx-vals='js:|<script(?![^>]*src=)")
    guilty = {
        str(path.relative_to(ROOT)): found
        for path in (ROOT / "templates").rglob("*.html")
        if (found := forbidden.findall(path.read_text()))
    }

    assert guilty == {}


def test_no_template_trusts_a_text():
    trusting = re.compile(r"\|safe\b|autoescape off")
    guilty = [
        p.name
        for p in (ROOT / "templates").rglob("*")
        if p.is_file() and trusting.search(p.read_text())
    ]

    assert guilty == []


def test_locks_name_no_address():
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text


def test_models_and_migrations_agree(db):
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_production_settings_pass_djangos_own_check(tmp_path):
    import os
    import sys

    production = {
        "PUBLIC_URL": "https://studio.example.com",
        "TRUST_PROXY": "on",
        "KIE_API_KEY": "a-key",
        "SECRET_KEY": "k" * 20 + "0123456789abcdefghijklmnopqrstuvwxyz",
        "EMAIL_URL": "smtp://mail.example.com:587/",
        "VAR_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "videostudio.settings",
    }

    check = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **production},
        capture_output=True,
        text=True,
        check=False,
    )

    assert check.returncode == 0, check.stderr
