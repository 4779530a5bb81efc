"""Rooms and votes in one SQLite file, so that a vote that was acknowledged survives whatever ends the program.

`Store` is all of it: the file (`database`), rooms and sets (`rooms`), voters and votes (`voters`), and here what is
counted without phones or comes from an earlier class. Nothing personal is stored: of a voter, a hash of a random token.
Everything of a room goes after KEEP seconds.
"""

from __future__ import annotations

import json

from codec.vote.ballots import Hands, Vote
from codec.vote.database import FILE, Refused, folder, hashed
from codec.vote.rooms import ALPHABET, BETTER, CLOSER, CODE_LENGTH, KEEP, QUESTIONS
from codec.vote.voters import Voters

__all__ = [
    "ALPHABET",
    "BETTER",
    "CLOSER",
    "CODE_LENGTH",
    "FILE",
    "KEEP",
    "QUESTIONS",
    "Refused",
    "Store",
    "folder",
    "hashed",
]

MAX_EARLIER = 20_000  # votes of earlier classes that a room can hold


class Store(Voters):
    """Everything of the votes; see `Database` for how it is opened."""

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
