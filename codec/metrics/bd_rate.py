"""Bjøntegaard's rate difference between two rate–distortion curves (VCEG-M33, 2001), in every metric.

A curve is a list of points, each a dict with "bpp" and the metrics of SCALES. Needs the bjontegaard package, which
brings scipy and matplotlib along and is therefore imported only when a number is asked for.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How a metric is drawn, and integrated over for a BD-rate.

    key: in a curve's points. axis: onto a scale that grows with quality and on which the logarithm of the
    rate is about straight, as Bjøntegaard's method wants it; `key` values go in.
    """

    key: str
    label: str
    axis: object
    digits: int
    unit: str = ""


#: LPIPS falls with the rate, so it has to be turned round. Its negative would do that, but the rate goes
#: about with a power of LPIPS: on -log10 the curve is nearly straight, as PSNR's is, and halving the distance
#: counts the same wherever it happens, while on the negative the lowest rates would make up most of the integral.
SCALES = {
    "psnr": Scale("psnr", "PSNR", float, 2, " dB"),
    "ms_ssim": Scale("ms_ssim_db", "MS-SSIM", float, 2, " dB"),
    "lpips": Scale("lpips", "LPIPS", lambda v: -math.log10(v), 4),
}


def bd_rate_of_curves(anchor: list[dict], test: list[dict], metric: str = "psnr") -> dict:
    """How much more rate `test` takes than `anchor` at equal quality, over the quality that both curves cover.

    {"percent", "METRIC_from", "METRIC_to"}: the ends of the overlap are values of the metric, at low rate
    first; negative means fewer bits. Where there is no such number, {"percent": None, "reason"}. By the
    bjontegaard package: Akima interpolation of the logarithm of the rate over the scale of SCALES.
    """
    import bjontegaard

    scale = SCALES[metric]
    sides = []
    for side in (anchor, test):
        if any(p.get(scale.key) is None for p in side):
            return {"percent": None, "reason": "not measured"}
        rows = sorted((scale.axis(p[scale.key]), p["bpp"]) for p in side)
        if not all(math.isfinite(q) for q, _ in rows):
            return {"percent": None, "reason": "a reconstruction is identical to the original"}
        # A setting that costs more and is no better than another says nothing of the codec.
        kept = [row for i, row in enumerate(rows) if all(q > row[0] and r > row[1] for q, r in rows[i + 1 :])]
        if len(kept) < 4:
            return {"percent": None, "reason": "fewer than four settings, each better than the cheaper ones"}
        sides.append(([q for q, _ in kept], [r for _, r in kept]))
    (quality_a, rate_a), (quality_t, rate_t) = sides
    low, high = max(quality_a[0], quality_t[0]), min(quality_a[-1], quality_t[-1])
    if low >= high:
        return {"percent": None, "reason": "no quality that both reach"}
    value = bjontegaard.bd_rate(
        rate_a, quality_a, rate_t, quality_t, method="akima", require_matching_points=False, min_overlap=0
    )
    back = (lambda v: 10**-v) if metric == "lpips" else float
    return {
        "percent": round(float(value), 2),
        f"{metric}_from": round(back(low), scale.digits),
        f"{metric}_to": round(back(high), scale.digits),
    }
