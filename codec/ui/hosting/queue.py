"""Order among visitors: who waits for whom, and what one of them may ask for at once.

Gradio's queue serves first come, first served, in as many places as there are. A visitor with forty clicks, or two with
a picture of 24 megapixels each, would keep everybody else waiting for minutes. Here large pictures take turns in a lane
of their own, one at a time, which bounds the memory as well; and in each lane addresses take turns, within an address
its sessions, so that the n-th request of one waits for the n-th of the others. And a visitor's newer request calls off
the older ones whose answers it would replace, in whatever lane they are: they show nothing any more, and stop.
"""

import collections
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import gradio as gr
from anyio.to_thread import run_sync

from codec import bitstream
from codec.errors import CodecError
from codec.pictures.files import MAX_PIXELS, declared_pixels
from codec.pictures.sources import read_path
from codec.ui.hosting.cleanup import is_within, paths_in, touch
from codec.ui.hosting.gradio_private import (
    Event,
    EventQueue,
    ProcessCompletedMessage,
    Queue,
    current_blocks,
    current_event,
    get_upload_folder,
    queue_of,
    skipped,
)
from codec.ui.hosting.languages import of_request
from codec.ui.texts import LANGUAGE, t

LARGE_PIXELS = 4_000_000
LARGE = "large"  # the lane's name among Gradio's concurrency ids
MAX_WAITING = 256  # requests, in all lanes
MAX_PER_ADDRESS = 160  # a class behind one router fits in; one address alone can not fill the queue
MAX_PER_SESSION = 12


@dataclass(eq=False)
class Arrival:
    """A request on its way into the queue, of a session's page."""

    session: str
    rank: int
    outdated: bool = False


class FairQueue(Queue):
    """Gradio's queue with lanes by size of picture, turns by visitor, and limits for each."""

    #: Functions that replace what a page shows: a newer request outdates the older ones of the same or a lower rank.
    ranks: dict[Callable, int]
    #: Functions that scale a large image down unless the input of this number asks for all of its pixels. The next
    #: input asks for a slow search, which is as much work for an image of any size.
    scaling: Mapping[Callable, int] = MappingProxyType({})
    arriving: set[Arrival]

    async def push(self, body, request, username):
        """As in Gradio: (accepted, event id or sentence, state)."""
        rank = self.ranks.get(self.blocks.fns[body.fn_index].fn) if getattr(body, "trigger_id", None) else None
        if rank is None:  # programs may ask for many things at once
            return await self.let_in(body, request, username)
        arrival, older = Arrival(body.session_hash, rank), self.of_session(body.session_hash, rank)
        for event in older:
            event.alive = False  # from here on it shows nothing
        for other in self.arriving:
            other.outdated |= other.session == arrival.session and other.rank <= rank
        self.arriving.add(arrival)
        try:
            answer = await self.let_in(body, request, username)
        finally:
            self.arriving.discard(arrival)
            for event in older:  # only now: with nothing left to wait for, Gradio would close the connection
                self.call_off(event)
        event = self.event_ids_to_events.get(answer[1]) if answer[0] else None
        if event and (arrival.outdated or self.of_session(arrival.session, 99, rank + 1)):
            self.call_off(event)
        return answer

    async def process_events(self, events, *args, **options) -> None:
        """As in Gradio; the texts of the answer are in the language of the request."""
        if events[0].request is not None:
            LANGUAGE.set(of_request(events[0].request.scope))
        await super().process_events(events, *args, **options)

    def of_session(self, session: str, most: int, least: int = 0) -> list[Event]:
        """The waiting and running events of a session's page whose ranks lie between the two."""
        waiting = [e for lane in self.event_queue_per_concurrency_id.values() for e in lane.queue]
        running = [e for job in self.active_jobs for e in job or ()]
        mine = [e for e in (*waiting, *running) if e.session_hash == session and e.alive and e.data.trigger_id]
        return [e for e in mine if least <= self.ranks.get(e.fn.fn, -1) <= most]

    def call_off(self, event: Event) -> None:
        """Ends an event without an answer; what it computes ends when it next asks `is_called_off`."""
        event.alive = True  # to let this message through
        self.send_message(event, ProcessCompletedMessage(output=skipped(event.fn), success=True))
        event.alive = False
        lane = self.event_queue_per_concurrency_id[event.concurrency_id]
        if event in lane.queue:
            lane.queue.remove(event)
            self.event_ids_to_events.pop(event._id, None)

    async def let_in(self, body, request, username):
        """As `push`, whatever the session has asked for before."""
        address = request.client.host if request.client else ""
        waiting = [e for lane in self.event_queue_per_concurrency_id.values() for e in lane.queue]
        for count, most in (
            (len(waiting), MAX_WAITING),
            (sum(address_of(e) == address for e in waiting), MAX_PER_ADDRESS),
            (sum(e.session_hash == body.session_hash for e in waiting), MAX_PER_SESSION),
        ):
            if count >= most:
                return False, t("hosting.busy", count=count), "queue_full"
        large = await run_sync(is_large, body.data)
        asks = self.scaling.get(self.blocks.fns[body.fn_index].fn) if self.scaling else None
        if asks is not None:
            large = (large and any(body.data[asks : asks + 1])) or any(body.data[asks + 1 : asks + 2])
        forget_idle(self.pending_event_ids_session)
        accepted, event_id, state = await super().push(body, request, username)
        event = self.event_ids_to_events.get(event_id) if accepted else None
        if event is not None:
            self.place(event, large)
        return accepted, event_id, state

    def place(self, event: Event, large: bool) -> None:
        """Moves an event that has just been appended to where it belongs."""
        lane = self.event_queue_per_concurrency_id[event.concurrency_id]
        if event not in lane.queue:  # it has been started, or answered from a cache
            return
        if large:
            lane.queue.remove(event)
            event.concurrency_id = LARGE
            lane = self.event_queue_per_concurrency_id.setdefault(LARGE, EventQueue(LARGE, 1))
            lane.queue.append(event)
        lane.queue[:] = fair_order(lane.queue)
        self.broadcast_estimations(event.concurrency_id)


