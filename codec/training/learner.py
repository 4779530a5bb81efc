"""Decoders in training, and one step of several of them on the same images.

The discriminator takes its step before the decoder, on the same images.
"""

import torch
from torch import Tensor

from codec.networks.architecture import build, extend
from codec.networks.transforms import noise_field
from codec.training import losses
from codec.training.discriminator import Discriminator
from codec.training.latents import DecoderInput
from codec.training.optimizers import Optimizers, averaged, decoder_optimizers
from codec.training.recipes import Networks, Recipe, Seen, View, total


class Learner:
    """A decoder in training: its optimizers, its average, and a discriminator where its recipe has one."""

    def __init__(
        self,
        recipe: Recipe,
        state: dict[str, Tensor],
        device: str | torch.device,
        optimizer: str = "muon",
        lr: float = 0.0,
        d_lr: float = 2e-4,
        ema: float = 0.999,
        clip: float = 2.0,
    ):
        """state: the weights to start from, of this architecture or a smaller one."""
        self.recipe = recipe
        self.decoder = build(recipe.architecture)
        whole = extend(state, self.decoder.state_dict())
        self.decoder.load_state_dict(whole)
        self.decoder.to(device=device, memory_format=torch.channels_last).train()
        self.average = averaged(self.decoder, ema)
        new = frozenset(whole.keys() - state.keys())
        self.optimizers = decoder_optimizers(self.decoder, optimizer, lr, new, clip)
        self.discriminator = self.d_optimizers = None
        if "gan" in recipe.weights:
            self.discriminator = Discriminator().to(device, memory_format=torch.channels_last)
            betas = (0.5, 0.99)
            self.d_optimizers = Optimizers(
                torch.optim.Adam(self.discriminator.parameters(), d_lr, betas, fused=True), clip=clip
            )
        self.g, self.d = self.decoder, self.discriminator  # as called in training

    def compile(self) -> None:
        self.g, self.d = torch.compile(self.g), torch.compile(self.d) if self.d else None

    def decode(self, latent: DecoderInput, noise: Tensor) -> Tensor:
        """x_hat (B, 3, H, W) as shown. noise (B, GRAIN, h, w) in ±1."""
        x_hat = self.g(latent.y_hat, latent.level, latent.scales, noise if self.decoder.noise is not None else None)
        return losses.as_shown(x_hat.float())

    def judge(self, seen_hat: Seen, seen: Seen, y_hat: Tensor, view: View) -> dict[str, Tensor]:
        """A step of the discriminator on originals and decoded images; what to log of it."""
        d = self.discriminator.train().requires_grad_(True)
        # Logits depend on the image, its features and y_hat: the two batches need not be judged in one.
        real, fake = (self.d(view_of.x, view_of.vgg, y_hat, view.cut) for view_of in (seen, seen_hat.detach()))
        loss = losses.discriminator_loss(real, fake).mean()
        loss.backward()
        self.d_optimizers.step()
        d.eval().requires_grad_(False)  # while it judges for the decoder, nothing of it moves
        right = [((r > 0).float().mean() + (f < 0).float().mean()) / 2 for r, f in zip(real, fake, strict=True)]
        return {"d_loss": loss.detach()} | {f"d_right{i}": share for i, share in enumerate(right)}

    def update(self, factor: float) -> Tensor:
        """A step of the optimizers on the gradients that there are; returns their norm."""
        norm = self.optimizers.step(factor)
        self.average.update_parameters(self.decoder)
        return norm

    def state(self) -> dict:
        return {
            "model": self.decoder.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": self.optimizers.state_dict(),
            "discriminator": self.discriminator.state_dict() if self.discriminator else None,
            "d_optimizers": self.d_optimizers.state_dict() if self.discriminator else None,
        }

    def restore(self, state: dict) -> None:
        self.decoder.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizers.load_state_dict(state["optimizers"])
        if self.discriminator:
            self.discriminator.load_state_dict(state["discriminator"])
            self.d_optimizers.load_state_dict(state["d_optimizers"])


def joint_step(
    learners: dict[str, Learner],
    networks: Networks,
    x: Tensor,
    latent: DecoderInput,
    noise: Tensor,
    view: View,
    factor: float,
    ramp: float,
    precision: torch.dtype | None,
) -> dict[str, Tensor]:
    """One step of every learner on x (B, 3, H, W) in [0, 1] and its latents; returns what to log, as NAME.TERM.

    The frozen networks look at all decoded images at once, and at the originals once. ramp: a factor on the GAN's
    weight. precision: of the autocast, or None.
    """
    row, loss, count = {}, 0.0, len(x)
    autocast = torch.autocast(x.device.type, precision, enabled=precision is not None)
    with autocast:
        decoded = [learner.decode(latent, noise) for learner in learners.values()]
        seen_all = networks.see(view(torch.cat(decoded)))
        with torch.no_grad():
            seen = networks.see(view(x))
    for i, ((name, learner), x_hat) in enumerate(zip(learners.items(), decoded, strict=True)):
        seen_hat = seen_all.part(slice(i * count, (i + 1) * count))
        # Its own window of pixels goes to the discriminator, at their own scale.
        window_hat, window = seen_hat._replace(x=view.cut(x_hat)), seen._replace(x=view.cut(x))
        with autocast:
            if learner.discriminator:
                row |= {f"{name}.{k}": v for k, v in learner.judge(window_hat, window, latent.y_hat, view).items()}
            terms = networks.terms(learner.recipe, x_hat, x, seen_hat, seen)
            if learner.discriminator:
                logits = learner.d(window_hat.x, window_hat.vgg, latent.y_hat, view.cut)
                terms["gan"] = losses.generator_loss(logits)
        own = total(learner.recipe, terms, latent.lmbda, ramp).mean()
        loss = loss + own
        row |= {f"{name}.{k}": v.detach().mean() for k, v in terms.items()} | {f"{name}.loss": own.detach()}
    loss.backward()
    for name, learner in learners.items():
        row[f"{name}.norm"] = learner.update(factor)
    return row | {"bpp": latent.bpp.mean()}


@torch.no_grad()
def measure(learner: Learner, networks: Networks, x: Tensor, latent: DecoderInput) -> dict[str, float]:
    """The averaged decoder on whole images: each term of its loss but the GAN's, PSNR, LPIPS and bpp."""
    decoder = learner.average.module
    noise = noise_field(*latent.y_hat.shape[2:]).to(x.device) if decoder.noise is not None else None
    x_hat = losses.as_shown(decoder(latent.y_hat.float(), latent.level, latent.scales, noise).float())
    seen_hat, seen = networks.see(x_hat, alex=True), networks.see(x, alex=True)
    terms = networks.terms(learner.recipe, x_hat, x, seen_hat, seen)
    terms["loss"] = total(learner.recipe, terms, latent.lmbda)
    terms.setdefault("lpips", networks.alex.distance(seen_hat.alex, seen.alex))
    psnr = 10 * torch.log10(255**2 / terms["mse"].clamp(min=1e-3))
    return {k: v.mean().item() for k, v in (terms | {"psnr": psnr, "bpp": latent.bpp}).items()}
