"""Anyone's stream: its image and its header, or what is wrong with it."""

from pathlib import Path

from codec import api, bitstream
from codec.device import where_it_fits
from codec.ui.jobs import common
from codec.ui.jobs.compare import file_stem


def run(path: str | None):
    """Yields the picture and the header of a stream: see `tabs.open_stream.decompress`."""
    if not path:
        common.refuse("open.no_file")
    with common.workplace() as folder:
        data = Path(path).read_bytes()
        header = api.info(data)
        decoded = where_it_fits(lambda device: api.load(header["trunk"], device).decode(bitstream.read(data)))
        yield common.saved(folder / f"{file_stem(path)}.png", decoded), header
