"""A room's results in words and charts, one step of the reveal at a time, and as files to keep."""

import functools
import json
from datetime import date

from codec.ui.texts import LANGUAGE, t, written
from codec.vote import charts, export, results
from codec.vote.results import MIN_VOTERS
from codec.vote.sets import TRAINED
from codec.vote.store import Store

STEPS = 4
CHART = ("masked", "unmasked", "scale", "measures")


def words(key: str, **values) -> str:
    """The texts of charts."""
    return t(f"vote.chart.{key}", **values)


def title(method: dict) -> str:
    """What a method is called: by our texts, or as its set has it."""
    name, _, realism = method["key"].partition("@")
    ours = {"mse", "hific", "hific-nogan", "perceptual", "texture", "jpeg", "webp", "jpeg2000", "avif", "heic", "jxl"}
    if name not in ours:
        return method["title"]
    own = t(f"vote.method.{name.replace('-', '_')}")
    return t("vote.method.realism", name=own, realism=realism) if realism else own


def titles(setup: dict) -> dict[str, str]:
    return {method["key"]: title(method) for method in setup["methods"]}


def votes_of(store: Store, room) -> list[results.Vote]:
    """All that counts in a room: its phones, its hands, and earlier classes; each vote once."""
    question = room["question"]
    every = [*store.earlier(room["code"]), *store.votes(room["code"])]
    once = {(v.room, v.voter, v.position): v for v in every}
    return [*once.values(), *results.raised(store.hands(room["code"]), question)]


class Summaries:
    """The analysis of each room, made once for the same votes."""

    def __init__(self, store: Store):
        self.store = store
        self.analysed = functools.lru_cache(20)(self._analyse)

    def forget(self) -> None:
        """Votes that were deleted must not live on here."""
        self.analysed.cache_clear()

    def of(self, room) -> dict:
        return self.analysed(room["set_id"], tuple(votes_of(self.store, room)))

    def _analyse(self, set_id: str, votes: tuple) -> dict:
        return results.analyse(self.store.setup(set_id), votes)


def step(number: int, summary: dict, setup: dict) -> dict:
    """What the host's page shows at step 1…4: a title, sentences, a chart, and the same as a table."""
    if summary["withheld"]:
        return {
            "step": number,
            "title": t("vote.reveal.withheld", least=MIN_VOTERS),
            "sentences": [],
            "svg": "",
            "file": "",
            "table": [],
        }
    name = CHART[number - 1]
    names = titles(setup)
    draw = {
        "masked": functools.partial(charts.bars, summary, names, words, True),
        "unmasked": functools.partial(charts.bars, summary, names, words, False),
        "scale": functools.partial(charts.scale, summary, names, words),
        "measures": functools.partial(charts.measures, summary, words),
    }[name]
    told = {"masked": masked, "unmasked": unmasked, "scale": scaled, "measures": predicted}[name]
    return {
        "step": number,
        "title": t(f"vote.reveal.{name}"),
        "sentences": told(summary, setup, names),
        "svg": draw(),
        "file": draw(caption=caption(summary, setup, masked=number == 1), standalone=True),
        "table": table(name, summary, names),
    }


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def masked(summary: dict, setup: dict, names: dict) -> list[str]:
    sentences = [t("vote.reveal.counted", votes=summary["votes"], voters=summary["voters"] - summary["left_out"])]
    if summary["left_out"]:
        sentences.append(t("vote.reveal.left_out", count=summary["left_out"]))
    if summary["asked_twice"]:
        same = {"same": summary["consistent"], "asked": summary["asked_twice"]}
        sentences.append(t("vote.reveal.consistent", **same))
    least = max((p for p in summary["pairs"]), key=lambda p: p["wins"] + p["losses"])
    if least["detectable"]:
        n = least["wins"] + least["losses"]
        sentences.append(t("vote.reveal.power", votes=n, share=percent(least["detectable"])))
    return sentences


def unmasked(summary: dict, setup: dict, names: dict) -> list[str]:
    sentences = []
    # What PSNR has wrong comes first: that is what the vote is for.
    for pair in sorted(
        (p for p in summary["pairs"] if p["clear"]), key=lambda p: (p["psnr"] > 0) == (p["share"] > 0.5)
    ):
        first_wins = pair["share"] > 0.5
        winner, loser = (pair["first"], pair["second"]) if first_wins else (pair["second"], pair["first"])
        share = max(pair["share"], 1 - pair["share"])
        sentence = t("vote.reveal.prefers", winner=names[winner], loser=names[loser], share=percent(share))
        if pair["psnr"]:
            sentence += " " + t(
                "vote.reveal.psnr_same" if (pair["psnr"] > 0) == first_wins else "vote.reveal.psnr_other"
            )
        if pair["p_voters"] >= results.ALPHA:
            sentence += " " + t("vote.reveal.by_voters", p=charts.p_text(pair["p_voters"]))
        sentences.append(sentence)
    if not sentences:
        sentences = [t("vote.reveal.no_preference")]
    return [*sentences[:3], sizes(setup)]


