"""`make bench`: the speed claims, as ratios measured in one run. docs/performance.md keeps them.

Needs PostgreSQL: TEST_DATABASE_URL names a server on which a database of its own is made and
dropped (default: postgres://postgres@127.0.0.1:5432/postgres).
"""

import http.client
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

SERVER = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
DATABASE = "studio_bench"
WEB_PORT, UPSTREAM_PORT = 18471, 18472
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "400"))
DUE = 1000
# The loop is slow: its time for this many is scaled up to DUE.
LOOPED = 200

MINE = "INSERT INTO generated_videos ({columns}) SELECT {values} FROM generate_series(%s, %s) AS n"


@contextmanager
def database():
    """A PostgreSQL database of its own, dropped afterwards; its URL."""
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {DATABASE}")
        try:
            yield urlsplit(SERVER)._replace(path=f"/{DATABASE}").geturl()
        finally:
            server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@contextmanager
def process(*command):
    running = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(20)


def wait_for(port):
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz/")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing answers on port {port}")


class Browser:
    """One signed-in, kept-alive connection."""

    def __init__(self, session):
        self.connection = http.client.HTTPConnection("127.0.0.1", WEB_PORT, timeout=30)
        self.headers = {"Cookie": f"sessionid={session}", "Host": "127.0.0.1"}

    def get(self, path, **headers):
        """Seconds, status and body."""
        started = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers | headers)
        answer = self.connection.getresponse()
        body = answer.read()
        return time.perf_counter() - started, answer.status, body


def medians(browser, paths):
    """The median seconds of each path, asked in turn so that a slow moment hits them all."""
    times = {name: [] for name in paths}
    for turn in range(ROUNDS + 20):
        for name, path in paths.items():
            seconds, _, _ = browser.get(path)
            if turn >= 20:
                times[name].append(seconds)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def fill(user, others, *, first, last):
    """Completed videos, one a minute, every second one this person's."""
    from django.db import connection

    columns = {
        "id": "gen_random_uuid()",
        "user_id": f"CASE n %% 2 WHEN 0 THEN {user.pk} ELSE {others.pk} END",
        "task_id": "'bench-' || n",
        "prompt": "'A red fox trots through fresh snow at dusk, take ' || n",
        "provider": "'kie-veo3-fast'",
        "model": "'veo3_fast'",
        "generation_type": "'text2vid'",
        "status": "'completed'",
        "stage": "'settled'",
        "progress": "100",
        "video_url": "'https://results.example/v.mp4'",
        "thumbnail_url": "''",
        "error_message": "''",
        "failure": "''",
        "kie_message": "''",
        "family": "'veo'",
        "polls_unanswered": "0",
        "parameters": "'{}'",
        "aspect_ratio": "'16:9'",
        "duration": "8",
        "is_favorite": "false",
        "created_at": "now() - n * interval '1 minute'",
        "updated_at": "now() - n * interval '1 minute'",
        "completed_at": "now() - n * interval '1 minute'",
        "succeeded_at": "now() - n * interval '1 minute'",
        "accepted_at": "now() - n * interval '1 minute'",
        "archived_at": "now() - n * interval '1 minute'",
        "poll_count": "9",
        "offered_task_id": "''",
        "kie_state": "'1'",
        "kie_error_code": "''",
        "request_digest": "''",
        "file": "'videos/x/video.mp4'",
        "poster": "'videos/x/poster.webp'",
        "version": "n",
        "first_version": "n",
        "width": "1280",
        "height": "720",
        "archive_attempts": "0",
    }
    statement = MINE.format(columns=", ".join(columns), values=", ".join(columns.values()))
    with connection.cursor() as cursor:
        cursor.execute(statement, [first, last])
        cursor.execute("ANALYZE")


def session_of(user):
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


def pages(user, others):
    """The refresh and the first page against the floor, with few rows and with a million."""
    browser = Browser(session_of(user))
    results = []
    measured = {}
    for count, first in ((1_000, 1), (1_000_000, 1_001)):
        fill(user, others, first=first, last=count)
        type(user).objects.filter(pk=user.pk).update(gallery_version=count)
        paths = {"floor": "/floor/", "refresh": f"/updates/?since={count}", "page": "/"}
        assert browser.get(paths["refresh"])[1:] == (204, b"")
        assert browser.get("/")[2].count(b"<article") == 24
        measured[count] = medians(browser, paths)
        floor = measured[count]["floor"]
        for name, limit in (("refresh", 1.3), ("page", 5.0)):
            ratio = measured[count][name] / floor
            results.append((f"{name}, {count:,} rows, against the floor", ratio, "≤", limit))
        print(f"  {count:,} rows: " + ", ".join(ms(measured[count])))
    for name in ("refresh", "page"):
        # Each against the floor of its own moment: the machine may have been slower then.
        few, many = (measured[n][name] / measured[n]["floor"] for n in (1_000, 1_000_000))
        results.append((f"{name}, 1,000,000 rows against 1,000", many / few, "≤", 1.15))
    return results


