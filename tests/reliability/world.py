"""Where the sections run: servers of their own, a folder of their own, a clip to be the result."""

import itertools
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from generation.kie.sandbox.clips import ClipOrder, render_clip
from tests.reliability.kills import digest_of
from tests.reliability.servers import Postgres, Redis
from tests.reliability.studio import Studio

# Small: what is rendered and looked into here is not what is measured.
CLIP = ClipOrder(prompt="a red kite", model="rig", width=320, height=180, seconds=2)


class World:
    """`with World() as world`: everything that was started is gone afterwards."""

    def __init__(self, *, embedded=False):
        self.is_embedded = embedded
        self.folder = Path(tempfile.mkdtemp(prefix="studio-rig-"))
        self.postgres = self.redis = None
        self._numbers = itertools.count(1)

    def __enter__(self):
        self.clip = self.folder / "clip.mp4"
        render_clip(CLIP, self.clip)
        if not self.is_embedded:
            self.redis = Redis(self.folder)
            self.redis.start()
            self.postgres = Postgres()
        self.digest = digest_of(self.clip)
        return self

    def __exit__(self, *what_happened):
        if self.redis:
            self.redis.stop()
        if self.postgres:
            self.postgres.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def servers(self):
        return "SQLite and the embedded broker" if self.is_embedded else "PostgreSQL and Redis"

    @contextmanager
    def studio(self, **options):
        """A studio with nothing in it, stopped afterwards."""
        folder = self.folder / f"studio{next(self._numbers)}"
        folder.mkdir()
        if not self.is_embedded:
            self._empty()
            options |= {"database_url": self.postgres.url, "redis_url": self.redis.url}
        studio = Studio(folder, **options)
        try:
            yield studio
        finally:
            studio.stop()

    def _empty(self):
        import psycopg

        server = self.postgres.url.replace("/studio", "/postgres")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP DATABASE studio WITH (FORCE)")
            connection.execute("CREATE DATABASE studio")
        # Kept in memory alone: started again, it is empty.
        self.redis.stop()
        self.redis.start()
