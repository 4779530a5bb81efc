"""Rooms and votes in one SQLite file, so that a vote that was acknowledged survives whatever ends the program.

The folder is what CODEC_VOTES names, else the user's data folder. Where nothing can be written the votes are in memory,
and `Store.lasting` says so. Write-ahead log, flushed at each commit; the schema has a version, and an older file is
migrated when it is opened. Deleted rows are overwritten.

Nothing personal is stored: of a voter, a hash of a random token. Everything of a room goes after KEEP seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import random
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import platformdirs

from codec.errors import CodecError
from codec.vote import trials
from codec.vote.ballots import Hands, Vote
from codec.vote.trials import CHOICES, Trial

FILE = "votes.sqlite3"
KEEP = 24 * 3600  # seconds
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0 and O, 1 and I
CODE_LENGTH = 4
MAX_ROOMS = 200
MAX_BYTES, MAX_MEMORY = 2_000_000_000, 200_000_000  # of the file, or of what is in memory where there is none
MAX_VOTERS = 500  # of a room
RECENT = 150  # images in memory, 400 kB each: those of a room that votes
MAX_EARLIER = 20_000  # votes of earlier classes that a room can hold
HANDED_OUT = 300  # seconds for which a trial that nobody has answered counts as a vote to come
QUESTIONS = CLOSER, BETTER = ("closer", "better")

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


class Store:
    """One connection, used by one thread at a time. `clock` is `time.time`, and another in tests."""

    def __init__(self, where: Path | None = None, clock: Callable[[], float] = time.time):
        self.clock, self.lock = clock, threading.RLock()
        self.recent: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
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
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def rows(self, query: str, *values) -> list[sqlite3.Row]:
        with self.lock:
            return self.db.execute(query, values).fetchall()

    # --- sets and rooms -------------------------------------------------------------------------------------

    def add_set(self, id_: str, setup: dict, file: bytes, pngs: Mapping[tuple[int, str], bytes]) -> None:
        """Keeps a set until no room has it any more. Raises Refused where there is no room for it."""
        if self.size() + len(file) + sum(map(len, pngs.values())) > (MAX_BYTES if self.lasting else MAX_MEMORY):
            raise Refused(507, "full")
        with self.changing() as db:
            text = json.dumps(setup, ensure_ascii=False)
            db.execute("INSERT OR IGNORE INTO sets VALUES (?, ?, ?, ?)", (id_, text, file, self.clock()))
            db.executemany(
                "INSERT OR IGNORE INTO crops VALUES (?, ?, ?, ?)", [(id_, *key, png) for key, png in pngs.items()]
            )

    def size(self) -> int:
        pages, free, page = (self.rows(f"PRAGMA {p}")[0][0] for p in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * page

    def add_room(
        self, set_id: str, question: str, ties: bool, practice: bool, minutes: float | None
    ) -> tuple[str, str]:
        """(code, secret) of a new room. Raises Refused."""
        if question not in QUESTIONS:
            raise Refused(400, "bad_request")
        secret = secrets.token_urlsafe(18)
        with self.changing() as db:
            if db.execute("SELECT count(*) FROM rooms").fetchone()[0] >= MAX_ROOMS:
                raise Refused(503, "full")
            code = self._free_code(db)
            now = self.clock()
            closes = now + 60 * minutes if minutes else None
            room = (code, hashed(secret), secrets.token_hex(8), set_id, question, ties, practice, now, closes)
            db.execute(
                "INSERT INTO rooms (code, secret, salt, set_id, question, ties, practice, created, closes) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                room,
            )
            crops = db.execute("SELECT image, method FROM crops WHERE set_id = ?", (set_id,)).fetchall()
            # Names of this room's own: what a name shows, nobody learns from another room's reveal.
            db.executemany(
                "INSERT INTO names VALUES (?, ?, ?, ?)", [(secrets.token_hex(16), code, *crop) for crop in crops]
            )
        return code, secret

    def _free_code(self, db: sqlite3.Connection) -> str:
        while True:
            code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
            if not db.execute("SELECT 1 FROM rooms WHERE code = ?", (code,)).fetchone():
                return code

    def room(self, code: str) -> sqlite3.Row:
        """The room with this code. Raises Refused where there is none."""
        rows = self.rows("SELECT * FROM rooms WHERE code = ? AND created > ?", code.upper(), self.clock() - KEEP)
        if not rows:
            raise Refused(404, "no_room")
        return rows[0]

    def hosted(self, code: str, secret: str) -> sqlite3.Row:
        """The room, for whoever has its secret. Raises Refused, the same for a wrong code as for a wrong secret."""
        rows = self.rows("SELECT * FROM rooms WHERE code = ? AND created > ?", code.upper(), self.clock() - KEEP)
        if not hmac.compare_digest(rows[0]["secret"] if rows else hashed(""), hashed(secret)) or not rows:
            raise Refused(403, "not_host")
        return rows[0]

    def is_open(self, room: sqlite3.Row) -> bool:
        return not room["revealed"] and not (room["closes"] and self.clock() > room["closes"])

    def change(self, code: str, **values: object) -> None:
        """Sets columns of a room: revealed, next, closes."""
        columns = ", ".join(f"{name} = ?" for name in values)  # names are the callers', never a request's
        with self.changing() as db:
            db.execute(f"UPDATE rooms SET {columns} WHERE code = ?", (*values.values(), code))

    def clear(self, code: str) -> None:
        """Deletes a room's votes and voters, ends its practice, and opens it again: whoever is there joins anew."""
        with self.changing() as db:
            for table in ("voters", "hands", "earlier"):
                db.execute(f"DELETE FROM {table} WHERE room = ?", (code,))
            db.execute("UPDATE rooms SET practice = 0, revealed = 0, epoch = epoch + 1 WHERE code = ?", (code,))

    def delete(self, code: str) -> None:
        """Deletes a room with everything in it, and its set where no other room has it."""
        with self.changing() as db:
            db.execute("DELETE FROM rooms WHERE code = ?", (code,))
            self._delete_sets(db)
        self._truncate()

    def sweep(self) -> int:
        """Deletes the rooms whose time is over, and sets that no room has. How many rooms that were."""
        with self.changing() as db:
            count = db.execute("DELETE FROM rooms WHERE created <= ?", (self.clock() - KEEP,)).rowcount
            self._delete_sets(db)
        if count:
            self._truncate()
        return count

    def _delete_sets(self, db: sqlite3.Connection) -> None:
        # A set that was just prepared has no room for a moment.
        db.execute("DELETE FROM sets WHERE id NOT IN (SELECT set_id FROM rooms) AND created < ?", (self.clock() - 60,))

    def _truncate(self) -> None:
        """What was deleted must not live on in the log or in memory."""
        with self.lock:
            self.recent.clear()
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def setup(self, set_id: str) -> dict:
        return json.loads(self.rows("SELECT setup FROM sets WHERE id = ?", set_id)[0]["setup"])

    def set_file(self, set_id: str) -> bytes:
        return self.rows("SELECT file FROM sets WHERE id = ?", set_id)[0]["file"]

    def png(self, name: str) -> bytes:
        """The image of this name, whose room is still there. Raises Refused."""
        rows = self.rows(
            "SELECT png, created FROM names JOIN rooms ON rooms.code = names.room "
            "JOIN crops ON crops.set_id = rooms.set_id AND crops.image = names.image AND crops.method = names.method "
            "WHERE name = ? AND rooms.created > ?",
            name,
            self.clock() - KEEP,
        )
        if not rows:
            raise Refused(404, "no_room")
        with self.lock:
            self.recent[name] = (rows[0]["png"], rows[0]["created"])
            while len(self.recent) > RECENT:
                self.recent.popitem(last=False)
        return rows[0]["png"]

    def recent_png(self, name: str) -> bytes | None:
        """The same without the database: what was asked for a short while ago, or None."""
        png, created = self.recent.get(name, (None, 0.0))
        return png if created > self.clock() - KEEP else None

    def names(self, code: str) -> dict[tuple[int, str], str]:
        """The names that a room has for its images, by (image, method)."""
        return {(r["image"], r["method"]): r["name"] for r in self.rows("SELECT * FROM names WHERE room = ?", code)}

    # --- voters ---------------------------------------------------------------------------------------------

    def join(self, code: str, rng: random.Random) -> str:
        """The token of a new voter, who has trials from here on. Raises Refused."""
        room = self.room(code)
        if not self.is_open(room):
            raise Refused(410, "closed")
        setup, token = self.setup(room["set_id"]), secrets.token_urlsafe(16)
        images, methods = len(setup["images"]), [m["key"] for m in setup["methods"]]
        with self.changing() as db:
            if db.execute("SELECT count(*) FROM voters WHERE room = ?", (code,)).fetchone()[0] >= MAX_VOTERS:
                raise Refused(503, "room_full")
            if room["practice"]:
                own = trials.practice(images, methods, rng)
            else:
                own = trials.design(images, methods, self._given(code, methods), rng)
            voter = db.execute(
                "INSERT INTO voters (room, token, joined) VALUES (?, ?, ?)", (code, hashed(token), self.clock())
            ).lastrowid
            rows = [
                (secrets.token_hex(8), voter, position, t.image, t.left, t.right, t.kind)
                for position, t in enumerate(own, 1)
            ]
            values = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(rows))
            db.execute(f"INSERT INTO trials VALUES {values}", [value for row in rows for value in row])
        return token

    def _given(self, code: str, methods: list[str]) -> dict[tuple[int, str, str], int]:
        """Votes by unit, and trials that were handed out so shortly ago that their votes are still to come."""
        rows = self.rows(
            "SELECT image, left_, right_, count(*) AS n FROM trials JOIN voters ON voters.id = trials.voter "
            "LEFT JOIN votes ON votes.trial = trials.id WHERE room = ? AND kind = ? "
            "AND (votes.trial IS NOT NULL OR joined > ?) GROUP BY image, left_, right_",
            code,
            trials.VOTE,
            self.clock() - HANDED_OUT,
        )
        given: dict[tuple[int, str, str], int] = {}
        for row in rows:
            unit = (row["image"], *sorted((row["left_"], row["right_"]), key=methods.index))
            given[unit] = given.get(unit, 0) + row["n"]
        return given

    def trials(self, code: str, token: str) -> list[tuple[str, Trial, str | None]]:
        """(id, trial, the choice or None) of a voter in order. Raises Refused for a token that is not of this room."""
        rows = self.rows(
            "SELECT trials.*, choice FROM trials JOIN voters ON voters.id = trials.voter "
            "LEFT JOIN votes ON votes.trial = trials.id WHERE room = ? AND token = ? ORDER BY position",
            code,
            hashed(token),
        )
        if not rows:
            raise Refused(403, "not_yours")
        return [(r["id"], Trial(r["image"], r["left_"], r["right_"], r["kind"]), r["choice"]) for r in rows]

    def vote(self, code: str, token: str, trial: str, choice: str, ms: int, width: int, dpr: float) -> None:
        """Stores a vote. The same again changes nothing. Raises Refused for another's trial, or another choice."""
        # Two statements: at each of them the interpreter may be away for as long as somebody's image is coded.
        with self.lock:
            row = self._asked(code, token, trial)
            if choice not in CHOICES or (choice == trials.TIE and not row["ties"]):
                raise Refused(400, "bad_request")
            if row["choice"] is None:
                if not self.is_open(row):
                    raise Refused(410, "closed")
                values = (trial, choice, ms, width, dpr)
                self.db.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?)", values)  # is on disk when this returns
            elif row["choice"] != choice:
                raise Refused(409, "voted")

    def _asked(self, code: str, token: str, trial: str) -> sqlite3.Row:
        """The room of a voter's trial, and the choice or None. Raises Refused where it is not this voter's."""
        rows = self.rows(
            "SELECT rooms.*, choice FROM trials JOIN voters ON voters.id = trials.voter "
            "JOIN rooms ON rooms.code = voters.room LEFT JOIN votes ON votes.trial = trials.id "
            "WHERE trials.id = ? AND rooms.code = ? AND token = ? AND created > ?",
            trial,
            code,
            hashed(token),
            self.clock() - KEEP,
        )
        if not rows:
            raise Refused(403, "not_yours")
        return rows[0]

    def counts(self, code: str) -> dict[str, int]:
        """All that a host sees before the reveal."""
        row = self.rows(
            "SELECT count(DISTINCT voters.id) AS joined, count(votes.trial) AS votes, count(trials.id) AS expected "
            "FROM voters JOIN trials ON trials.voter = voters.id LEFT JOIN votes ON votes.trial = trials.id "
            "WHERE room = ?",
            code,
        )[0]
        return dict(row)

    def votes(self, code: str) -> list[Vote]:
        """The votes of a room, none of a practice round; voters by a hash that is the room's own."""
        room = self.rows("SELECT * FROM rooms WHERE code = ?", code)[0]
        rows = self.rows(
            "SELECT trials.*, votes.*, token FROM votes JOIN trials ON trials.id = votes.trial "
            "JOIN voters ON voters.id = trials.voter WHERE room = ? AND kind != ? ORDER BY voters.id, position",
            code,
            trials.PRACTICE,
        )
        # Rooms in an export are hashes as well: a code is short, and says when and where.
        label = hashed(room["salt"], code)[:8]
        return [
            Vote(
                label,
                hashed(room["salt"], r["token"])[:16],
                *(r["position"], r["kind"], room["question"], r["image"], r["left_"], r["right_"], r["choice"]),
                *(r["ms"], r["width"], r["dpr"]),
            )
            for r in rows
        ]

    # --- hands, and earlier classes -------------------------------------------------------------------------

    def raise_hands(self, code: str, hands: Hands) -> None:
        """Sets the counts of a pair on an image."""
        values = (hands.image, hands.first, hands.second, hands.for_first, hands.for_second, hands.ties)
        with self.changing() as db:
            db.execute("INSERT OR REPLACE INTO hands VALUES (?, ?, ?, ?, ?, ?, ?)", (code, *values))

    def hands(self, code: str) -> list[Hands]:
        return [Hands(*tuple(row)[1:]) for row in self.rows("SELECT * FROM hands WHERE room = ? ORDER BY image", code)]

    def add_earlier(self, code: str, label: str, votes: list[Vote]) -> None:
        """Keeps votes of an earlier class beside a room's own. Raises Refused beyond MAX_EARLIER."""
        rows = [vars(v) for v in votes]
        with self.changing() as db:
            others = db.execute("SELECT votes FROM earlier WHERE room = ? AND label != ?", (code, label)).fetchall()
            if sum(len(json.loads(row["votes"])) for row in others) + len(rows) > MAX_EARLIER:
                raise Refused(413, "too_many_earlier")
            db.execute("INSERT OR REPLACE INTO earlier VALUES (?, ?, ?)", (code, label, json.dumps(rows)))

    def earlier(self, code: str) -> list[Vote]:
        rows = self.rows("SELECT votes FROM earlier WHERE room = ? ORDER BY label", code)
        return [Vote(**vote) for row in rows for vote in json.loads(row["votes"])]
