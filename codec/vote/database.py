"""The file of rooms and votes: one SQLite database, its schema, and how an older one is brought up to date.

The folder is what CODEC_VOTES names, else the user's data folder. Where nothing can be written the votes are in memory,
and `Database.lasting` says so. Write-ahead log, flushed at each commit; the schema has a version, and an older file is
migrated when it is opened. Deleted rows are overwritten.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from codec.errors import CodecError

FILE = "votes.sqlite3"

#: What brings the schema from version n to n + 1. Entries are never changed, only added.
MIGRATIONS = (
    """
    CREATE TABLE sets (id TEXT PRIMARY KEY, setup TEXT NOT NULL, file BLOB NOT NULL, created REAL NOT NULL);
    CREATE TABLE crops (
        set_id TEXT NOT NULL REFERENCES sets ON DELETE CASCADE, image INTEGER NOT NULL, method TEXT NOT NULL,
        png BLOB NOT NULL, PRIMARY KEY (set_id, image, method));
    CREATE TABLE rooms (
        code TEXT PRIMARY KEY, secret TEXT NOT NULL, salt TEXT NOT NULL, set_id TEXT NOT NULL REFERENCES sets,
        question TEXT NOT NULL, ties INTEGER NOT NULL, practice INTEGER NOT NULL, created REAL NOT NULL,
        closes REAL, revealed INTEGER NOT NULL DEFAULT 0, next TEXT NOT NULL DEFAULT '',
        epoch INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE names (
        name TEXT PRIMARY KEY, room TEXT NOT NULL REFERENCES rooms ON DELETE CASCADE, image INTEGER NOT NULL,
        method TEXT NOT NULL);
    CREATE TABLE voters (
        id INTEGER PRIMARY KEY, room TEXT NOT NULL REFERENCES rooms ON DELETE CASCADE, token TEXT NOT NULL UNIQUE,
        joined REAL NOT NULL);
    CREATE TABLE trials (
        id TEXT PRIMARY KEY, voter INTEGER NOT NULL REFERENCES voters ON DELETE CASCADE, position INTEGER NOT NULL,
        image INTEGER NOT NULL, left_ TEXT NOT NULL, right_ TEXT NOT NULL, kind TEXT NOT NULL);
    CREATE TABLE votes (
        trial TEXT PRIMARY KEY REFERENCES trials ON DELETE CASCADE, choice TEXT NOT NULL, ms INTEGER NOT NULL,
        width INTEGER NOT NULL, dpr REAL NOT NULL);
    CREATE INDEX voters_of ON voters (room);
    CREATE INDEX trials_of ON trials (voter);
    CREATE INDEX names_of ON names (room);
    """,
    """
    CREATE TABLE hands (
        room TEXT NOT NULL REFERENCES rooms ON DELETE CASCADE, image INTEGER NOT NULL, first TEXT NOT NULL,
        second TEXT NOT NULL, for_first INTEGER NOT NULL, for_second INTEGER NOT NULL, ties INTEGER NOT NULL,
        PRIMARY KEY (room, image, first, second));
    CREATE TABLE earlier (
        room TEXT NOT NULL REFERENCES rooms ON DELETE CASCADE, label TEXT NOT NULL, votes TEXT NOT NULL,
        PRIMARY KEY (room, label));
    """,
    "ALTER TABLE rooms ADD COLUMN began REAL;",  # when its time began anew
)


class Refused(CodecError):
    """What a room does not take. status: of HTTP; key: of the sentence."""

    def __init__(self, status: int, key: str):
        super().__init__(key)
        self.status, self.key = status, key


def folder() -> Path:
    """Where votes lie: what CODEC_VOTES names, or the user's data folder."""
    named = os.environ.get("CODEC_VOTES")
    return Path(named) if named else Path(platformdirs.user_data_path("learned-image-codec", appauthor=False))


def hashed(*values: str) -> str:
    return hashlib.sha256("\0".join(values).encode()).hexdigest()


class Database:
    """One connection, used by one thread at a time. `clock` is `time.time`, and another in tests."""

    def __init__(self, where: Path | None = None, clock: Callable[[], float] = time.time):
        self.clock, self.lock = clock, threading.RLock()
        self.path = (folder() if where is None else where) / FILE
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.db = self._opened(str(self.path))
            self.lasting = True
        except (OSError, sqlite3.OperationalError):
            self.db = self._opened(":memory:")
            self.lasting = False

    def _opened(self, name: str) -> sqlite3.Connection:
        db = sqlite3.connect(name, check_same_thread=False, isolation_level=None, timeout=10)
        db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            db.execute(f"PRAGMA {pragma}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            db.close()
            raise CodecError(f"'{name}' was written by a newer version of this program; update it, or move the file.")
        for number in range(version, len(MIGRATIONS)):
            db.executescript(f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version={number + 1}; COMMIT;")
        return db

    def close(self) -> None:
        with self.lock:
            self.db.close()

    @contextlib.contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, on disk when it ends, or none of it."""
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:  # SQLite itself has rolled it back where the disk is full
                    self.db.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values) -> list[sqlite3.Row]:
        with self.lock:
            return self.db.execute(query, values).fetchall()
