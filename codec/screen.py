"""Screen content: text, line art and charts as few colours, coded losslessly on top of the latent.

At few bits a transform blurs letters. HEVC and AV1 therefore have a palette mode for such blocks (Pu et al., "Palette
mode coding in HEVC screen content coding extension", IEEE JETCAS 2016). Here 64×64 regions are cut out where that costs
less. What was there is rounded to a few colours and becomes the stream's overlay (`codec.pictures.overlay`), without
loss. The latent gets one flat colour in its place. Every decoder's picture lies beneath the overlay.

    J = bits + λ·255²·MSE·pixels

decides for each region, and then for the whole picture: at a λ the least J is taken, at a size the least MSE.
Nearly all photographs have too few such regions, and their streams no overlay.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from codec import bitstream
from codec.api import Coded, RateResult, encode
from codec.inside.bits import block_bits, payload_bytes
from codec.pictures import overlay
from codec.pipeline import Codec
from codec.spec import REGION, lambda_of

FLAT = 0.5  # of the pixels of screen content have the colour of their neighbour, in photographs hardly any;
EDGES, SHARP = 0.004, 48  # and some differ by this much: a sky has none of those
LINE = 8  # every eighth row is looked at
SHARE = 0.05  # of the regions have to be flat and sharp before anything is tried
COLOURS = (2, 3, 4, 6, 8, 16, 32, 64, 256)  # of an overlay
FLOOR, SLOPE = 0.017, 1.2  # bpp that the latent takes at least; the error falls with this power of the bits
FILLED = (0.5, 0.75, 0.99)  # of what is left above the floor an overlay may take
GAIN = 0.95  # of the cost without an overlay is as much as one may cost: its edges should be worth it
SAMPLE, LLOYD, AT_A_TIME = 20_000, 3, 4_000_000  # pixels that colours start from; rounds; distances in memory
TRIALS, LARGE = 3, 1_000_000  # overlays that are tried, and pixels from which on they are fewer;
MOST = 9_000_000  # and those of a screen of 4K: more would take half a minute and gigabytes
HEADER = 8  # bytes that an overlay adds to the header, at most


def by_region(values: np.ndarray, line: int = 1) -> np.ndarray:
    """Sums (rows, columns) over 64×64 pixels of values (H, W). They are every `line`th row of the picture."""
    height, width = values.shape
    padded = np.pad(values, ((0, -height % (REGION // line)), (0, -width % REGION)))
    return padded.reshape(-1, REGION // line, padded.shape[1] // REGION, REGION).sum((1, 3), dtype=np.float64)


def candidates(rgb: np.ndarray) -> np.ndarray:
    """The regions that may be screen content: bool (rows, columns), none of them in nearly every photograph."""
    some = rgb[::LINE].astype(np.int16)
    step = np.abs(np.diff(some, axis=1, prepend=some[:, :1])).max(2)
    still, sharp = (by_region(values, LINE) for values in (step == 0, step >= SHARP))
    pixels = by_region(np.ones_like(step), LINE)
    flat = still > FLAT * pixels
    return flat & ((flat & (sharp > EDGES * pixels)).mean() >= SHARE)


def padded(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> the same filled up to whole regions by repeating its last row and column."""
    return np.pad(rgb, ((0, -rgb.shape[0] % REGION), (0, -rgb.shape[1] % REGION), (0, 0)), "edge")


