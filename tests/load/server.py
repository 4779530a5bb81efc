"""The page in a process of its own, with folders of its own for everything it writes."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx


class Server:
    """`with Server(port, folder) as server:` the page runs; `memory`, `files` and the like say how it is."""

    def __init__(self, port: int, folder: Path, *options: str, threads: int = 2):
        self.url, self.folder = f"http://127.0.0.1:{port}", folder
        self.command = [sys.executable, "-m", "tests.load.server", str(port), *options]
        self.environment = {
            **os.environ,
            "GRADIO_TEMP_DIR": str(folder / "gradio"),
            "TMPDIR": str(folder / "tmp"),
            "CODEC_VOTES": str(folder / "votes"),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "OMP_NUM_THREADS": str(threads),
        }

    def __enter__(self):
        for name in ("gradio", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            try:
                if httpx.get(self.url + "/config", timeout=5).status_code == 200:
                    self.at_start = set(self.everything())
                    return self
            except httpx.HTTPError:
                time.sleep(0.2)
        raise TimeoutError("The page did not start within minutes.")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def memory_mb(self, field: str = "VmRSS") -> int:
        """Resident memory now, or its peak (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(field + ":")[1].split()[0]) // 1024

    def processor_seconds(self) -> float:
        """What the process has computed so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def files(self) -> list[str]:
        """What its temporary folders hold, empty folders included, that was not there when it had started."""
        return [p for p in self.everything() if p not in self.at_start]

    def everything(self) -> list[str]:
        # Not rglob, which fails where a folder goes while it looks.
        walked = (step for name in ("gradio", "tmp") for step in os.walk(self.folder / name))
        return [os.path.join(folder, name) for folder, folders, files in walked for name in (*folders, *files)]

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def errors(self) -> str:
        """Tracebacks in its log."""
        return "\n".join(t for t in (self.folder / "log").read_text().split("\n") if "Error" in t or "Traceback" in t)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--keep", type=int, nargs=2, default=(5, 60), help="of temporary files: how often, how old")
    parser.add_argument("--plain", action="store_true", help="Gradio's own queue, first come, first served")
    parser.add_argument("--cache", type=int, help="bytes that the pictures it has made may take")
    options = parser.parse_args()
    from codec.ui import launch_options, page
    from codec.ui.hosting import queue
    from codec.ui.jobs import renditions

    page.KEEP = tuple(options.keep)
    renditions.CACHE.limit = options.cache or renditions.CACHE.limit
    if options.plain:
        queue.make_fair = lambda demo, *_: demo.queue(max_size=256, default_concurrency_limit=2)
    page.build().launch(server_name="127.0.0.1", server_port=options.port, quiet=True, **launch_options())


if __name__ == "__main__":
    main()
