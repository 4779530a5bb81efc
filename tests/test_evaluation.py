"""BD-rates, published curves, plots, engines, timings and peers: the machinery of the evaluation on small input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from codec import plots, provenance, results
from codec.evaluation import (
    against,
    curves,
    equal_size,
    jpeg,
    measure,
    peer_worker,
    perception,
    report,
    speed,
    worth,
)
from codec.evaluation.__main__ import codecs as chosen
from codec.evaluation.measure import rd_points
from codec.metrics import ms_ssim_db
from codec.pictures import pool
from codec.training.vgg import Vgg16

ROOT = Path(__file__).parents[1]


def points_of(name, factor, images=("a", "b")):
    """A codec whose curves are straight over the logarithm of the rate, at `factor` times the rate of factor 1."""
    rows = []
    for image in images:
        for setting, rate in enumerate((0.1, 0.2, 0.4, 0.8, 1.6)):
            octaves = np.log2(rate)
            rows.append({"codec": name, "image": image, "setting": setting, "bpp": rate * factor, "weights": "w"})
            rows[-1] |= {"psnr": 30 + 4 * octaves, "ms_ssim": 1 - 0.03 * rate**-0.5, "lpips": 0.1 * rate**-0.8}
            rows[-1] |= {"bytes": 1, "encode_ms": 1.0, "decode_ms": 1.0}
    return rows


@pytest.mark.parametrize("metric", curves.SCALES)
def test_bd_rate_of_a_curve_moved_by_a_tenth(metric):
    points = points_of("jpeg", 1.0) + points_of("ours", 0.9)
    found = curves.bd_rate(points, "jpeg", metric=metric)
    assert found["percent"] == pytest.approx(-10, abs=0.05)
    ends = {"psnr": (16.71, 32.71), "ms_ssim": (10.23, 16.25), "lpips": (0.631, 0.0687)}[metric]
    assert (found[f"{metric}_from"], found[f"{metric}_to"]) == pytest.approx(ends, rel=0.002)


def test_bd_rates_that_there_are_not_say_why():
    low, high = points_of("jpeg", 1.0), points_of("ours", 1.0)
    for row in high:
        row["psnr"] += 50
    few = [p for p in points_of("ours", 1.0) if p["setting"] < 3]
    without = [{k: v for k, v in p.items() if k != "lpips"} for p in points_of("ours", 1.0)]
    exact = [p | {"psnr": np.inf} for p in points_of("ours", 1.0)]
    for points, metric, reason in (
        (high, "psnr", "no quality"),
        (few, "psnr", "fewer than four"),
        (without, "lpips", "not measured"),
        (exact, "psnr", "identical"),
    ):
        found = curves.bd_rate(low + points, "jpeg", metric=metric)
        assert found["percent"] is None and reason in found["reason"]


def test_a_setting_that_costs_more_and_is_worse_does_not_count():
    points = points_of("jpeg", 1.0) + points_of("ours", 0.9)
    bad = [p | {"setting": 9, "bpp": 0.7, "psnr": 24.0} for p in points_of("ours", 1) if p["setting"] == 0]
    assert curves.bd_rate(points + bad, "jpeg")["percent"] == pytest.approx(-10, abs=0.05)


def test_means_are_over_the_pictures_that_every_codec_has():
    rows = points_of("jpeg", 1.0) + points_of("ours", 0.9)
    broken = [p for p in rows if (p["image"], p["codec"], p["setting"]) != ("b", "jpeg", 2)]
    for row in rows:
        row["psnr"] += row["image"] == "b"
    result = curves.summarize({"points": broken})
    assert result["pictures_in_means"] == 1 and result["weights"] == "w"
    assert result["curves"]["ours"] == curves.curve([p for p in rows if p["image"] == "a"], "ours")
    assert set(result) >= {"bd_rate_psnr", "bd_rate_ms_ssim", "bd_rate_lpips"}
    assert "JPEG" in curves.bd_table(result, "ours") and "-10.0 %" in curves.bd_table(result, "jpeg")
    with pytest.raises(ValueError, match="no 'webp'"):
        curves.bd_table(result, "webp")


def reported(folder, kodak, cid22=None):
    """docs/results.md where nothing but these was measured."""
    for name, result in (("kodak", kodak), ("cid22", cid22)):
        results.write_json(folder / "results" / f"{name}-iso.json", result or {"equal_size": []})
    return report.render("results.md.j2", folder / "results")


def test_equal_sizes_name_what_a_codec_cannot_reach(tmp_path):
    rows = [p | {"fits": True} for p in points_of("ours", 1.0) if p["setting"] == 0]
    rows += [p | {"codec": "webp", "fits": p["image"] == "a", "psnr": 20.0} for p in rows]
    rows[1]["psnr"] += 2
    at = equal_size.summarize({"points": rows})["equal_size"][0]["codecs"]
    assert at["ours"]["pictures"] == 2 and at["ours"]["not_reached"] == 0
    assert at["webp"]["pictures"] == at["webp"]["not_reached"] == 1
    assert at["webp"]["ours_on_the_same"]["psnr"] == pytest.approx(rows[0]["psnr"], abs=1e-3)
    result = equal_size.summarize({"points": [r | {"fits": r["image"] == "a"} for r in rows], "data_set": "Kodak"})
    text = reported(tmp_path, result | {"pictures": 2, "weights": "w"})
    assert "remain: WebP at" in text and "ours at" not in text  # which are those that remain


def test_published_curves_are_cited_and_rise():
    known = {entry["name"]: entry for entry in results.published()}
    assert set(known) >= {"jpeg", "bpg", "vtm", "bmshj2018-hyperprior", "mbt2018-mean", "cheng2020-attn", "hific"}
    for entry in known.values():
        assert set(entry["source"]) == {"repository", "path", "commit"} and len(entry["source"]["commit"]) == 40
        rates, psnrs = ([p[key] for p in entry["points"]] for key in ("bpp", "psnr"))
        assert rates == sorted(rates) and psnrs == sorted(psnrs)
        for p in entry["points"]:
            assert "ms_ssim" not in p or p["ms_ssim_db"] == ms_ssim_db(p["ms_ssim"])


def test_plots_keep_published_curves_apart_and_to_kodak(tmp_path):
    result = curves.summarize({"points": points_of("jpeg", 1.0) + points_of("ours", 0.9), "pictures": 2})
    figures = plots.figures(result)
    assert set(figures) == {"rd-psnr", "rd-ms-ssim", "rd-lpips", "perception-distortion"}
    assert not any("published" in (t.name or "") for f in figures.values() for t in f.data)
    for figure in plots.figures(result | {"data_set": "Kodak"}).values():
        others = [t for t in figure.data if "published" in (t.name or "")]
        assert others and all(t.line.dash == "dash" for t in others)
        assert all(t.line.dash is None for t in figure.data if t.mode != "markers" and t not in others)
    source = tmp_path / "mine.json"
    results.write_json(source, result)
    pages = plots.draw(source, tmp_path / "plots", png=False)
    assert len(pages) == 4 and all("cdn" not in p.read_text() for p in pages)
    assert (tmp_path / "plots" / "plotly.min.js").exists()


def test_a_page_is_photographed(tmp_path):
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    try:
        plots.browser_path()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    source = tmp_path / "mine.json"
    plain = [{k: v for k, v in p.items() if k not in ("ms_ssim", "lpips")} for p in points_of("jpeg", 1.0)]
    results.write_json(source, curves.summarize({"points": plain, "pictures": 2}))
    page, png = plots.draw(source, tmp_path)
    assert (page.name, png.name) == ("mine-rd-psnr.html", "mine-rd-psnr.png")
    with Image.open(png) as image:
        assert image.size == (1500, 840) and len(image.convert("RGB").getcolors(1 << 20)) > 20


def test_the_mark_on_a_curve_is_where_its_rate_is():
    points = curves.curve(points_of("ours", 1.0), "ours")
    assert plots.at_rate(points, 0.2)[0] == pytest.approx(30 + 4 * np.log2(0.2))
    assert plots.at_rate(points, 0.05) is None


def test_jpeg_with_the_published_settings_is_what_it_says(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(picture(48, 40, grain=8)).save(path)
    rows = jpeg.measure(path)
    assert len(rows) == len(jpeg.QUALITIES) * (len(jpeg.STEPS) + 1)
    plain, optimised, _, best = (jpeg.step(name, rows, results.published_by("jpeg")["points"]) for name in
                                 (*jpeg.STEPS, jpeg.BEST))  # fmt: skip
    assert optimised["rate_to_percent"] < plain["rate_to_percent"]
    assert "reason unknown" in jpeg.verdict([plain | {"curve_off_db": 0.5}, best | {"curve_off_db": 1.0}])
    assert "agrees" in jpeg.verdict([plain, best | {"curve_off_db": 0.1}])
    assert "does better" in jpeg.verdict([plain | {"curve_off_db": 0.1}, best | {"curve_off_db": 1.0}])


def test_codecs_are_checked_before_anything_is_measured(codec):
    from codec.errors import CodecError

    assert chosen("webp,ours,webp", []) == ["webp", "ours"]
    for wrong in ("png", "ours:nothing"):
        with pytest.raises(CodecError):
            chosen(wrong, [])


def test_a_frechet_distance_is_that_of_the_gaussians():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(4000, 3)) * (1, 2, 3)
    assert perception.frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert perception.frechet(a, a + np.array([3, 0, 4])) == pytest.approx(25, rel=1e-6)
    # Of the same mean, with deviations s and 2s along every axis: Σ (2s - s)².
    centred = a - a.mean(0)
    assert perception.frechet(centred, 2 * centred) == pytest.approx(np.trace(np.cov(centred, rowvar=False)), rel=1e-6)


def test_perceptual_distances_are_zero_only_for_equal_pictures(monkeypatch):
    torch.manual_seed(1)
    random = Vgg16().to(memory_format=torch.channels_last)
    monkeypatch.setattr(perception, "network", lambda folder: random)
    rgb = picture(160, 128, grain=6)
    f, other = perception.features(rgb, ""), perception.features(255 - rgb, "")
    assert all(v == 0 for v in perception.distances(f, f).values())
    assert all(v > 0 for v in perception.distances(other, f).values())
    assert perception.regions(f).shape == (4 * 3, 512)


def test_at_equal_sizes_the_decoders_are_told_apart(tmp_path):
    rng = np.random.default_rng(3)
    rows = []
    for image in "ab":
        np.save(tmp_path / f"{image}-original.npy", rng.normal(size=(400, 8)))
        for codec, shift in (("ours", 2), ("ours:hific", 1), ("ours:hific-nogan", 1.2), ("ours:hific@0.5", 1.5)):
            row = {"codec": codec, "image": image, "setting": 0.14, "fits": True, "weights": "w", "bytes": 9}
            row |= {"bpp": 0.14, "psnr": 30 + shift, "ms_ssim": 0.9, "lpips": 0.1 * shift}
            rows.append(row | {k: shift for k in perception.TERMS})
            np.save(equal_size.region_file(tmp_path, row), rng.normal(size=(400, 8)) + shift)
    result = equal_size.summarize({"points": rows, "data_set": "Kodak"}, tmp_path)
    at = result["equal_size"][0]["codecs"]
    assert at["ours"]["frechet"] > at["ours:hific@0.5"]["frechet"] > at["ours:hific"]["frechet"] > 7
    change, error = at["ours:hific"]["frechet_over_nogan"]
    assert change == pytest.approx(at["ours:hific"]["frechet"] - at["ours:hific-nogan"]["frechet"], abs=0.002)
    assert change < -8 * (1.2**2 - 1) / 2 and 0 < error < -change / 2
    text = reported(tmp_path, result | {"pictures": 2})
    assert f"Kodak {change:+.2f} ± {error:.2f} at 0.14 bpp" in text
    assert "**32.00**" in text and "**0.100**" in text and "**31.00**" not in text
    assert "0: 32.00 dB and 0.200, 0.5: 31.50 dB and 0.150, 1: 31.00 dB and 0.100" in text
    # Where features are gone, the distances of pictures that are still the same are kept, and no others.
    (tmp_path / "features of ours").mkdir()
    for codec in ("ours", "ours:hific", "ours:hific@0.5"):
        for file in tmp_path.glob(f"*-{codec.replace(':', '-')}-0.14.npy"):
            file.rename(tmp_path / "features of ours" / file.name)
    changed = [r | {"psnr": r["psnr"] + (r["codec"] == "ours:hific@0.5")} for r in rows]
    again = equal_size.summarize({"points": changed}, tmp_path, result["equal_size"])["equal_size"][0]["codecs"]
    assert [again[k].get("frechet") == at[k]["frechet"] for k in ("ours", "ours:hific", "ours:hific-nogan")] == [
        True
    ] * 3
    assert "frechet" not in again["ours:hific@0.5"] and "frechet_over_nogan" not in again["ours:hific"]
    both = reported(tmp_path, result | {"pictures": 2}, result | {"pictures": 2, "data_set": "CID22"})
    assert both.startswith(text.partition("\n### ")[0].rstrip(" .\n"))
    assert f"; CID22 {change:+.2f} ± {error:.2f} at 0.14 bpp." in both
    assert both.count("\n### ") == 2 and both.count("### CID22\n\nMeans over 2 images") == 1


def test_measures_by_features_are_those_of_the_packages(vgg_folder):
    rgb = picture(96, 80, grain=8)
    noisy = np.clip(rgb.astype(int) + np.random.default_rng(0).integers(-30, 31, rgb.shape), 0, 255).astype(np.uint8)
    original = worth.Original(rgb, str(vgg_folder[0]))
    same, apart = original.measures(rgb), original.measures(noisy)
    assert same["lpips_vgg"] == 0 and same["dists"] == pytest.approx(0, abs=1e-5) and same["lpips"] == 0
    x, x_hat = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (rgb, noisy))
    distance, texture = worth.networks(str(vgg_folder[0]))
    with torch.no_grad():
        assert apart["lpips_vgg"] == pytest.approx(distance(2 * x - 1, 2 * x_hat - 1).item(), rel=1e-5)
        assert apart["dists"] == pytest.approx(texture(x, x_hat).item(), rel=1e-5) and apart["dists"] > 0.01


def test_k_is_where_the_falling_curve_meets_the_value():
    factors, curve = [1.0, 2.0, 4.0], [0.4, 0.3, 0.2]
    assert worth.k_of(0.3, factors, curve) == pytest.approx(2.0)
    assert worth.k_of(0.25, factors, curve) == pytest.approx(2 * 2**0.5, abs=1e-3)  # halfway in the logarithm
    assert worth.k_of(0.41, factors, curve) == "<1.00" and worth.k_of(0.1, factors, curve) == ">4.00"
    assert (
        1 < worth.k_of(0.32, factors, [0.4, 0.25, 0.3]) < 2
    )  # where noise makes a curve rise, the lowest so far counts


def failing(name, data, number):
    if number == 2:
        raise ValueError("two")
    return [(name, len(data), number)]


def test_what_was_measured_of_the_worth_is_kept(codec):
    point = {"codec": "ours", "image": "1.png", "model": measure.model_digest("ours"), "bytes": 5}
    point |= dict.fromkeys(worth.MEASURES, 0.5)
    assert measure.keep({"points": [point]}, ["ours"], ("bytes", *worth.MEASURES)) == [point]
    assert measure.keep({"points": [point]}, ["ours"]) == []  # of a curve there would be more to know


def test_a_job_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"12345")
    jobs = [(str(tmp_path / "x"), n) for n in range(6)] + [(str(tmp_path / "missing"), 7)]
    outcomes = list(pool.run(failing, jobs, workers=1))
    assert sorted(job for job, *_ in outcomes) == sorted(jobs)
    assert sorted(found[0][2] for _, found, _ in outcomes if found) == [0, 1, 3, 4, 5]
    assert sorted(type(e).__name__ for *_, e in outcomes if e) == ["FileNotFoundError", "ValueError"]
    with pytest.raises(ValueError, match="no engine 'slurm'"):
        next(pool.run(failing, jobs, engine="slurm"))


def test_ray_does_the_same_work(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed (pip install -r requirements-ray.txt)")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    path = tmp_path / "a.png"
    Image.fromarray(picture(64, 48)).save(path)
    ((job, found, error),) = pool.run(rd_points, [(str(path), "webp", [40])], engine="ray", workers=1)
    assert error is None and job == (str(path), "webp", [40])
    here = rd_points("a.png", path.read_bytes(), "webp", [40])
    times = {"encode_ms": 0, "decode_ms": 0}
    assert [p | times for p in found] == [p | times for p in here]


def test_data_sets_are_known_by_their_pixels(given_data):
    assert provenance.data_set(provenance.pictures_in(given_data("kodak"))) == "Kodak"


def test_given_pictures_take_the_place_of_synthetic_ones_of_their_size(tmp_path):
    path = tmp_path / "mine.png"
    Image.fromarray(picture(512, 768)).save(path)
    found = speed.pictures([path])
    assert next(found)[0] == "mine.png"
    name, rgb = next(found)
    assert name == "synthetic" and rgb.shape == (1080, 1920, 3)


def test_stages_are_timed_and_add_up(codec):
    rgb = speed.synthetic(96, 64)
    assert rgb.shape == (64, 96, 3) and rgb.dtype == np.uint8 and rgb.std() > 20
    found = speed.time_stages(codec, rgb, 2)
    assert set(found["stages_ms"]) == {*speed.ENCODING, *speed.DECODING}
    assert 0 < found["encode_ms"] < found["total_ms"] and 0.05 < found["bpp"] < 8


def test_the_peer_worker_answers_in_json_and_survives_errors():
    asked = '{"do": "nothing"}\n{"do": "run", "model": "x"}\n{"do": "stop"}\n'
    done = subprocess.run(
        [sys.executable, peer_worker.__file__], input=asked, capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 2 and all("error" in a for a in answers)


def test_a_stand_in_takes_the_place_of_what_is_missing(monkeypatch):
    assert peer_worker.stand_in("no_such_package_anywhere") == ["no_such_package_anywhere"]
    import no_such_package_anywhere.transforms as stood_in

    assert stood_in is sys.modules["no_such_package_anywhere.transforms"]
    for name in ("no_such_package_anywhere", "no_such_package_anywhere.transforms"):
        monkeypatch.delitem(sys.modules, name)


def test_two_revisions_are_timed_by_turns():
    if subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True).returncode:
        pytest.skip("this is no clone of the repository")
    rgb = picture(64, 64)
    result = against.compare("HEAD", rgb, 1, 2)
    assert result["rounds"] == 2 and set(result["stages"]) == {"encode", "decode mse", "decode hific", "total"}
    assert all(row["new_ms"] > 0 < row["ratio"] for row in result["stages"].values())
    with pytest.raises(RuntimeError, match="no revision 'nowhere'"):
        against.compare("nowhere", rgb, 1, 1)
