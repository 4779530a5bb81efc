"""Where votes lie: nothing acknowledged is lost, rooms do not mix, nothing personal stays, everything goes."""

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from voting import filled, opened, small_set

from codec.errors import CodecError
from codec.vote import database, rooms, trials, voters
from codec.vote import store as module
from codec.vote.ballots import Hands
from codec.vote.database import MIGRATIONS
from codec.vote.store import Refused, Store, hashed
from codec.vote.voters import Answer

VOTER = """
import random, sys
from pathlib import Path
from codec.vote.store import Store

store, code = Store(Path(sys.argv[1])), sys.argv[2]
while True:
    token = store.join(code, random.Random())
    for id_, trial, _ in store.trials(code, token):
        store.vote(code, token, id_, "left", 1, 1, 1.0)
        print(id_, flush=True)
"""


@pytest.fixture
def store(tmp_path):
    opened_store = Store(tmp_path)
    yield opened_store
    opened_store.close()


def refused(status: int, function, *arguments) -> None:
    with pytest.raises(Refused) as refusal:
        function(*arguments)
    assert refusal.value.status == status


def test_no_acknowledged_vote_is_lost_when_the_program_is_killed(store, tmp_path):
    code, _ = opened(store)
    command = [sys.executable, "-c", VOTER, str(tmp_path), code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as voter:
        acknowledged = [voter.stdout.readline().strip() for _ in range(40)]
        voter.send_signal(signal.SIGKILL)
        acknowledged += voter.stdout.read().split()
    store.close()
    again = Store(tmp_path)
    kept = {row["trial"] for row in again.rows("SELECT trial FROM votes")}
    assert set(acknowledged) <= kept and len(kept) <= len(acknowledged) + 1  # one may have been on its way
    assert again.rows("PRAGMA integrity_check")[0][0] == "ok"
    again.close()


def test_a_class_that_votes_at_once_is_acknowledged_when_its_votes_are_in_the_file(store, tmp_path):
    (code, _), (other, _) = opened(store), opened(store)
    tokens = [store.join(code, random.Random(n)) for n in range(10)]
    own = [(token, id_) for token in tokens for id_, _, _ in store.trials(code, token)]
    random.Random(0).shuffle(own)
    kept, strangers = [], store.trials(other, store.join(other, random.Random(0)))[0][0]

    def reads_it(trial: str) -> None:  # when the vote is acknowledged, and from another connection
        file = sqlite3.connect(tmp_path / module.FILE)
        kept.append(file.execute("SELECT count(*) FROM votes WHERE trial = ?", (trial,)).fetchone()[0])
        file.close()

    def cast(token: str, trial: str):
        return store.cast(Answer(code, token, trial, trials.LEFT, 1, 1, 1.0))

    with store.lock:  # as if a commit took its time: the votes that come meanwhile share the next one
        sent = [cast(*each) for each in own for _ in "ab"]  # each of them twice
        wrong = [cast(tokens[0], strangers), cast("\ud800", own[0][1])]
        for (_, trial), future in zip(own, sent[::2], strict=True):
            future.add_done_callback(lambda _, trial=trial: reads_it(trial))
    assert [future.result(30) for future in sent] == [None] * 240
    assert isinstance(wrong[0].exception(30), Refused) and wrong[1].exception(30) is not None
    assert kept == [1] * 120 and store.counts(code)["votes"] == 120 and store.counts(other)["votes"] == 0


def test_a_full_disk_acknowledges_nothing(store, monkeypatch):
    code, _ = opened(store)
    token = store.join(code, random.Random(0))
    ids = [id_ for id_, _, _ in store.trials(code, token)]
    pages = store.rows("PRAGMA page_count")[0][0]
    store.rows(f"PRAGMA max_page_count = {pages}")
    choice = trials.LEFT + " " * 100_000  # needs pages that are not there
    monkeypatch.setattr(voters, "CHOICES", (trials.LEFT, choice))
    with store.lock:
        sent = [store.cast(Answer(code, token, id_, choice, 1, 1, 1.0)) for id_ in ids[:3]]
    assert all(isinstance(future.exception(30), sqlite3.OperationalError) for future in sent)
    store.rows("PRAGMA max_page_count = 1000000")
    assert store.counts(code)["votes"] == 0
    store.vote(code, token, ids[0], trials.LEFT, 1, 1, 1.0)  # the phone's next try
    assert store.counts(code)["votes"] == 1


def test_a_file_of_the_first_version_is_migrated_with_its_votes(tmp_path, monkeypatch):
    db = sqlite3.connect(tmp_path / module.FILE)
    db.executescript(f"{MIGRATIONS[0]} PRAGMA user_version=1;")
    db.close()
    monkeypatch.setattr(database, "MIGRATIONS", MIGRATIONS[:1])
    old = Store(tmp_path)  # the program of then, which knew the first schema only
    code, secret = opened(old)
    token = old.join(code, random.Random(0))
    id_ = old.trials(code, token)[0][0]
    old.vote(code, token, id_, trials.LEFT, 1, 1, 1.0)
    old.close()
    monkeypatch.undo()
    new = Store(tmp_path)
    assert new.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS) == 3
    assert new.hosted(code, secret)["code"] == code and new.counts(code) == {"joined": 1, "votes": 1, "expected": 12}
    new.raise_hands(code, Hands(0, "mse", "hific", 1, 2, 3))
    assert new.hands(code) == [Hands(0, "mse", "hific", 1, 2, 3)]
    new.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    db = sqlite3.connect(tmp_path / module.FILE)
    db.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(CodecError, match="newer version"):
        Store(tmp_path)


