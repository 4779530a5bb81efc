"""What was measured as HTML: headlines, tables, one line a file, and bars of bytes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html import escape

from codec.spec import lambda_of
from codec.ui.texts import t, written


@dataclass
class Row:
    """One line. None is what is not known or not defined; `pending` what is still being measured."""

    key: str
    name: str
    bytes: int
    bpp: float
    ratio: float
    psnr: float | None = None
    ms_ssim: float | None = None
    lpips: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    pending: bool = False
    own_rate: bool = False  # it was not made of as many bytes as the others, and competes with none of them


#: Field, format, and whether the most (+1) or the least (-1) is the best. Its heading is the text "table.FIELD".
COLUMNS = (
    ("bytes", ",", -1),
    ("bpp", ".3f", -1),
    ("ratio", ".0f", 1),
    ("psnr", ".2f", 1),
    ("ms_ssim", ".4f", 1),
    ("lpips", ".3f", -1),
    ("encode_ms", ".0f", -1),
    ("decode_ms", ".0f", -1),
)
FORMS = {field: form for field, form, _ in COLUMNS}
SIZES = ("bytes", "bpp", "ratio")
SLOW = ("ms_ssim", "lpips")


def kilobytes(size: int) -> str:
    return t("table.size_bytes", size=size) if size < 1000 else t("table.size_kb", size=size / 1000)


def headline(ours: Row, q: int, lmbda: float | None, notes: list[str]) -> str:
    """The result in one line, how it came about in another. lmbda: what was asked for; q: the index coded at."""
    exact = lambda_of(q)
    rate = t("compare.lambda", value=exact)
    if lmbda is not None:
        rate = t("compare.lambda_asked", value=lmbda, exact=exact)
    small = " ".join(escape(n) for n in [t("compare.rate", rate=rate, bpp=ours.bpp), *notes])
    big = t("compare.headline", size=kilobytes(ours.bytes), ratio=smaller(ours.ratio), psnr=ours.psnr)
    return f"<div class='big'>{big}</div><div class='small'>{small}</div>"


def smaller(ratio: float) -> str:
    """How much smaller than its raw pixels a file is: an image of a few pixels has none."""
    if ratio < 1.05:
        return t("compare.not_smaller")
    return t("compare.smaller", times=written(ratio, ".0f" if ratio >= 9.5 else ".1f"))


def verdict(ours: Row, other: Row, name: str, note: str, equal: str = "size") -> str:
    """This codec against the chosen one in one line. equal: what both have in common, the size or a measure."""
    if note:
        return f"<div class='big'>{escape(note)}</div>"
    if equal != "size" and not other.own_rate:
        times, value = other.bytes / ours.bytes, getattr(ours, equal)
        needs = escape(t("compare.equal_needs", name=name, size=kilobytes(other.bytes), times=written(times, ".2f")))
        equally = t("compare.equal_measure", measure=t(f"table.{equal}"))
        equally += "" if value is None else f" ({written(value, FORMS[equal])})"
        return f"<div class='big'>{needs} {equally}</div>"
    measures = [t("compare.against_psnr", other=other.psnr, ours=ours.psnr)]
    if ours.lpips is not None and other.lpips is not None:
        times = written(other.lpips / max(ours.lpips, 1e-6), ".1f")
        measures.append(t("compare.against_lpips", times=times, other=other.lpips, ours=ours.lpips))
    size = t("compare.same_size", size=kilobytes(other.bytes))
    if other.own_rate:
        size = t("compare.own_size", size=kilobytes(other.bytes), ours=kilobytes(ours.bytes))
    return f"<div class='big'>{escape(name)}{size}: {'; '.join(measures)}</div>"


def remark(row: Row) -> str:
    """What is said beside a picture's name."""
    figures = f"{kilobytes(row.bytes)}, {written(row.psnr, '.1f')} dB"
    return figures if row.lpips is None else f"{figures}, LPIPS {written(row.lpips, '.3f')}"


def table(rows: list[Row], caption: str = "", equal: str = "size") -> str:
    """The rows as HTML, the best of each column in bold as far as it is shown; the original competes in none.

    equal: what the rows have in common, the size or a measure: there nothing is the best.
    """
    best = {}
    for field, form, sign in COLUMNS:
        values = [getattr(r, field) for r in rows if competes(r) and getattr(r, field) is not None]
        same = field == equal or (
            field in SIZES and equal == "size" and max(values, default=1) <= 1.03 * min(values, default=1)
        )
        if len(values) > 1 and len({written(v, form) for v in values}) > 1 and not same:
            best[field] = written(max(values, key=lambda v: sign * v), form)
    head = "".join(f"<th scope='col'>{t(f'table.{field}')}</th>" for field, _, _ in COLUMNS)
    caption = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{t('table.label')}'>"
        f"<table>{caption}<thead><tr><th scope='col'>{t('table.image')}</th>{head}</tr></thead>"
        f"<tbody>{''.join(line(r, best) for r in rows)}</tbody></table></div>"
    )


def competes(row: Row) -> bool:
    return row.key != "original" and not row.own_rate


def line(row: Row, best: dict[str, str]) -> str:
    cells = ""
    for field, form, _ in COLUMNS:
        number = getattr(row, field)
        text = ("…" if row.pending and field in SLOW else "–") if number is None else written(number, form)
        wins = competes(row) and number is not None and best.get(field) == text
        cells += f"<td><b>{text}</b></td>" if wins else f"<td>{text}</td>"
    return f"<tr><th scope='row'>{escape(row.name)}</th>{cells}</tr>"


def facts(rows: list[Row]) -> list[dict]:
    """The rows for machines: JSON has no infinity, which the PSNR of equal pictures is."""
    objects = []
    for row in rows:
        values = {k: None if v == float("inf") else v for k, v in asdict(row).items() if k != "pending"}
        objects.append({k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()})
    return objects


def plain_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells that are HTML already, as an HTML table; the first of a row is its heading."""
    head = "".join(f"<th scope='col'>{h}</th>" for h in heads)
    body = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(f'<td>{c}</td>' for c in rest)}</tr>" for first, *rest in rows
    )
    return f"<div class='figures'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def rungs_html(rungs: list) -> str:
    """An entropy ladder, `codec.inside.ladder.Rung`s, as bars whose lengths are bytes."""
    widest = max(r.total for r in rungs)
    rows = ""
    for r in rungs:
        number = written(r.total, ",")
        explained = t(f"rung.{r.key}_said", **r.values) + (t("table.code_table", size=r.table) if r.table else "")
        rows += (
            f"<div class='rung'><span class='name'>{escape(t(f'rung.{r.key}'))}</span><span class='bar'>"
            f"<i style='width:{100 * r.symbols / widest:.2f}%'></i><i class='table' "
            f"style='width:{100 * r.table / widest:.2f}%'></i></span><span class='number'>{number}</span></div>"
            f"<div class='remark'>{escape(explained)}</div>"
        )
    return f"<div class='rungs'>{rows}</div>"
