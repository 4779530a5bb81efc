"""Voters and their votes. A vote is acknowledged when it is on disk, and counts once however often it comes."""

from __future__ import annotations

import contextlib
import queue
import random
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from codec.errors import CodecError
from codec.vote import trials
from codec.vote.ballots import Vote
from codec.vote.database import Refused, hashed
from codec.vote.rooms import KEEP, Rooms
from codec.vote.trials import CHOICES, Trial

MAX_VOTERS = 500  # of a room
MAX_BATCH = 100  # votes of one commit
HANDED_OUT = 300  # seconds for which a trial that nobody has answered counts as a vote to come

#: A vote that is allowed, in one statement: at each the interpreter may be away for as long as an image is coded.
#: Its conditions are those of `Rooms.room` and `Rooms.is_open`.
INSERT = """
    INSERT INTO votes (choice, ms, width, dpr, trial) SELECT ?, ?, ?, ?, trials.id
    FROM trials JOIN voters ON voters.id = trials.voter JOIN rooms ON rooms.code = voters.room
    WHERE trials.id = ? AND rooms.code = ? AND token = ? AND created > ?
    AND NOT revealed AND (closes IS NULL OR closes >= ?) AND (ties OR ? != 'tie')
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Answer:
    """What a phone sends. ms: until the answer. width: of its window in CSS pixels; dpr: device pixels in one."""

    code: str
    token: str
    trial: str
    choice: str
    ms: int
    width: int
    dpr: float


class Voters(Rooms):
    """Who has joined a room, what they are asked, and what they answered."""

    def __init__(self, where: Path | None = None, clock: Callable[[], float] = time.time):
        super().__init__(where, clock)
        self.arrivals: queue.SimpleQueue[tuple[Answer, Future[None]] | None] = queue.SimpleQueue()
        self.committer: threading.Thread | None = None

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
        """Stores a vote; it is on disk when this returns. Raises what the future of `cast` holds."""
        self.cast(Answer(code, token, trial, choice, ms, width, dpr)).result()

    def cast(self, answer: Answer) -> Future[None]:
        """Sends a vote to the disk. The future ends when it is there; the same vote again changes nothing.

        It holds Refused for another's trial, another choice than before, a closed room, or no choice at all.
        """
        stored: Future[None] = Future()
        with self.lock:
            if self.committer is None:
                self.committer = threading.Thread(target=self._commit_arrivals, daemon=True, name="votes")
                self.committer.start()
        self.arrivals.put((answer, stored))
        return stored

    def close(self) -> None:
        if self.committer is not None:
            self.arrivals.put(None)
            self.committer.join()
        super().close()

    def _commit_arrivals(self) -> None:
        """Group commit: what arrives while one commit is flushed shares the next one, so that a class costs few."""
        while True:
            batch = [self.arrivals.get()]
            with contextlib.suppress(queue.Empty):
                while len(batch) < MAX_BATCH:
                    batch.append(self.arrivals.get_nowait())
            votes = [arrival for arrival in batch if arrival is not None and arrival[1].set_running_or_notify_cancel()]
            if votes:
                self._commit(votes)
            if None in batch:
                return

    def _commit(self, votes: list[tuple[Answer, Future[None]]]) -> None:
        refusals: list[Exception | None] = []
        try:
            # One vote alone needs no transaction: each statement less is one wait less for the interpreter.
            with self.changing() if len(votes) > 1 else self.lock:
                for answer, _ in votes:
                    try:
                        self._insert(answer)
                        refusals.append(None)
                    except (CodecError, ValueError) as error:  # of this vote; the others go on
                        refusals.append(error)
        except Exception as error:  # of the file: nothing was stored, and no phone may believe that it was
            refusals = [error] * len(votes)
        for (_, stored), error in zip(votes, refusals, strict=True):
            stored.set_result(None) if error is None else stored.set_exception(error)

    def _insert(self, answer: Answer) -> None:
        if answer.choice not in CHOICES:
            raise Refused(400, "bad_request")
        now, values = self.clock(), (answer.choice, answer.ms, answer.width, answer.dpr)
        whose = (answer.trial, answer.code, hashed(answer.token))
        if self.db.execute(INSERT, (*values, *whose, now - KEEP, now, answer.choice)).rowcount:
            return
        row = self._asked(answer.code, answer.token, answer.trial)  # why not?
        if answer.choice == trials.TIE and not row["ties"]:
            raise Refused(400, "bad_request")
        if row["choice"] is None:
            raise Refused(410, "closed")
        if row["choice"] != answer.choice:
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