def test_where_nothing_can_be_written_votes_are_in_memory_and_it_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    memory = Store(tmp_path / "file" / "folder")
    code, _ = opened(memory)
    filled(memory, code, 2)
    assert not memory.lasting and memory.counts(code)["votes"] == 24
    memory.close()


def test_the_folder_is_the_users_unless_the_environment_names_one(monkeypatch, tmp_path):
    monkeypatch.setenv("CODEC_VOTES", str(tmp_path))
    assert module.folder() == tmp_path
    monkeypatch.delenv("CODEC_VOTES")
    assert module.folder().name == "learned-image-codec"


def test_two_rooms_never_mix(store):
    (one, secret), (two, _) = opened(store), opened(store)
    mine, other = store.join(one, random.Random(0)), store.join(two, random.Random(0))
    id_ = store.trials(one, mine)[0][0]
    refused(403, store.trials, two, mine)
    refused(403, store.vote, two, mine, id_, trials.LEFT, 1, 1, 1.0)
    refused(403, store.vote, two, other, id_, trials.LEFT, 1, 1, 1.0)
    refused(403, store.hosted, two, secret)
    store.vote(one, mine, id_, trials.LEFT, 1, 1, 1.0)
    assert (store.counts(one)["votes"], store.counts(two)["votes"]) == (1, 0) and store.votes(two) == []
    assert not set(store.names(one).values()) & set(store.names(two).values())
    assert store.votes(one)[0].room != one  # in an export a room is a hash


def test_a_vote_counts_once_and_the_first_answer_stays(store):
    code, _ = opened(store)
    token = store.join(code, random.Random(0))
    id_ = store.trials(code, token)[0][0]
    for _ in range(3):
        store.vote(code, token, id_, trials.LEFT, 1, 1, 1.0)
    refused(409, store.vote, code, token, id_, trials.RIGHT, 1, 1, 1.0)
    refused(400, store.vote, code, token, store.trials(code, token)[1][0], trials.TIE, 1, 1, 1.0)  # not allowed here
    assert [v.choice for v in store.votes(code)] == [trials.LEFT]


def test_everything_of_a_room_goes_after_a_day(tmp_path):
    now = [1e9]
    store = Store(tmp_path, clock=lambda: now[0])
    code, _ = opened(store)
    (token, *_) = filled(store, code, 2)
    name = next(iter(store.names(code).values()))
    assert store.png(name)
    now[0] += module.KEEP - 1
    assert store.sweep() == 0 and store.room(code)
    now[0] += 1
    refused(404, store.room, code)  # also where nobody has swept yet
    refused(404, store.png, name)
    assert store.sweep() == 1
    tables = ("rooms", "names", "voters", "trials", "votes", "sets", "crops")
    assert [store.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables] == [0] * 7
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert hashed(token).encode() not in data and b"image-0" not in data  # overwritten, in the log as well
    store.close()


def test_a_room_is_deleted_or_cleared_at_once(store):
    (one, _), (two, _) = opened(store), opened(store)
    filled(store, one, 1)
    filled(store, two, 1)
    store.clear(two)
    assert store.counts(two) == {"joined": 0, "votes": 0, "expected": 0} and store.room(two)["epoch"] == 1
    store.delete(one)
    refused(404, store.room, one)
    assert store.setup(store.room(two)["set_id"])  # the other room has the same set


def test_nothing_personal_is_stored(store, tmp_path):
    code, secret = opened(store)
    (token,) = filled(store, code, 1)
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.encode() not in data and secret.encode() not in data
    columns = [r["name"] for r in store.rows("PRAGMA table_info(voters)")] + [
        r["name"] for r in store.rows("PRAGMA table_info(votes)")
    ]
    assert columns == ["id", "room", "token", "joined", "trial", "choice", "ms", "width", "dpr"]


def test_a_practice_round_is_not_counted(store):
    code, _ = opened(store, practice=True)
    filled(store, code, 6)
    assert store.counts(code)["votes"] == 12 and store.votes(code) == []
    store.clear(code)
    assert not store.room(code)["practice"]
    filled(store, code, 1)
    assert len(store.votes(code)) == 12


def test_a_room_that_is_cleared_has_its_time_anew_and_no_more(tmp_path):
    now = [1e9]
    store = Store(tmp_path, clock=lambda: now[0])
    code, _ = opened(store, minutes=2)
    for _ in range(3):
        now[0] += 500
        assert not store.is_open(store.room(code))
        store.clear(code)
        now[0] += 119
        assert store.is_open(store.room(code))
        now[0] += 2
        assert not store.is_open(store.room(code))
    store.close()


def test_limits_and_the_end_of_the_time(tmp_path, monkeypatch):
    now = [1e9]
    store = Store(tmp_path, clock=lambda: now[0])
    code, _ = opened(store, minutes=2)
    token = store.join(code, random.Random(0))
    monkeypatch.setattr(voters, "MAX_VOTERS", 1)
    refused(503, store.join, code, random.Random(0))
    monkeypatch.setattr(rooms, "MAX_ROOMS", 1)
    refused(503, opened, store)
    monkeypatch.setattr(rooms, "MAX_BYTES", 1000)
    refused(507, store.add_set, "b", small_set().setup, bytes(2000), {})
    now[0] += 121
    refused(410, store.join, code, random.Random(0))
    refused(410, store.vote, code, token, store.trials(code, token)[0][0], trials.LEFT, 1, 1, 1.0)
    store.close()
