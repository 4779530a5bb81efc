"""Five loads, each bounded in count and time, all on loopback; every one adds its part to the file of results.

passers: N visitors open the first screen at once, and only look. crowd: N visitors click at once, each with a picture
of its own. large: one visitor with pictures of 24 megapixels, the others with small ones, under the page's queue and
under Gradio's own. long: thousands of requests in a row.
vote: phones that vote, while visitors have images coded.
"""

import argparse
import asyncio
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from .client import Visitor, paths
from .server import Server
from .vote import class_votes

# A connection of its own for each request: the server closes idle ones after 5 s, and unlike a browser httpx does not
# ask again when it has just sent a request into one of those.
LIMITS = httpx.Limits(max_connections=400, max_keepalive_connections=0)
# The page may keep 256 MB of pictures, which thousands of small ones do not reach: growth that is meant. In `long` it
# may keep what the first hundred requests fill, so that nothing has a reason to grow after them.
LONG_CACHE = 400_000
CODERS = 3  # visitors who keep the page busy while a class votes


def own_picture(number: int, width: int, height: int) -> np.ndarray:
    """uint8 (height, width, 3): shades, edges and grain, and 12 patches that spell the number in black and white."""
    rng = np.random.default_rng(number)
    v, u = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [110 + 60 * np.sin(9 * rng.random() * u + 9 * rng.random() * v + 6 * rng.random()) for _ in range(3)]
    rgb = np.stack(waves, 2) + rng.normal(0, 6, (height, width, 1))
    for bit in range(12):
        rgb[: height // 4, width * bit // 12 : width * (bit + 1) // 12] = 235 if number >> bit & 1 else 20
    return rgb.clip(0, 255).astype(np.uint8)


def number_in(rgb: np.ndarray) -> int:
    """What `own_picture` spells."""
    height, width = rgb.shape[:2]
    strip = rgb[: height // 4].mean((0, 2))
    return sum(int(strip[width * b // 12 : width * (b + 1) // 12].mean() > 128) << b for b in range(12))


def encoded(rgb: np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind, **options)
    return buffer.getvalue()


def spread(seconds: list[float]) -> dict:
    return {f"p{q}_s": round(float(np.percentile(seconds, q)), 2) for q in (50, 95, 100)} if seconds else {}


async def visit(url: str, config: dict, http, number: int, width: int, height: int) -> dict:
    """A visitor who compresses one picture and downloads what came of it."""
    visitor, outcome = Visitor(url, config, http), {"number": number, "mixed": False}
    file = await visitor.upload(f"picture-{number}.png", encoded(own_picture(number, width, height)))
    answer = await visitor.call("compress", file)
    outcome |= {"seconds": answer.seconds, "first": answer.first_seconds, "rank": answer.rank, "error": answer.error}
    if answer.error:
        return outcome
    files = list(paths(answer.outputs))
    stream = await visitor.download(next(p for p in files if p.endswith(".lic")))
    decoded = np.asarray(Image.open(io.BytesIO(await visitor.download(next(p for p in files if "decoded" in p)))))
    outcome["mixed"] = number_in(decoded) != number or decoded.shape[:2] != (height, width)
    outcome["stream"] = stream
    return outcome


async def passers(server: Server, clients: int) -> dict:
    """Visitors who open the first screen at once: the page, then its two pictures."""

    async def open_it(http) -> float:
        started = time.perf_counter()
        page = await http.get(server.url)
        wanted = [line.split('href="')[1].split('"')[0] for line in page.text.splitlines() if 'rel="preload"' in line]
        pictures = await asyncio.gather(*(http.get(f"{server.url}/{address}") for address in wanted))
        assert len(pictures) == 2 and all(answer.status_code == 200 for answer in (page, *pictures))
        return time.perf_counter() - started

    async with httpx.AsyncClient(timeout=600, limits=LIMITS) as http:
        await open_it(http)  # warm
        before = server.processor_seconds()
        seconds = await asyncio.gather(*(open_it(http) for _ in range(clients)))
        used = server.processor_seconds() - before
    return {
        "clients": clients,
        "until_both_pictures": spread(seconds),
        "processor_seconds": round(used, 2),
        "traceback_lines_in_the_log": server.errors(),
    }


async def watch(server: Server, peak: list[int]) -> None:
    while True:
        peak.append(server.memory_mb())
        await asyncio.sleep(0.5)


async def crowd(server: Server, clients: int, width: int, height: int) -> dict:
    memory: list[int] = []
    async with httpx.AsyncClient(timeout=1800, limits=LIMITS) as http:
        config = (await http.get(server.url + "/config")).json()
        await visit(server.url, config, http, 4000, width, height)  # warm
        watching, started = asyncio.create_task(watch(server, memory)), time.perf_counter()
        visits = [visit(server.url, config, http, n, width, height) for n in range(clients)]
        results = await asyncio.gather(*visits, return_exceptions=True)
        took = time.perf_counter() - started
        watching.cancel()
    done = [r for r in results if isinstance(r, dict)]
    good = [r for r in done if not r["error"]]
    import codec

    for r in good[:: max(1, len(good) // 5)]:  # the bytes themselves, of some
        r["mixed"] |= number_in(np.asarray(codec.decompress(r["stream"]))) != r["number"]
    return {
        "clients": clients,
        "picture": f"{width}×{height}",
        "served": len(good),
        "errors": [r["error"] for r in done if r["error"]] + [repr(r) for r in results if not isinstance(r, dict)],
        "somebody_elses_picture": sum(r["mixed"] for r in good),
        "seconds": round(took, 1),
        "requests_per_second": round(len(good) / took, 2),
        "until_the_picture": spread([r["first"] or r["seconds"] for r in good]),
        "until_everything": spread([r["seconds"] for r in good]),
        "told_their_place_in_the_queue": sum(r["rank"] >= 0 for r in done),
        "last_place_told": max((r["rank"] for r in done), default=-1) + 1,
        "memory_peak_mb": max(memory),
        "traceback_lines_in_the_log": server.errors(),
    }


async def emptied(server: Server, seconds: float) -> int:
    """Files that are left in the temporary folders when they have had so long to expire."""
    until = time.perf_counter() + seconds
    while server.files() and time.perf_counter() < until:
        await asyncio.sleep(1)
    return len(server.files())


async def heavy(server: Server, small: int, seconds: float) -> dict:
    """One visitor with four pictures of 24 megapixels in four tabs, then `small` others with 768×512."""
    big = encoded(own_picture(77, 6000, 4000), "JPEG", quality=90)
    memory: list[int] = []
    async with httpx.AsyncClient(timeout=1800, limits=LIMITS) as http:
        config = (await http.get(server.url + "/config")).json()
        await visit(server.url, config, http, 4000, 768, 512)

        async def greedy():
            visitor = Visitor(server.url, config, http)
            return await visitor.call("compress", await visitor.upload("large.jpg", big), **{"full-size": True})

        large = [asyncio.create_task(greedy()) for _ in range(4)]
        await asyncio.sleep(8)
        watching = asyncio.create_task(watch(server, memory))
        tasks = [asyncio.create_task(visit(server.url, config, http, n, 768, 512)) for n in range(small)]
        started = time.perf_counter()
        done, waiting = await asyncio.wait(tasks, timeout=seconds)
        took = time.perf_counter() - started
        watching.cancel()
        finished_large = sum(t.done() for t in large)
        for task in (*large, *waiting):
            task.cancel()
    results = [t.result() for t in done]
    return {
        "small_requests": small,
        "served": sum(not r["error"] for r in results),
        "within_s": round(took, 1),
        "errors": [r["error"] for r in results if r["error"]],
        "until_the_picture": spread([r["first"] for r in results if not r["error"]]),
        "large_ones_finished_meanwhile": finished_large,
        "memory_peak_mb": max(memory),
    }


async def long(server: Server, count: int) -> dict:
    """`count` requests one after another, each a new visitor: pictures, streams, and files that are neither."""
    history, errors, refused = {}, [], 0
    started = time.perf_counter()
    async with httpx.AsyncClient(timeout=600, limits=LIMITS) as http:
        config = (await http.get(server.url + "/config")).json()
        stream = b""
        for i in range(count):
            visitor = Visitor(server.url, config, http)
            if i % 10 == 8:
                answer = await visitor.call("compress", await visitor.upload("bad.png", b"<html>%d</html>" % i))
                refused += "not an image" in answer.error
                errors += [] if "not an image" in answer.error else [answer.error or "a bad file was taken"]
            elif i % 10 == 9:
                answer = await visitor.call("decompress", await visitor.upload(f"{i}.lic", stream))
                errors += [answer.error] if answer.error else []
            else:
                width, height = 40 + i % 25, 30 + i % 19
                rgb = own_picture(i, width, height)
                answer = await visitor.call("compress", await visitor.upload(f"{i}.png", encoded(rgb)))
                errors += [answer.error] if answer.error else []
                if not answer.error:
                    stream = await visitor.download(next(p for p in paths(answer.outputs) if p.endswith(".lic")))
            if i + 1 in (10, 50, 100) or (i + 1) % 200 == 0:
                history[i + 1] = {"memory_mb": server.memory_mb(), "open_files": server.open_files()}
                print(i + 1, history[i + 1], f"{time.perf_counter() - started:.0f} s", flush=True)
        left = await emptied(server, 60)
    first = next(iter(history.values()))
    return {
        "requests": count,
        "pictures_kept_mb": LONG_CACHE / 1e6,
        "refused_as_they_should": refused,
        "errors": errors[:10],
        "after": history,
        "growth_after_the_first_100_mb": history[max(history)]["memory_mb"] - history.get(100, first)["memory_mb"],
        "seconds": round(time.perf_counter() - started),
        "files_left_behind": left,
        "traceback_lines_in_the_log": server.errors(),
    }


async def votes(server: Server, phones: int, width: int, height: int) -> dict:
    """Phones that vote, while CODERS visitors have one image after the other coded."""

    async def compress(number: int) -> None:
        async with httpx.AsyncClient(timeout=1800, limits=LIMITS) as http:
            config = (await http.get(server.url + "/config")).json()
            await visit(server.url, config, http, number % 4096, width, height)

    return await class_votes(server, phones, CODERS, compress, watch)


async def measure(options) -> dict:
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "passers":
            with Server(options.port, Path(folder)) as server:
                for clients in options.clients:
                    figures[str(clients)] = await passers(server, clients)
        elif options.what == "crowd":
            with Server(options.port, Path(folder), "--keep", "5", "900") as server:
                for clients in options.clients:
                    figures[str(clients)] = await crowd(server, clients, *options.size)
                    print(json.dumps(figures[str(clients)], indent=1, ensure_ascii=False), flush=True)
        elif options.what == "large":
            for name in ("fair", "plain"):
                extra = ["--plain"] if name == "plain" else []
                with Server(options.port, Path(folder) / name, *extra) as server:
                    figures[name] = await heavy(server, 10, options.seconds)
                    print(json.dumps(figures[name], indent=1, ensure_ascii=False), flush=True)
        elif options.what == "vote":
            with Server(options.port, Path(folder), "--keep", "5", "900") as server:
                figures = await votes(server, options.clients[0], *options.size)
        else:
            extra = ("--keep", "5", "20", "--cache", str(LONG_CACHE))
            with Server(options.port, Path(folder), *extra, threads=1) as server:
                figures = await long(server, options.count)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("what", choices=("passers", "crowd", "large", "long", "vote"))
    parser.add_argument("--clients", type=int, nargs="+", default=[30, 100])
    parser.add_argument("--size", type=int, nargs=2, default=(768, 512), help="width and height of a crowd's pictures")
    parser.add_argument("--count", type=int, default=2000, help="requests in a row")
    parser.add_argument("--seconds", type=float, default=240, help="that small requests get beside large ones")
    parser.add_argument("--port", type=int, default=7876)
    parser.add_argument("--idle", action="store_true", help="say that nothing else ran on the machine")
    parser.add_argument("--out", type=Path, default=Path("results/load.json"))
    options = parser.parse_args()
    figures = asyncio.run(measure(options))
    figures["machine"] = {"idle": options.idle, "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1)}
    figures["command"] = f"python -m tests.load {' '.join(sys.argv[1:])}"
    earlier = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.out.write_text(json.dumps({**earlier, options.what: figures}, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(figures, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