def is_called_off() -> bool:
    """Whether nobody waits any more for the request that this thread works for."""
    event = current_event()
    return event is not None and not event.alive


async def call_off(request: gr.Request) -> None:
    """Calls off what a page that takes its picture away has asked for."""
    queue = queue_of(current_blocks())
    for event in queue.of_session(request.session_hash, 99):
        queue.call_off(event)


def forget_idle(pending: dict[str, set[str]]) -> None:
    """Gradio (6.31) keeps an empty set for every session there ever was."""
    for session in [s for s, ids in pending.items() if not ids]:
        del pending[session]


def address_of(event: Event) -> str:
    return event.request.client.host if event.request.client else ""


def fair_order(events: list) -> list:
    """Events (with `session_hash`, `request` and `enqueue_time`) in turns: addresses, and sessions within each."""
    in_session, at_address = collections.Counter(), collections.Counter()
    rounds = []
    for event in sorted(events, key=lambda e: e.enqueue_time):
        rounds.append((in_session[event.session_hash], event.enqueue_time, event))
        in_session[event.session_hash] += 1
    turns = []
    for _, time, event in sorted(rounds, key=lambda r: r[:2]):
        turns.append((at_address[address_of(event)], time, event))
        at_address[address_of(event)] += 1
    return [event for *_, event in sorted(turns, key=lambda t: t[:2])]


def is_large(data) -> bool:
    """Whether any uploaded picture or stream among the inputs of an event has more than LARGE_PIXELS.

    All of its files are touched: they are in use, and must not be swept away.
    """
    folder = Path(get_upload_folder()).resolve()
    paths = {Path(p) for p in paths_in(data) if is_within(p, folder)}  # others Gradio refuses
    for path in paths:
        touch(path)
    return any(pixels(path) > LARGE_PIXELS for path in paths)


def pixels(path: Path) -> int:
    """What the header of a picture or stream declares; 0 for what will be refused anyway."""
    try:
        data = read_path(path)
        if data.startswith(bitstream.MAGIC):
            stream = bitstream.read(data)
            return stream.width * stream.height
        return declared_pixels(data, MAX_PIXELS)
    except CodecError:
        return 0


def make_fair(demo: gr.Blocks, ranks: dict[Callable, int], scaling: dict[Callable, int]) -> gr.Blocks:
    """Gives a page that is complete the queue above. ranks, scaling: see `FairQueue`."""
    demo.queue(max_size=None, default_concurrency_limit=2, api_open=False)  # closed: direct calls would pass it by
    queue = queue_of(demo)
    queue.__class__ = FairQueue  # Gradio makes its queue itself and takes no other
    queue.ranks, queue.scaling, queue.arriving = ranks, scaling, set()
    queue.ANALYTICS_MAX_EVENTS = 100  # it sums up all of them after each request
    queue.pending_messages_per_session.max_size = 2 * MAX_WAITING  # answers that nobody has fetched
    return demo