class Colours:
    """The colours of a picture, uint8 (H, W, 3) of whole regions: each once, and which of them every pixel has."""

    def __init__(self, rgb: np.ndarray):
        self.rgb = rgb
        keys = rgb.astype(np.int32) @ np.array((1 << 16, 1 << 8, 1), dtype=np.int32)
        unique, self.of_pixel = np.unique(keys, return_inverse=True)
        self.of_pixel = self.of_pixel.reshape(keys.shape)
        self.unique = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], 1).astype(np.float32)

    def rounded(self, mask: np.ndarray, count: int, preset: int) -> tuple[np.ndarray, np.ndarray, bytes]:
        """The picture with `count` colours in the regions of mask, the most frequent of those, and the overlay.

        The colours are the means of k groups (Lloyd, "Least squares quantization in PCM", 1982), from those of median
        cut on. Where there are no more than `count`, they stay as they are.
        """
        inside = overlay.to_pixels(mask)
        pixels = self.of_pixel[inside]
        weight = np.bincount(pixels, minlength=len(self.unique))
        present = np.flatnonzero(weight)
        points, weight = self.unique[present], weight[present]
        centres, nearest = points, np.arange(len(present))
        if len(present) > count:
            some = self.rgb[inside][:: max(1, len(pixels) // SAMPLE)]
            start = Image.fromarray(some[None]).quantize(count, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            centres = np.frombuffer(start.palette.tobytes(), dtype=np.uint8).reshape(-1, 3).astype(np.float32)
            for _ in range(LLOYD):
                nearest = nearest_of(points, centres)
                total = np.maximum(np.bincount(nearest, weight, len(centres)), 1e-9)
                means = [np.bincount(nearest, weight * points[:, i], len(centres)) / total for i in range(3)]
                centres = np.where(total[:, None] > 0.5, np.stack(means, 1), centres).astype(np.float32)
            centres = centres.round()
            nearest = nearest_of(points, centres)
        colours, index_of = centres.astype(np.uint8), np.zeros(len(self.unique), dtype=np.uint8)
        index_of[present] = nearest
        indices = index_of[self.of_pixel]
        few = np.where(inside[..., None], colours[indices], self.rgb)
        frequent = colours[np.bincount(nearest, weight, len(colours)).argmax()]
        return few, frequent, overlay.write(colours, indices, mask, preset)


def nearest_of(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest of centres (k, 3) to each of points (n, 3): int64 (n,)."""
    half = (centres**2).sum(1) / 2
    pieces = np.array_split(points, -(-len(points) * len(centres) // AT_A_TIME))
    return np.concatenate([(half - piece @ centres.T).argmin(1) for piece in pieces])


def squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared differences, means over the colours, summed by region: float64 (rows, columns)."""
    return by_region(((a.astype(np.float32) - b) ** 2).mean(2))


@dataclass
class Trial:
    """Regions that become an overlay, its number of colours, and what that is expected to cost, to compare trials."""

    mask: np.ndarray
    count: int
    cost: float


class Search:
    """The search for the overlay of one picture, uint8 (H, W, 3), which is coded without one already."""

    def __init__(self, rgb: np.ndarray, plain: Coded, codec: Codec):
        self.rgb, self.plain, self.codec = rgb, plain, codec
        self.colours = Colours(padded(rgb))
        self.lmbda = lambda_of(plain.q)
        self.plain_error = self.errors(plain)

    def errors(self, coded: Coded) -> np.ndarray:
        """The squared error of a coded picture, by region."""
        stream = coded.stream
        decoded = self.codec.synthesise(coded.latent, self.codec.decoder("mse"), stream.width, stream.height)
        return squares(decoded, self.rgb)

    def trials(self, mask: np.ndarray, counts: Iterable[int], limit: int | None) -> Iterator[Trial]:
        """What is worth trying with each number of colours."""
        blocks = block_bits(self.codec, self.plain.latent, payload_bytes(self.plain.stream))
        height, width, _ = self.rgb.shape
        usual = blocks.reshape(mask.shape[0], 4, mask.shape[1], 4).sum((1, 3))
        room = 8 * (limit or 0) - FLOOR * height * width
        for count in counts:
            few, _, data = self.colours.rounded(mask, count, overlay.QUICK)
            busy = (by_region(overlay.changes(few)) + 1) * mask
            bits = 8 / overlay.QUICK_MORE * len(data) * busy / busy.sum()
            error = squares(few[:height, :width], self.rgb)
            better = mask & (bits + self.lmbda * error < usual + self.lmbda * self.plain_error)
            masks = [mask, better]
            if limit is not None:  # as many as fit, the most useful bits first
                worth = np.where(mask, (self.plain_error - error) / (bits + 1), -np.inf)
                order = np.argsort(-worth, axis=None)
                for share in FILLED:
                    fitting = np.zeros_like(mask)
                    fits = np.cumsum(bits.ravel()[order]) < share * room
                    fitting.ravel()[order[fits & (worth.ravel()[order] > 0)]] = True
                    masks += [fitting, better & fitting]
            for some in masks:
                if some.any():
                    taken, squared = bits[some].sum(), error[some].sum()
                    rest, rest_squared = usual[~some].sum(), self.plain_error[~some].sum()
                    if limit is None:
                        yield Trial(some, count, taken + rest + self.lmbda * (squared + rest_squared))
                    elif taken < FILLED[-1] * room:  # what the overlay leaves changes the error of the rest
                        left = rest / (room - taken)
                        yield Trial(some, count, squared + rest_squared * left**SLOPE)

    def code(self, trial: Trial, limit: int | None, **asked) -> tuple[Coded, RateResult] | None:
        """The picture with an overlay; None where it does not fit into `limit` bytes. asked: as by `api.encode`."""
        _, frequent, data = self.colours.rounded(trial.mask, trial.count, overlay.BEST)
        inside = overlay.to_pixels(trial.mask)[: self.rgb.shape[0], : self.rgb.shape[1], None]
        base = np.where(inside, frequent, self.rgb)
        left = None if limit is None else limit - len(data) - HEADER
        if left is not None and left <= 0:
            return None
        size = {"q": self.plain.q} if left is None else {"max_bytes": left}
        coded, result = encode(base, codec=self.codec, screen=False, **size, **asked)
        latent, stream = replace(coded.latent, overlay=data), replace(coded.stream, overlay=data)
        return replace(coded, latent=latent, stream=stream, data=bitstream.write(stream)), result


def improve(
    rgb: np.ndarray, plain: Coded, result: RateResult, codec: Codec, limit: int | None, model: str, **refinement
) -> tuple[Coded, RateResult]:
    """A coded picture with an overlay where that is better, else as it is.

    limit: the size in bytes that was asked for, or None for a λ. refinement: `refine` and `tune` of `api.encode`. Only
    the overlay that is chosen is coded with them.
    """
    if rgb.shape[0] * rgb.shape[1] > MOST or not (mask := candidates(rgb)).any():
        return plain, result
    search, large = Search(rgb, plain, codec), mask.size * REGION**2 > LARGE
    trials = {(t.mask.tobytes(), t.count): t for t in search.trials(mask, COLOURS[::3] if large else COLOURS, limit)}
    ranked = sorted(trials.values(), key=lambda trial: trial.cost)
    best, least, chosen = (plain, result), np.inf, None
    if limit is None:
        least = GAIN * (8 * len(plain.data) + search.lmbda * search.plain_error.sum())
    elif result.reached:
        least = GAIN * search.plain_error.sum()
    for trial in ranked[: 1 if large else TRIALS]:
        tried = search.code(trial, limit, model=model)
        if tried is None or not tried[1].reached:
            continue
        cost = search.errors(tried[0]).sum()
        if limit is None:
            cost = 8 * len(tried[0].data) + search.lmbda * cost
        if cost < least:
            best, least, chosen = tried, cost, trial
    if chosen and refinement["refine"]:
        refined = search.code(chosen, limit, model=model, **refinement)
        best = refined if refined and refined[1].reached else best
    return best
