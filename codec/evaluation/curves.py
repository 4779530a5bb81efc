"""Mean curves over a data set, and BD-rates between them.

A curve holds, for every setting of a codec, the means over the pictures: of the rate, of PSNR and of LPIPS. MS-SSIM
is averaged, too, and put on its dB scale after that, as published curves are.
"""

import math
from collections.abc import Iterable

import pandas as pd

from codec.evaluation.measure import METRICS
from codec.metrics import ms_ssim_db
from codec.metrics.bd_rate import SCALES, bd_rate_of_curves
from codec.results import OURS, is_ours, title


def complete_pictures(points: list[dict]) -> set[str]:
    """The pictures that have a point at every setting of every codec: means over others would not compare."""
    frame = pd.DataFrame(points, columns=["image", "codec", "setting"]).drop_duplicates()
    settings = frame.groupby("image").size()
    return set(settings.index[settings == len(frame[["codec", "setting"]].drop_duplicates())])


def means(points: list[dict], keys: Iterable[str], by: str) -> dict[object, dict[str, float | None]]:
    """By the values of `by`: the mean of every key over the points, None where one of them has none."""
    frame = pd.DataFrame(points, columns=[by, *keys]).astype({key: float for key in keys})
    # Added up one by one, as the numbers in the results files were: pandas' own order differs in the last digit.
    rows = frame.groupby(by).agg(lambda column: sum(column) / len(column))
    return {value: {k: None if math.isnan(v) else float(v) for k, v in row.items()} for value, row in rows.iterrows()}


def curve(points: list[dict], name: str) -> list[dict]:
    """Means over the pictures at every setting of a codec, by rising rate."""
    own, digits = [p for p in points if p["codec"] == name], {"bpp": 5, "lpips": 5, "ms_ssim": 6}
    rows = []
    for setting, row in means(own, ("bpp", *METRICS, "encode_ms", "decode_ms"), "setting").items():
        if row["ms_ssim"] is not None:
            row["ms_ssim_db"] = ms_ssim_db(row["ms_ssim"])
        rows.append({"setting": setting} | {k: round(v, digits.get(k, 4)) for k, v in row.items() if v is not None})
    return sorted(rows, key=lambda row: row["bpp"])


def bd_rate(points: list[dict], anchor: str, test: str = OURS, metric: str = "psnr") -> dict:
    """The BD-rate of `test` against `anchor`, with what `bd_rate_of_curves` says of it."""
    return bd_rate_of_curves(curve(points, anchor), curve(points, test), metric)


def summarize(result: dict) -> dict:
    """Adds curves, and BD-rates of ours against everything else in every metric, to what `rd.evaluate` found."""
    complete = complete_pictures(result["points"])
    points = [p for p in result["points"] if p["image"] in complete]
    result["pictures_in_means"] = len(complete)
    names = sorted({p["codec"] for p in points})
    result["curves"] = {n: curve(points, n) for n in names}
    if OURS in names:
        for metric in SCALES:
            others = [n for n in names if n != OURS]
            result[f"bd_rate_{metric}"] = {
                n: bd_rate_of_curves(result["curves"][n], result["curves"][OURS], metric) for n in others
            }
        result["weights"] = next(p["weights"] for p in points if p["codec"] == OURS)
    return result


def bd_table(result: dict, anchor: str, tests: list[str] | None = None) -> str:
    """BD-rates of some codecs of a results file, or of all, against one of them, in every metric, as text.

    Raises ValueError for an anchor that the file does not have.
    """
    curves = result["curves"]
    if anchor not in curves:
        raise ValueError(f"There is no '{anchor}' in these results; there are: {', '.join(curves)}.")
    lines = [f"BD-rate against {title(anchor)}, in the quality that both cover:"]
    for name in sorted({*(curves if tests is None else tests)} - {anchor}, key=lambda n: (not is_ours(n), n)):
        cells = []
        for metric, scale in SCALES.items():
            bd = bd_rate_of_curves(curves[anchor], curves[name], metric)
            if bd["percent"] is None:
                cells.append(f"{scale.label} – ({bd['reason']})")
            else:
                span = f"{bd[f'{metric}_from']}…{bd[f'{metric}_to']}{scale.unit}"
                cells.append(f"{scale.label} {bd['percent']:+.1f} % ({span})")
        lines.append(f"  {title(name):24}" + "   ".join(f"{c:36}" for c in cells).rstrip())
    return "\n".join(lines)
