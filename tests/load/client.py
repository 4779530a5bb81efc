"""One visitor of the page, speaking what a browser speaks: upload, join the queue, follow the events, download."""

import json
import secrets
import time
from dataclasses import dataclass, field

import httpx


@dataclass
class Answer:
    """What came of one request. `error` is empty where it succeeded; `rank` is the worst place in the queue."""

    seconds: float = 0.0
    first_seconds: float = 0.0  # until the first picture
    rank: int = -1
    error: str = ""
    outputs: list = field(default_factory=list)


class Visitor:
    """A browser session. `config` is the page's own description of itself."""

    def __init__(self, url: str, config: dict, http: httpx.AsyncClient):
        self.url, self.config, self.http = url + "/gradio_api", config, http
        self.session = secrets.token_hex(8)

    async def upload(self, name: str, data: bytes) -> dict:
        """The FileData that an uploaded file goes by."""
        response = await self.http.post(f"{self.url}/upload", files={"files": (name, data)})
        response.raise_for_status()
        return {"path": response.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def inputs(self, api_name: str, file: dict, **more) -> tuple[int, list]:
        """The number of a function and its inputs: those that the page starts with, and the first file replaced."""
        function = next(d for d in self.config["dependencies"] if d["api_name"] == api_name)
        by_id = {c["id"]: c for c in self.config["components"]}
        components = [by_id[i] for i in function["inputs"]]
        values = [more.get(c["props"].get("elem_id") or "", c["props"].get("value")) for c in components]
        kinds = [c["type"] for c in components]
        values[next(i for i, k in enumerate(kinds) if k in ("file", "image", "downloadbutton"))] = file
        return function["id"], values

    async def call(self, api_name: str, file: dict, **more) -> Answer:
        """Runs a function as its button does; more: values of components by their elem_id."""
        number, data = self.inputs(api_name, file, **more)
        body = {"data": data, "fn_index": number, "session_hash": self.session, "simple_format": True}
        answer, started = Answer(), time.perf_counter()
        joined = await self.http.post(f"{self.url}/queue/join", json=body)
        if joined.status_code != 200:
            answer.error = f"{joined.status_code} {joined.text[:200]}"
            return answer
        async for message in self.messages():
            kind = message["msg"]
            if kind == "estimation":
                answer.rank = max(answer.rank, message["rank"])
            elif kind == "process_generating":
                answer.outputs = message["output"].get("data") or answer.outputs
                answer.first_seconds = answer.first_seconds or time.perf_counter() - started
            elif kind == "process_completed":
                if message["success"]:
                    final = message["output"].get("data") or []
                    answer.outputs = final if list(paths(final)) else answer.outputs or final
                else:
                    answer.error = str(message["output"].get("error") or message["output"])
                break
            elif kind == "unexpected_error":
                answer.error = str(message)
                break
        else:
            answer.error = "the connection ended early"
        answer.seconds = time.perf_counter() - started
        return answer

    async def messages(self):
        params = {"session_hash": self.session}
        async with self.http.stream("GET", f"{self.url}/queue/data", params=params) as response:
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    async def download(self, path: str) -> bytes:
        response = await self.http.get(f"{self.url}/file={path}")
        response.raise_for_status()
        return response.content


def paths(data):
    """All file paths in some output."""
    if isinstance(data, dict):
        if isinstance(data.get("path"), str):
            yield data["path"]
        data = list(data.values())
    if isinstance(data, (list, tuple)):
        for item in data:
            yield from paths(item)
