"""Order among visitors: who waits for whom, and what one of them may ask for at once.

Gradio's queue serves first come, first served, in as many places as there are. A visitor with forty clicks, or two with
a picture of 24 megapixels each, would keep everybody else waiting for minutes. Here large pictures take turns in a lane
of their own, one at a time, which bounds the memory as well; and in each lane addresses take turns, within an address
its sessions, so that the n-th request of one waits for the n-th of the others.
"""

import collections
from pathlib import Path

import gradio as gr
from anyio.to_thread import run_sync
from gradio.queueing import Event, EventQueue, Queue
from gradio.utils import get_upload_folder

from codec import bitstream
from codec.errors import CodecError
from codec.pictures.files import MAX_PIXELS, declared_pixels
from codec.pictures.sources import read_path
from codec.ui.sweep import is_within, paths_in, touch

LARGE_PIXELS = 4_000_000
LARGE = "large"  # the lane's name among Gradio's concurrency ids
MAX_WAITING = 256  # requests, in all lanes
MAX_PER_ADDRESS = 160  # a class behind one router fits in; one address alone can not fill the queue
MAX_PER_SESSION = 12
BUSY = "The page is busy: {} requests are waiting already. Please try again in a minute."


class FairQueue(Queue):
    """Gradio's queue with lanes by size of picture, turns by visitor, and limits for each."""

    async def push(self, body, request, username):
        """As in Gradio: (accepted, event id or sentence, state)."""
        address = request.client.host if request.client else ""
        waiting = [e for lane in self.event_queue_per_concurrency_id.values() for e in lane.queue]
        for count, most in (
            (len(waiting), MAX_WAITING),
            (sum(address_of(e) == address for e in waiting), MAX_PER_ADDRESS),
            (sum(e.session_hash == body.session_hash for e in waiting), MAX_PER_SESSION),
        ):
            if count >= most:
                return False, BUSY.format(count), "queue_full"
        large = await run_sync(is_large, body.data)
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


def make_fair(demo: gr.Blocks) -> gr.Blocks:
    """Gives a page that is complete the queue above."""
    demo.queue(max_size=None, default_concurrency_limit=2, api_open=False)  # closed: direct calls would pass it by
    queue = demo._queue
    queue.__class__ = FairQueue  # Gradio makes its queue itself and takes no other
    queue.ANALYTICS_MAX_EVENTS = 100  # it sums up all of them after each request
    queue.pending_messages_per_session.max_size = 2 * MAX_WAITING  # answers that nobody has fetched
    return demo