def switching(user):
    """Choosing another model on the Generate tab: each that is offered, and the one with the most
    to show, against the floor of the same moments."""
    from generation.offers import offered

    browser = Browser(session_of(user))
    # As the page sends what stands in it: another model was chosen, in its place the first one.
    standing = "settings_of=kie-veo3-fast&parent=&aspect_ratio=16%3A9&resolution=1080p&duration=8"

    def seconds_of(key):
        headers = {"HX-Request": "true", "HX-Target": "settings"}
        seconds, status, body = browser.get(f"/generate/?provider={key}&{standing}", **headers)
        assert (status, f'data-service="{key}"'.encode() in body) == (200, True), key
        return seconds, len(body)

    keys = [provider.key for provider in offered(user) if not provider.continues]
    largest = max(keys, key=lambda key: seconds_of(key)[1])
    every, heaviest, floors = [], [], []
    for turn in range(ROUNDS):
        floors.append(browser.get("/floor/")[0])
        every.append(seconds_of(keys[turn % len(keys)])[0])
        heaviest.append(seconds_of(largest)[0])
    floor, usual, most = map(statistics.median, (floors, every, heaviest))
    print("  " + ", ".join(ms({"floor": floor, "any model": usual, largest: most})))
    return [
        (f"switching the model, any of {len(keys)}, against the floor", usual / floor, "≤", 2.0),
        ("switching to the model with the most to show", most / floor, "≤", 2.0),
    ]


def ms(times):
    return (f"{name} {seconds * 1000:.2f} ms" for name, seconds in times.items())


def polling(user):
    """One pass over a thousand due videos against the loop anybody would write first."""
    import requests
    from django.utils.timezone import now

    from gallery.models import Stage, Video
    from generation.kie.client import KieClient
    from generation.polling import poll_due_videos

    rows = [
        Video(
            user=user,
            task_id=f"due-{n}",
            prompt="due",
            provider="kie-hailuo-text2vid",
            model="hailuo/02-text-to-video-standard",
            generation_type="text2vid",
            stage=Stage.RUNNING,
            accepted_at=now(),
            expected_seconds=60,
            next_poll_at=now(),
        )
        for n in range(DUE)
    ]
    Video.objects.bulk_create(rows)
    url = f"http://127.0.0.1:{UPSTREAM_PORT}"
    client = KieClient(api_key="k", base_url=url, upload_base_url=url, connections=128)
    started = time.perf_counter()
    for video in rows[:LOOPED]:
        answer = requests.get(
            f"{url}/api/v1/jobs/recordInfo", params={"taskId": video.task_id}, timeout=20
        )
        video.kie_state = answer.json()["data"]["state"]
        video.next_poll_at = video.last_polled_at = now()
        video.save()
    loop = (time.perf_counter() - started) * DUE / LOOPED
    passes = []
    for _ in range(3):
        Video.objects.filter(pk__in=[v.pk for v in rows]).update(next_poll_at=now())
        started = time.perf_counter()
        report = poll_due_videos(client=client)
        passes.append(time.perf_counter() - started)
        assert report.running == DUE, report
    one = statistics.median(passes)
    print(f"  {DUE} due videos: loop {loop:.1f} s (scaled up from {LOOPED}), pass {one:.2f} s")
    return [(f"polling {DUE:,} due videos, loop against pass", loop / one, "≥", 30.0)]


def pss(pid):
    """Proportional memory of a process and its children, in MB, by process."""
    sizes = []
    for number in (pid, *children(pid)):
        rollup = Path(f"/proc/{number}/smaps_rollup").read_text()
        line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
        sizes.append(int(line.split()[1]) / 1024)
    return sizes


def children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    for child in found.split():
        yield int(child)
        yield from children(int(child))


def main():
    with database() as url:
        os.environ |= {
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
            "KIE_API_BASE_URL": f"http://127.0.0.1:{UPSTREAM_PORT}",
            "KIE_STATUS_CONNECTIONS": "128",
        }
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from videostudio.models import Heartbeat, User

        call_command("migrate", verbosity=0)
        user = User.objects.create_user("bench", "bench@example.com", "x")
        others = User.objects.create_user("others", "others@example.com", "x")
        Heartbeat.objects.beat(Heartbeat.WORKER)
        granian = (
            "-m granian --interface wsgi videostudio.wsgi:application --workers 1 "
            f"--blocking-threads 4 --port {WEB_PORT} --no-ws --log-level error"
        )
        celery = "-m celery -A videostudio worker --beat --pool threads --concurrency 8 -l ERROR"
        with (
            process("-m", "tests.bench.upstream", str(UPSTREAM_PORT)),
            process(*granian.split()) as web,
            process(*celery.split()) as worker,
        ):
            wait_for(WEB_PORT)
            results = switching(user)
            results += pages(user, others)
            results += polling(user)
            time.sleep(12)  # a tick, so that the worker has worked
            web_sizes, worker_sizes = pss(web.pid), pss(worker.pid)
            print(f"  PSS in MB: web {web_sizes}, worker with beat {worker_sizes}")
            results.append(("a web process after load, PSS in MB", max(web_sizes), "≤", 70.0))
            results.append(
                ("worker with beat after load, PSS in MB", sum(worker_sizes), "≤", 130.0)
            )
        connection.close()
    return report(results)


def report(results):
    print("\n| what | measured | promised | kept |\n| --- | --- | --- | --- |")
    broken = 0
    for what, value, sign, limit in results:
        kept = value <= limit if sign == "≤" else value >= limit
        broken += not kept
        print(f"| {what} | {value:.2f} | {sign} {limit:g} | {'yes' if kept else '**no**'} |")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
