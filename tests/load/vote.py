"""A class that votes while the page codes images for others: what each vote waits for, and whether one is lost."""

import asyncio
import contextlib
import functools
import multiprocessing
import os
import random
import sqlite3
import time

import httpx
import numpy as np

from codec.vote.store import FILE

from .server import Server

THINK = (4.0, 8.0)  # seconds that a voter looks: twice as fast as a class
JOIN_WITHIN = 20.0  # seconds in which a class scans a code
TWICE = 0.1  # the share of votes that a phone sends again, as after a lost answer


async def timed(seconds: list[float], ask) -> httpx.Response:
    """The answer to ask(), which is asked again where the connection was just closed, as browsers do."""
    started = time.perf_counter()
    while True:
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            answer = await ask()
            break
    seconds.append(time.perf_counter() - started)
    answer.raise_for_status()
    return answer


async def phone(url: str, code: str, number: int, spent: dict[str, list[float]]) -> int:
    """Joins, loads its images, votes on everything; how many votes were acknowledged."""
    rng = random.Random(number)
    # Made before, and without certificates: reading those takes time of the one process that all phones share.
    async with httpx.AsyncClient(base_url=f"{url}/vote/", timeout=120, verify=False) as http:
        await asyncio.sleep(1 + rng.random() * JOIN_WITHIN)
        given = (await timed(spent["join"], lambda: http.post("api/join", json={"code": code}))).json()

        async def load_images() -> None:
            names = {t[key]: None for t in given["trials"] for key in ("original", "left", "right")}
            for name in names:
                await timed(spent["image"], functools.partial(http.get, f"image/{name}.png"))

        loading = asyncio.create_task(load_images())
        acknowledged = 0
        for trial in given["trials"]:
            await asyncio.sleep(rng.uniform(*THINK))
            body = {
                "code": code,
                "token": given["token"],
                "trial": trial["id"],
                "choice": rng.choice(["left", "right"]),
            }
            send = functools.partial(http.post, "api/vote", json=body | {"ms": 900, "width": 390, "dpr": 3})
            for _ in range(1 + (rng.random() < TWICE)):
                answer = await timed(spent["vote"], send)
            acknowledged += answer.status_code == 200
        await loading
        return acknowledged


async def poll(url: str, room: dict, spent: list[float]) -> None:
    """The host's page, which asks how things are every two seconds."""
    headers = {"authorization": f"Bearer {room['secret']}"}
    async with httpx.AsyncClient(timeout=120, headers=headers) as http:
        while True:
            body = {"code": room["code"], "action": "state"}
            await timed(spent, functools.partial(http.post, f"{url}/vote/api/host", json=body))
            await asyncio.sleep(2)


async def class_votes(server: Server, phones: int, coders: int, compress, watch) -> dict:
    """compress(number): a visitor of the page who codes an image. watch(peak): keeps the memory that the server has.

    The visitors are processes of their own: what they compute must not count as waiting for a vote.
    """
    memory: list[int] = []
    spent: dict[str, list[float]] = {"join": [], "image": [], "vote": [], "host": []}
    fork = multiprocessing.get_context("fork")
    coded = fork.Value("i", 0)

    async def keep_coding(first: int) -> None:
        os.nice(10)  # what a visitor's own machine does should not take the page's time
        for number in range(first, 10**6, coders):
            await compress(number)
            with coded.get_lock():
                coded.value += 1

    await compress(4000)  # warm
    async with httpx.AsyncClient(timeout=120) as http:
        room = (await http.post(f"{server.url}/vote/api/shipped", json={"question": "closer"})).json()
    before = server.memory_mb()
    visitors = [fork.Process(target=lambda n=n: asyncio.run(keep_coding(n)), daemon=True) for n in range(coders)]
    for visitor in visitors:
        visitor.start()
    others = [asyncio.create_task(poll(server.url, room, spent["host"])), asyncio.create_task(watch(server, memory))]
    started = time.perf_counter()
    acknowledged = await asyncio.gather(*(phone(server.url, room["code"], n, spent) for n in range(phones)))
    took = time.perf_counter() - started
    for other in (*others, *visitors):
        other.cancel() if isinstance(other, asyncio.Task) else other.terminate()
    db = sqlite3.connect(server.folder / "votes" / FILE)
    stored, trials = db.execute("SELECT count(*), count(DISTINCT trial) FROM votes").fetchone()
    db.close()
    return {
        "phones": phones,
        "votes_acknowledged": sum(acknowledged),
        "votes_stored": stored,
        "votes_stored_twice": stored - trials,
        "votes_lost": sum(acknowledged) - trials,
        "seconds": round(took, 1),
        "milliseconds": {
            name: {f"p{q}": round(1000 * float(np.percentile(values, q))) for q in (50, 95, 100)}
            for name, values in spent.items()
        },
        "images_coded_meanwhile": coded.value,
        "memory_before_mb": before,
        "memory_peak_mb": max(memory),
        "memory_more_mb": max(memory) - before,
        "traceback_lines_in_the_log": server.errors(),
    }
