"""The keys by which the page and its endpoints name images, models and rates, and what people read for them."""

from codec import spec
from codec.baselines import CODECS, NAMES
from codec.results import refinements_of, tune_of
from codec.ui.texts import t

ORIGINAL, OURS = "original", "ours"
#: Decoders by their names in the manifest. Which of them are here, `jobs.renditions.networks` says.
DECODERS = {decoder.name: decoder.title for decoder in spec.DECODERS.values()}
#: What an image can be compressed for; HiFiC without its GAN is there to be compared with it.
MODELS = tuple(name for name in spec.NUMBERED.values() if name != "hific-nogan")
BASELINES = {name: NAMES[name] for name in CODECS}
#: The autoencoder of 2017 by its experiments, as `codec.classroom.autoencoder` names them. Each has one rate of its
#: own, so it cannot be held to the size of anything.
CAE = {"cae-2017": "1"} | {f"cae-2017-{name}": name for name in ("2", "3", "4")}
#: The other systems of history, which have a few rates.
SYSTEMS = spec.HISTORY[1:]
HISTORICAL = (*CAE, *SYSTEMS)
#: What a rate is given by: the values of an endpoint.
BY_LAMBDA, BY_RATE, BY_SIZE = MODES = "Quality (λ)", "Size (bpp)", "Size (kB)"
#: What another codec has in common with a stream that it is compared with: values of an endpoint.
BY_BYTES, *_ = EQUALS = ("size", "psnr", "ms_ssim", "lpips")
#: What a curve is drawn over, and which others are drawn beside it: values of endpoints.
PSNR, SSIM, LPIPS, MSE = AXES = ("PSNR, dB", "MS-SSIM, dB", "LPIPS", "mean squared error")
KODAK, PUBLISHED = "Kodak means", "published for Kodak"
#: The settings of other codecs that a sweep goes through: qualities, or those of `history.systems`.
QUALITIES = {
    "jpeg": (5, 10, 20, 35, 50, 70, 85),
    "webp": (5, 20, 40, 60, 80, 92),
    "avif": (20, 40, 55, 70, 82),
    "heic": (10, 22, 34, 46, 58),
    "jpeg2000": (26, 29, 32, 35, 38),
    "cae-2017": (1, 2, 3, 4),
    "rnn-2018": (1, 2, 3, 4, 6, 8),
    "importance-2018": (1, 2, 3),
    "attention-2021": (1, 2, 3),
}
#: λ at which the bits are mapped, and between which a lesson chooses.
LAMBDAS = (0.0009, 0.0067, 0.0483)
#: What matters in a region of interest: values of an endpoint.
BRUSH, MIDDLE = REGIONS = ("What I paint", "The middle of the picture")
#: What is sampled, and how large it is: values of endpoints.
EVERYTHING, SIDE, CHANNELS = SAMPLES = (
    "Everything from the prior",
    "My picture's side information, the rest drawn",
    "Only the dearest channels of my picture",
)
SAMPLE_SIZES = {"256×256": (4, 4), "512×512": (8, 8), "768×512": (8, 12)}
CROP_SIZES = {"128×128": 128, "256×256": 256, "512×512": 512}
#: What of a stream is corrupted: values of an endpoint.
BYTE, LATENT, CHANNEL = TARGETS = ("A byte of the file", "One value of the latent", "A whole channel of it")
#: The model for digits that the page starts with, and how many digits of each class are shipped.
DIGITS_START, DIGITS_EACH = "l2000-d10", 20
#: The experiments of 2017, and the crops that each was trained on: pixels, and how they are written.
CAE_EXPERIMENTS = ("1", "2", "3", "4")
CAE_CROPS = {64: "64×64", 128: "128×128"}


def curve_title(name: str) -> str:
    """What a curve is called: "jpeg", "ours", "ours:DECODER" or "ours+N"."""
    if name.startswith("ours"):
        decoder = name.partition(":")[2]
        if refinements_of(name):
            return t("curves.ours_tuned") if tune_of(name) == spec.MS_SSIM else t("curves.ours_refined")
        return t("curves.ours_by", decoder=DECODERS.get(decoder, decoder)) if decoder else t("curves.ours")
    return NAMES.get(name, name)