def sizes(setup: dict) -> str:
    """How far apart the files of one image are at most."""
    apart = 0.0
    for image in setup["images"]:
        own = [r["bytes"] for r in image["renditions"].values()]
        apart = max(apart, max(own) / min(own) - 1)
    return t("vote.reveal.sizes", percent=written(100 * apart, ".1f"), bpp=setup["bpp"])


def scaled(summary: dict, setup: dict, names: dict) -> list[str]:
    rows = sorted(summary["scale"], key=lambda row: -row["score"])
    sentences = [t("vote.reveal.best", name=names[rows[0]["key"]]), t("vote.reveal.scale_meaning")]
    if summary["nu"]:
        sentences.append(t("vote.reveal.ties", count=summary["ties"]))
    return sentences


def predicted(summary: dict, setup: dict, names: dict) -> list[str]:
    rows = [row for row in summary["measures"] if row["tau"] is not None]
    if not rows:
        return [t("vote.reveal.no_measure")]
    sentences = [t("vote.reveal.predicted", **best_of(rows))]
    untrained = [row for row in rows if not row["trained"]]
    if untrained and rows[0]["trained"]:  # what flatters no decoder
        sentences.append(t("vote.reveal.best_untrained", **best_of(untrained)))
    psnr = next((row for row in rows if row["name"] == "psnr"), None)
    if psnr:
        sentences.append(t("vote.reveal.psnr_agreed", agreed=psnr["agreed"], decided=psnr["decided"]))
    if "dists" not in [row["name"] for row in summary["measures"]]:
        sentences.append(t("vote.reveal.no_dists"))
    return sentences


def best_of(rows: list[dict]) -> dict[str, str]:
    """The first of the measures, which are sorted by τ, and those that are as good."""
    names = [words(f"measure_{row['name']}") for row in rows if row["tau"] == rows[0]["tau"]]
    return {"name": ", ".join(names), "tau": written(rows[0]["tau"], ".2f").replace("-", "−")}


def signed(value: float) -> str:
    return written(value, "+.2f").replace("-", "−")


def table(name: str, summary: dict, names: dict) -> list[list[str]]:
    """The chart's numbers, a heading first."""
    head = {key: t(f"vote.table.{key}") for key in ("pair", "share", "interval", "votes", "p", "p_voters", "method")}
    if name in ("masked", "unmasked"):
        rows = [[head[key] for key in ("pair", "share", "interval", "votes", "p", "p_voters")]]
        for at, pair in enumerate(summary["pairs"], 1):
            ends = (pair["first"], pair["second"])
            label = f"{at}: A – B" if name == "masked" else " – ".join(names[key] for key in ends)
            low, high = pair["wilson"]
            counted = f"{pair['wins']} / {pair['ties']} / {pair['losses']}"
            tests = [charts.p_text(pair[key]).removeprefix("p = ").removeprefix("p ") for key in ("p_holm", "p_voters")]
            rows.append([label, percent(pair["share"]), f"{percent(low)} – {percent(high)}", counted, *tests])
        return rows
    if name == "scale":
        rows = [[head["method"], t("vote.table.strength"), head["interval"]]]
        for row in sorted(summary["scale"], key=lambda row: -row["score"]):
            rows.append([names[row["key"]], signed(row["score"]), f"{signed(row['low'])} – {signed(row['high'])}"])
        return rows
    rows = [[t("vote.table.measure"), "τ", head["interval"], t("vote.table.agreed"), t("vote.table.trained")]]
    for row in summary["measures"]:
        tau = "–" if row["tau"] is None else signed(row["tau"])
        agreed, trained = f"{row['agreed']} / {row['decided']}", words(charts.trained_key(row))
        rows.append(
            [words(f"measure_{row['name']}"), tau, f"{signed(row['low'])} – {signed(row['high'])}", agreed, trained]
        )
    return rows


def caption(summary: dict, setup: dict, masked: bool = False) -> str:
    """The line below charts that leave the page: who voted, and what to cite."""
    voters = summary["voters"] - summary["left_out"]
    values = {
        "votes": summary["votes"],
        "voters": voters,
        "date": date.today().isoformat(),
        "weights": setup["weights"],
    }
    return t("vote.reveal.caption", **values)


def archive(store: Store, room, summary: dict) -> bytes:
    """The export: votes, summary, setup, charts and the reveal as a page; of too few voters the setup alone."""
    setup = store.setup(room["set_id"])
    about = {"set": room["set_id"], "question": room["question"], "ties": bool(room["ties"]), "setup": setup}
    about |= {"seed": 0, "samples": results.statistics.SAMPLES, "prior": results.statistics.PRIOR}
    about["trained"] = TRAINED
    files = {"setup.json": json.dumps(about, indent=1, ensure_ascii=False)}
    if not summary["withheld"]:
        names = titles(setup)
        svgs = export.figures(summary, names, words, caption(summary, setup))
        sentences = []
        for number in range(1, STEPS + 1):
            sentences += step(number, summary, setup)["sentences"]
        heading = t(f"vote.question.{room['question']}")
        files["votes.csv"] = export.votes_csv(votes_of(store, room), setup)
        files["summary.csv"] = export.summary_csv(summary)
        files["reveal.html"] = export.reveal_html(svgs, heading, sentences, LANGUAGE.get())
        files |= svgs
    return export.archive(files)
