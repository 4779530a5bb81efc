"""Runs pure functions on files: here, in processes of this machine, or in a Ray cluster.

A job is (path, *arguments); the function is called as function(file name, file's bytes, *arguments). Files are
read when their turn comes, and every worker has at most one more job waiting: a folder of thousands of pictures
never lies in memory.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

from codec.paths import PACKAGE, ROOT

ENGINES = ("here", "pool", "ray")
AHEAD = 2  # jobs under way for every worker

Outcome = tuple[tuple, list | None, Exception | None]  # the job, and its result or what went wrong
Read = Callable[[Path], bytes]


def run(
    function: Callable[..., list],
    jobs: list[tuple],
    engine: str = "pool",
    workers: int | None = None,
    address: str | None = None,
    read: Read = Path.read_bytes,
) -> Iterator[Outcome]:
    """The outcome of every job, in the order in which they finish. A job that fails does not stop the others.

    workers: processes of the pool, or CPUs of a local Ray (all cores where None). address: that of a Ray
    cluster that is already running ("auto" for one on this machine); its nodes get this package sent. A job whose node
    is lost is done again on another. Raises ValueError for an unknown engine, ModuleNotFoundError without Ray.
    """
    if engine not in ENGINES:
        raise ValueError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")

    def arguments(job: tuple) -> tuple:
        path = Path(job[0])
        return path.name, read(path), *job[1:]

    if jobs:
        start = {"here": _here, "pool": _pool, "ray": _ray}[engine]
        yield from start(function, jobs, arguments, workers or os.cpu_count() or 1, address)


def _here(function: Callable[..., list], jobs: list[tuple], arguments: Callable, workers: int, address: None):
    for job in jobs:
        try:
            outcome = (job, function(*arguments(job)), None)
        except Exception as error:
            outcome = (job, None, error)
        yield outcome


def _pool(function: Callable[..., list], jobs: list[tuple], arguments: Callable, workers: int, address: None):
    # Forking a process whose thread pools have run can hang; spawned ones start clean.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from _windowed(
                jobs,
                AHEAD * workers,
                lambda job: pool.submit(function, *arguments(job)),
                lambda pending: wait(pending, return_when=FIRST_COMPLETED)[0],
                lambda future: future.result(),
            )
        finally:  # also when the caller stops early
            pool.shutdown(wait=False, cancel_futures=True)


def _ray(function: Callable[..., list], jobs: list[tuple], arguments: Callable, workers: int, address: str | None):
    try:
        import ray
    except ImportError:
        raise ModuleNotFoundError("Ray is not installed: pip install -r requirements-ray.txt") from None
    if address:
        options = {"address": address, "runtime_env": _package()}
    else:
        # Pictures are small; Ray's own default is a third of the memory.
        options = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": 256 << 20}
    ray.init(**options, log_to_driver=False, logging_level="warning")
    try:
        remote = ray.remote(num_cpus=1)(function)
        cpus = int(ray.cluster_resources().get("CPU", workers))
        yield from _windowed(
            jobs,
            AHEAD * cpus,
            lambda job: remote.remote(*arguments(job)),
            lambda pending: ray.wait(list(pending), num_returns=1)[0],
            ray.get,
        )
    finally:
        ray.shutdown()


def _package() -> dict:
    """What the nodes of a cluster, which need not have this package, get sent: it and its weights, and no more."""
    if not (ROOT / "weights").exists():  # installed: the weights lie in the package
        return {"py_modules": [str(PACKAGE)]}
    others = [f"/{path.name}" for path in ROOT.iterdir() if path.name not in ("codec", "weights")]
    return {"working_dir": str(ROOT), "excludes": others}


def _windowed(jobs: list[tuple], window: int, submit: Callable, first: Callable, result: Callable) -> Iterator[Outcome]:
    """Keeps `window` jobs under way; the same for every engine."""
    pending: dict = {}
    waiting = iter(jobs)
    while True:
        for job in waiting:
            try:
                pending[submit(job)] = job
            except Exception as error:  # a file that cannot be read, or a pool that is broken
                yield job, None, error
            if len(pending) >= window:
                break
        if not pending:
            return
        for done in first(pending):
            job = pending.pop(done)
            try:
                outcome = (job, result(done), None)
            except Exception as error:  # whatever is wrong with one picture, the others are still measured
                outcome = (job, None, error)
            yield outcome
