"""Rooms and the sets that they vote on: opened by a host with a secret, gone after a day or at once."""

from __future__ import annotations

import hmac
import json
import secrets
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

from codec.vote.database import Database, Refused, hashed

KEEP = 24 * 3600  # seconds
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0 and O, 1 and I
CODE_LENGTH = 4
MAX_ROOMS = 200
MAX_BYTES, MAX_MEMORY = 2_000_000_000, 200_000_000  # of the file, or of what is in memory where there is none
RECENT = 150  # images in memory, 400 kB each: those of a room that votes
QUESTIONS = CLOSER, BETTER = ("closer", "better")


class Rooms(Database):
    """Sets, rooms and the names that a room has for its images."""

    def __init__(self, where: Path | None = None, clock: Callable[[], float] = time.time):
        super().__init__(where, clock)
        self.recent: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

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
        """Deletes a room's votes and voters, ends its practice, and opens it again: whoever is there joins anew.

        A room with a limit of time has it anew.
        """
        now = self.clock()
        with self.changing() as db:
            for table in ("voters", "hands", "earlier"):
                db.execute(f"DELETE FROM {table} WHERE room = ?", (code,))
            db.execute(
                "UPDATE rooms SET practice = 0, revealed = 0, epoch = epoch + 1, began = ?, "
                "closes = ? + closes - COALESCE(began, created) WHERE code = ?",
                (now, now, code),
            )

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
