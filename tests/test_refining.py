"""The search for a better latent: fewer bytes at the same quality, and the same exact decoding."""

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

import codec as package
from codec import api, bitstream, spec
from codec.cli import main
from codec.errors import CodecError
from codec.inside import bits
from codec.metrics import ms_ssim, ms_ssim_db, psnr
from codec.networks.restored import entropy_model
from codec.pipeline import Codec
from codec.refining import TILE, lambdas


def cost(coded: api.Coded, rgb: np.ndarray, lmbda: float) -> tuple[float, float]:
    """J = R + λ·D in bits per pixel, and R."""
    decoded = api.load().decode(bitstream.read(coded.data))
    rate = 8 * len(coded.data) / (rgb.shape[0] * rgb.shape[1])
    return rate + lmbda * 255**2 * 10 ** (-psnr(rgb, decoded) / 10), rate


@pytest.mark.parametrize("lmbda", [0.0009, 0.0067, 0.025])
def test_refining_lowers_rate_and_distortion_together(lmbda):
    rgb = picture(256, 192)
    (plain, rate), (refined, _) = (cost(api.encode(rgb, lmbda=lmbda, refine=times)[0], rgb, lmbda) for times in (0, 6))
    assert plain - refined > 0.01 * rate


def test_tuned_for_ms_ssim_a_stream_has_more_of_it_at_the_same_rate():
    rgb = picture(192, 192)
    quality = {}
    for tune, times in (("psnr", 0), ("psnr", 6), ("ms-ssim", 6)):
        coded, search = api.encode(rgb, bpp=0.25, refine=times, tune=tune)
        assert search.reached
        quality[tune, times] = ms_ssim_db(ms_ssim(rgb, api.load().decode(bitstream.read(coded.data))))
    assert quality["ms-ssim", 6] > max(quality["psnr", 6], quality["psnr", 0]) + 0.05


@pytest.mark.parametrize("kind", ["noise", "flat", "one pixel"])
def test_tuning_survives_images_without_structure(kind):
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    rgb = {"noise": noise, "flat": np.full((64, 64, 3), 90, np.uint8), "one pixel": noise[:1, :1]}[kind]
    for q in (spec.LOWEST, 255):
        coded, _ = api.encode(rgb, q=q, refine=2, tune="ms-ssim")
        assert torch.equal(api.load().read(bitstream.read(coded.data)).y_hat, coded.latent.y_hat)
        assert len(coded.data) <= 1.05 * len(api.encode(rgb, q=q)[0].data)


def test_a_target_rate_is_met_and_gives_a_better_image():
    rgb = picture(256, 192)
    target = 0.08
    qualities = {}
    for times in (0, 6):
        coded, search = api.encode(rgb, bpp=target, refine=times)
        rate = 8 * len(coded.data) / (192 * 256)
        assert search.reached and 0.9 * target < rate <= target
        qualities[times] = psnr(rgb, api.load().decode(bitstream.read(coded.data)))
    assert qualities[6] > qualities[0]


