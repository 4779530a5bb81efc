"""Old streams decode to the very same latents whichever instructions and however many threads a machine uses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
SCRIPT = """
import hashlib, json, sys, torch
from pathlib import Path
from codec import api, bitstream
from codec.classroom.history import container, systems
from codec.pictures.load import load_image
threads, cuda = int(sys.argv[1]), sys.argv[2] == "cuda"
torch.set_num_threads(threads)
found = {"capability": torch.backends.cpu.get_cpu_capability()}
if torch.backends.mkl.is_available():
    with torch.backends.mkl.verbose(torch.backends.mkl.VERBOSE_ON):  # prints which code it takes
        torch.eye(2, dtype=torch.float64) @ torch.eye(2, dtype=torch.float64)
for path in sorted(Path(sys.argv[3]).glob("*.lic")):
    stream = bitstream.read(path.read_bytes())
    codec = api.load(stream.trunk, "cuda" if cuda else "cpu")
    y_hat = codec.read(stream).y_hat.cpu().numpy()
    found[path.stem] = hashlib.sha256(y_hat.astype("<i8").tobytes()).hexdigest()
    if path.stem not in ("level-map", "odd-size"):
        continue
    # What this machine encodes it decodes, too: the network that runs in floats has no part in it.
    rgb = load_image(path.with_suffix(".png")).rgb
    coded, _ = api.encode(rgb, q=180, codec=codec)
    assert torch.equal(codec.read(bitstream.read(coded.data)).y_hat, coded.latent.y_hat), path.stem
for path in sorted(Path(sys.argv[3]).glob("*.lih")):
    stream = container.read(path.read_bytes())
    symbols = systems.MODULES[stream.system].symbols_of(stream)
    last = symbols if hasattr(symbols, "shape") else [codes for codes, _ in symbols][-1]
    found[path.stem] = hashlib.sha256(last.astype("<i8").tobytes()).hexdigest()
print(json.dumps(found))
"""
#: ATen's own kernels, oneDNN's convolutions and MKL's matrix products choose their instructions by these. MKL heeds
#: MKL_ENABLE_INSTRUCTIONS on Intel's processors only, MKL_CBWR on all.
PATHS = {
    "as it is": {},
    "DEFAULT": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "AVX512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
}
#: The processors, as ATen calls them, that have what a path needs.
HAVE = {"AVX2": ("AVX2", "AVX512"), "AVX512": ("AVX512",)}


def decode_all(threads: int, environment: dict[str, str], device: str = "cpu") -> tuple[dict[str, str], str]:
    """The hash of every stream's latents and ATen's "capability"; and all that was printed."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(threads), device, str(GOLDEN)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads), **environment},
        cwd=GOLDEN.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{"))), done.stdout


def wanted() -> dict[str, str]:
    return {name: entry["y_hat_sha256"] for name, entry in json.loads((GOLDEN / "expected.json").read_text()).items()}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("path", PATHS)
def test_golden_streams_decode_alike_on_every_code_path(codec, threads, path):
    import torch

    here = torch.backends.cpu.get_cpu_capability()
    if here not in HAVE.get(path, (here,)):
        pytest.skip(f"this processor has no {path}, only {here}")
    found, printed = decode_all(threads, PATHS[path])
    capability = found.pop("capability").replace("NO AVX", "DEFAULT")  # as older versions call it
    assert found == wanted(), f"with {threads} threads, {path} ({capability})"
    assert path in ("as it is", capability)  # else the test would test nothing
    if path == "DEFAULT" and "MKL_VERBOSE" in printed:
        assert "CNR:COMPATIBLE" in printed


def test_golden_streams_decode_alike_on_cuda(codec):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA on this machine")
    found, _ = decode_all(1, {}, "cuda")
    found.pop("capability")
    assert found == wanted()
