"""The weights: a folder with manifest.json and the files that it names. Safetensors only, never pickle.

Importing this module does not import torch: the page shows its decoders before it needs a network.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from codec.errors import CodecError, WeightsError
from codec.paths import shipped
from codec.spec import DECODERS, NUMBERS, SYNTHESIS

if TYPE_CHECKING:
    from torch import Tensor

    from codec.networks.transforms import Synthesis
    from codec.networks.trunk import Trunk

BETWEEN = 2  # interpolated decoders that are kept, 20 MB each: a slider moves to and fro


def build():
    """The modules that build networks, imported with the first network: torch takes seconds to import."""
    from codec.networks import architecture, storage, trunk

    return architecture, storage, trunk


class Weights:
    """The networks of a folder, each read, checked and built once.

    `trunk` is the id of a trunk, "" for the current one. A decoder is named as in the manifest, or by a preset.
    `folder` is by default the one in CODEC_WEIGHTS, or the weights that come with the code.
    """

    def __init__(self, folder: str | Path | None = None):
        self.folder = Path(folder or os.environ.get("CODEC_WEIGHTS") or shipped("weights"))
        self._trunk = functools.cache(self._build_trunk)
        self._decoder = functools.cache(self._build_decoder)
        self._between = functools.lru_cache(maxsize=BETWEEN)(self._build_between)

    # --- what is here -------------------------------------------------------------------------------------------

    @functools.cached_property
    def manifest(self) -> dict:
        """The parsed manifest. Raises WeightsError where it is missing or damaged."""
        data = self._bytes("manifest.json")
        try:
            manifest = json.loads(data)
            if manifest["trunk"] not in manifest["trunks"] or not isinstance(manifest["decoders"], dict):
                raise ValueError("a manifest without a current trunk")
            return manifest
        except (ValueError, KeyError, TypeError):
            raise WeightsError(f"'{self.folder / 'manifest.json'}' is damaged; restore the weights folder.") from None

    @property
    def current(self) -> str:
        """The id of the current trunk."""
        return self.manifest["trunk"]

    def trunk_entry(self, trunk: str = "") -> dict:
        """The manifest's entry of a trunk. Raises WeightsError where it is not here."""
        trunk, trunks = trunk or self.current, self.manifest["trunks"]
        if trunk not in trunks:
            raise WeightsError(
                f"The stream was made with the weights '{trunk}', which are not here; "
                f"this installation has: {', '.join(trunks)}."
            )
        return trunks[trunk]

    def networks(self, trunk: str = "") -> tuple[str, ...]:
        """The decoders of a trunk that have their own weights, in the order of codec.spec.DECODERS."""
        keys = [key.split("/") for key in self.manifest["decoders"]]
        names = [name for owner, name in keys if owner == (trunk or self.current)]
        order = {name: i for i, name in enumerate(DECODERS)}
        return tuple(sorted(names, key=lambda name: (order.get(name, len(order)), name)))

    def decoders(self, trunk: str = "") -> tuple[str, ...]:
        """The names of all decoders and presets of a trunk, in the order of their numbers in streams."""
        own = self.networks(trunk)
        names = {*own, *(decoder.name for decoder in DECODERS.values() if decoder.network in own)}
        return tuple(sorted(names, key=lambda name: (NUMBERS.get(name, len(NUMBERS)), name)))

    def models(self) -> tuple[str, ...]:
        """The names that a stream of the current trunk can suggest."""
        return tuple(name for name in self.decoders() if name in NUMBERS)

    def resolve(self, decoder: str, trunk: str = "") -> tuple[str, dict]:
        """The network of a decoder or preset, and its entry in the manifest. Raises WeightsError where it has none."""
        trunk, entries = trunk or self.current, self.manifest["decoders"]
        for name in (decoder, DECODERS[decoder].network if decoder in DECODERS else decoder):
            if f"{trunk}/{name}" in entries:
                return name, entries[f"{trunk}/{name}"]
        names = ", ".join(self.models())
        raise WeightsError(f"There is no '{decoder}' decoder for the weights '{trunk}'; use {names}.")

    def partner(self, decoder: str, trunk: str = "") -> str:
        """The fidelity decoder that this one was fine-tuned from. Raises CodecError where there is none."""
        name, entry = self.resolve(decoder, trunk)
        if "partner" in entry:
            return entry["partner"]
        pairs = [n for n in self.decoders(trunk) if "partner" in self.resolve(n, trunk)[1]]
        advice = f"there is for: {', '.join(pairs)}" if pairs else "none of the decoders here has a choice"
        raise CodecError(f"There is no realism to choose for the decoder '{name}'; {advice}.")

    def check_model(self, model: str) -> None:
        """Raises CodecError for a decoder that no stream of the current trunk can suggest."""
        if model not in self.models():
            raise CodecError(f"There is no model '{model}'; there are: {', '.join(self.models())}.")

    def check(self, decoder: str | None, realism: float | None = None, trunk: str = "") -> None:
        """Raises CodecError for a decoder that a trunk does not have, or a realism that the decoder does not have.

        None as a decoder is the one that a stream suggests.
        """
        if realism is not None:
            check_realism(realism)
        names = self.decoders(trunk)
        if decoder is None or not names:  # without names the trunk is missing, and loading it raises the error
            return
        if decoder not in names:
            raise CodecError(f"There is no decoder '{decoder}'; there are: {', '.join(names)}.")
        if realism is not None:
            self.partner(decoder, trunk)

    # --- networks -----------------------------------------------------------------------------------------------

    def trunk(self, trunk: str = "", device: str = "cpu") -> Trunk:
        """The trunk of this id. Raises WeightsError where it is not here, damaged, or of another version."""
        return self._trunk(trunk or self.current, device)

    def decoder(
        self, name: str = "mse", realism: float | None = None, *, trunk: str = "", device: str = "cpu"
    ) -> Synthesis:
        """A synthesis network g_s, or the one at `realism` between its fidelity decoder (0) and itself (1).

        Raises CodecError for a realism out of range or of a decoder without a fidelity decoder, and WeightsError.
        """
        trunk = trunk or self.current
        network = self.resolve(name, trunk)[0]
        if realism is None:
            return self._decoder(network, trunk, device)
        check_realism(realism)
        partner = self.partner(name, trunk)
        if realism in (0, 1):
            return self._decoder(network if realism else partner, trunk, device)
        return self._between(network, partner, float(realism), trunk, device)

    def trunk_tensors(self, trunk: str = "") -> dict[str, Tensor]:
        """All tensors of a trunk, as they are stored. Raises WeightsError."""
        return self._read(self.trunk_entry(trunk)["files"])

    def decoder_state(self, name: str, trunk: str = "") -> dict[str, Tensor]:
        """The float32 state dict of a decoder. Raises WeightsError."""
        _, storage, _ = build()
        entry = self.resolve(name, trunk)[1]
        base = storage.to_float(self._read(entry["base"])) if "base" in entry else None
        return storage.to_float(self._read(entry["files"]), base)

    def _build_trunk(self, trunk: str, device: str) -> Trunk:
        entry = self.trunk_entry(trunk)
        with self._fitting(trunk):
            return build()[2].Trunk.from_tensors(self.trunk_tensors(trunk), trunk, entry["rdo"], device)

    def _build_decoder(self, network: str, trunk: str, device: str) -> Synthesis:
        with self._fitting(f"{trunk}/{network}"):
            return build()[0].assemble(self._architecture(network, trunk), self.decoder_state(network, trunk), device)

    def _build_between(self, network: str, partner: str, realism: float, trunk: str, device: str) -> Synthesis:
        architecture, _, _ = build()
        ends = [self._decoder(name, trunk, device).state_dict() for name in (partner, network)]
        state = architecture.interpolate(*ends, realism)
        return architecture.assemble(self._architecture(network, trunk), state, device)

    def _architecture(self, network: str, trunk: str) -> str:
        return self.resolve(network, trunk)[1].get("architecture", SYNTHESIS)

    def _read(self, files: dict[str, str]) -> dict[str, Tensor]:
        _, storage, _ = build()
        tensors: dict[str, Tensor] = {}
        for name, sha256 in files.items():
            tensors |= storage.read(self.read_file(name, sha256))
        return tensors

    @contextlib.contextmanager
    def _fitting(self, name: str) -> Iterator[None]:
        """Context manager: a key or shape mismatch while loading intact weights raises WeightsError."""
        try:
            yield
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, CodecError):
                raise
            raise WeightsError(
                f"The weights '{name}' in '{self.folder}' are for another version of this program; "
                "restore the weights folder."
            ) from error

    # --- files --------------------------------------------------------------------------------------------------

    def read_file(self, name: str, sha256: str) -> bytes:
        """The bytes of a file. Raises WeightsError where it is missing or has another SHA-256."""
        data = self._bytes(name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise WeightsError(f"'{self.folder / name}' is damaged (wrong SHA-256); restore the weights folder.")
        return data

    def _bytes(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            message = f"The file '{self.folder / name}' is missing or may not be read; restore the weights folder."
            raise WeightsError(message) from None


@functools.cache
def default() -> Weights:
    """The weights of the command line, the functions and the page."""
    return Weights()


def check_realism(realism: float) -> None:
    """Raises CodecError unless realism is in [0, 1]."""
    if not 0 <= realism <= 1:  # not a number fails as well
        raise CodecError(f"Realism is {realism:g}; it must lie between 0 and 1.")
