"""What a stream says about itself before any network is loaded. No torch."""

from codec.bitstream import VERSION, read
from codec.errors import StreamError
from codec.pictures.sources import read_source
from codec.rate import bpp
from codec.spec import lambda_of


def info(source) -> dict:
    """Every header field of a stream, its sizes in bytes and its rate, fit for JSON. source: as `decompress` takes."""
    data = read_source(source, StreamError)
    stream = read(data)
    level: dict[str, object]
    if isinstance(stream.q, int):
        level = {"level": stream.q, "lambda": round(lambda_of(stream.q), 6)}
    else:
        least, most = int(stream.q.min()), int(stream.q.max())
        level = {"level_map": dict(zip(("rows", "columns"), stream.regions, strict=True)) | {"min": least, "max": most}}
    return {
        "version": VERSION,
        "trunk": stream.trunk,
        "decoder": stream.decoder,
        "width": stream.width,
        "height": stream.height,
        **level,
        "bytes": len(data),
        "header_bytes": len(data) - len(stream.overlay) - len(stream.z) - len(stream.y),
        "overlay_bytes": len(stream.overlay),
        "z_bytes": len(stream.z),
        "y_bytes": len(stream.y),
        "bpp": round(bpp(len(data), stream.width, stream.height), 6),
    }