@pytest.mark.parametrize("q", [-100, 40, "map"])
@pytest.mark.parametrize("size", [(1, 1), (65, 130), (192, 192)])
def test_any_size_and_quality_index_decodes_to_the_latent_that_was_coded(q, size):
    rgb = picture(192, 192)[: size[0], : size[1]]
    regions = tuple(-(-n // spec.REGION) for n in size)
    wanted = np.arange(np.prod(regions)).reshape(regions) * 9 if q == "map" else q
    coded, _ = api.encode(rgb, q=wanted, refine=2)
    latent = api.load().read(bitstream.read(coded.data))
    assert torch.equal(latent.y_hat, coded.latent.y_hat)
    assert abs(bits.payload_bytes(coded.stream) - bits.estimate_bytes(coded.latent)) < 64 + 0.01 * len(coded.data)


def test_a_large_image_is_refined_in_tiles_without_a_seam():
    side = spec.REGION * (TILE + 3)
    rgb = np.tile(picture(192, 192), (-(-side // 192), -(-side // 192), 1))[:side, :side]
    seen = []
    coded, _ = api.encode(rgb, lmbda=0.0035, refine=1, progress=seen.append)
    plain, _ = api.encode(rgb, lmbda=0.0035)
    errors = [np.square(api.load().decode(bitstream.read(c.data)).astype(int) - rgb).mean(2) for c in (plain, coded)]
    before, after = (e.reshape(side // 64, 64, side // 64, 64).mean((1, 3)) for e in errors)
    ratio = after / before
    edge = ratio[:, TILE - 1 : TILE + 1].mean()
    assert abs(edge - ratio.mean()) < 0.1 and len(seen) > 4 and seen == sorted(seen)


def test_the_float_model_predicts_what_the_integers_say():
    codec, rgb = api.load(), picture(128, 128)
    latent = codec.quantise(codec.analyse(rgb), 128)
    model = entropy_model(codec.weights.trunk_tensors(codec.trunk.id))
    level = torch.full((1, 1, 2, 2), 128 / spec.BYTE_MAX)
    psi = model.h_s(torch.from_numpy(latent.z)[None].float(), level)
    _, t = model.predict(0, psi, level.repeat_interleave(4, 2).repeat_interleave(4, 3), torch.zeros(1, 320, 8, 8))
    scales = codec.scales(latent) * spec.N_SCALES
    first = scales[:, 0::4, 0::2, 0::2]
    assert (first - t[:, 0::4, 0::2, 0::2]).abs().max() < 0.55  # the integers say its nearest whole number


def test_lambda_of_every_index_is_that_of_the_specification():
    table = lambdas(api.load().trunk)[:, 0]
    for q in (spec.LOWEST, -1, 0, 1, 128, spec.BYTE_MAX):
        assert table[q - spec.LOWEST].item() == pytest.approx(spec.lambda_of(q), rel=1e-5)


def test_the_codec_decodes_as_before_with_any_decoder():
    rgb = picture(128, 128)
    data = package.compress(rgb, lmbda=0.0067, refine=2)
    assert package.info(data)["decoder"] == "mse"
    for name in ("mse", "hific"):
        assert package.decompress(data, name).size == (128, 128)
    assert np.array_equal(
        Codec(api.load().trunk, strip=64, precision="float32").read(bitstream.read(data)).y_hat,
        api.load().read(bitstream.read(data)).y_hat,
    )


@pytest.mark.parametrize("wanted", [{"refine": 2}, {"tune": "ms-ssim"}])
def test_a_system_of_history_is_not_refined(wanted):
    with pytest.raises(CodecError, match="no latent that can be refined"):
        package.compress(picture(64, 64), "rnn-2018", **wanted)


def test_a_coding_without_refinement_pays_nothing_for_it(monkeypatch):
    def refused(*_):
        raise AssertionError("the search was loaded")

    monkeypatch.setattr(api, "refining", refused)
    api.encode(picture(64, 64), lmbda=0.0067)


@pytest.mark.parametrize("times", [-1, 65, 1.5, "8"])
def test_a_wrong_number_is_refused_in_a_sentence(times):
    with pytest.raises(CodecError, match="refined 0 to 64 times"):
        package.compress(picture(64, 64), refine=times)


@pytest.mark.parametrize(
    ("wanted", "words"), [({"refine": 2, "tune": "vmaf"}, "psnr, ms-ssim"), ({"tune": "ms-ssim"}, "8")]
)
def test_a_search_that_cannot_be_tuned_is_refused(wanted, words):
    with pytest.raises(CodecError, match=words):
        package.compress(picture(64, 64), **wanted)


def test_the_command_line_tunes_the_search(tmp_path, capsys):
    Image.fromarray(picture(96, 64)).save(tmp_path / "a.png")
    command = ["compress", str(tmp_path / "a.png"), "-o", str(tmp_path / "a.lic"), "--lambda", "0.013"]
    assert main([*command, "--tune", "ms-ssim"]) == 2
    assert "no search to tune" in capsys.readouterr().err
    assert main([*command, "--tune", "ms-ssim", "--refine", "2"]) == 0
    wanted = package.compress(picture(96, 64), lmbda=0.013, refine=2, tune="ms-ssim")
    assert (tmp_path / "a.lic").read_bytes() == wanted
