"""How close enlargements come to the original: PSNR and SSIM on three photographs, at 2 and 4 times.

    ./dev quality

Each photograph's middle 256 × 256 pixels are reduced by Pillow's bicubic filter, enlarged again and compared with the
original, 4 pixels of border left out. Rows are Pillow's own filters, then what `fnr run image.upscale` makes at each
quality, then the networks alone (in onnxruntime, from the same weights): as they are, as the mean over the eight
turned and mirrored images, and at 2 times as the result of 4 times reduced.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import onnxruntime
from PIL import Image
from skimage.metrics import structural_similarity

import photos
import runtimes

MODELS = photos.ROOT / "examples/models"
SIDE, BORDER = photos.SIDE, 4
PRESETS = [("photo", "draft"), ("photo", "standard"), ("photo", "high"), ("photo", "ultra"), ("art", "draft"),
           ("art", "standard"), ("art", "high"), ("art", "ultra")]
Enlarge = Callable[[Image.Image], np.ndarray]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--fnr", type=Path, default=photos.ROOT / "target/release/fnr")
    arguments.add_argument("--packages", type=Path, default=photos.ROOT / "target/packages")
    chosen = arguments.parse_args()
    originals = photos.photos(chosen.packages)
    for factor in (2, 4):
        print(f"\n× {factor:<37}{''.join(f'{name:>16}' for name in originals)}{'mean':>16}")
        for name, enlarge in rows(factor, chosen.fnr):
            try:
                row(name, enlarge, factor, originals)
            except RuntimeError as problem:
                print(f"{name:39} not measured: {problem}", flush=True)


def row(name: str, enlarge: Enlarge, factor: int, originals: dict[str, Image.Image]) -> None:
    values = []
    for original in originals.values():
        small = original.resize((SIDE // factor, SIDE // factor), Image.Resampling.BICUBIC)
        result = np.clip(np.rint(enlarge(small)), 0, 255)
        values.append(compared(result[BORDER:-BORDER, BORDER:-BORDER], np.asarray(original)[BORDER:-BORDER, BORDER:-BORDER]))
    values.append(tuple(np.mean(values, axis=0)))
    print(f"{name:39}{''.join(f'{psnr:9.2f} {ssim:.4f}' for psnr, ssim in values)}", flush=True)


def compared(result: np.ndarray, original: np.ndarray) -> tuple[float, float]:
    """PSNR in dB and SSIM."""
    error = np.mean((result - original.astype(np.float64)) ** 2)
    ssim = structural_similarity(result, original.astype(np.float64), channel_axis=2, data_range=255)
    return 10 * np.log10(255**2 / error), ssim


def rows(factor: int, fnr: Path) -> Iterator[tuple[str, Enlarge]]:
    lanczos = Image.Resampling.LANCZOS
    yield "Pillow bicubic", lambda small: filtered(np.asarray(small, np.float32), Image.Resampling.BICUBIC)
    yield "Pillow Lanczos", lambda small: filtered(np.asarray(small, np.float32), lanczos)
    for style, quality in PRESETS:
        yield f"fnr {style} {quality}", lambda small, style=style, quality=quality: ours(fnr, small, factor, style, quality)
    thick, video = Network("esrgan-thick-x4"), Network("realesr-animevideov3-x4")
    if factor == 4:
        named = [("slim ×4", Network("esrgan-slim-x4").run), ("medium ×4", Network("esrgan-medium-x4").run),
                 ("thick ×4", thick.run), ("thick ×4, 8 ways", thick.eight_ways), ("animevideov3 ×4", video.run)]
        yield from named
        return
    yield "slim ×2", Network("esrgan-slim-x2").run
    yield "medium ×2", Network("esrgan-medium-x2").run
    reductions = [("box", Image.Resampling.BOX), ("bicubic", Image.Resampling.BICUBIC), ("Lanczos", lanczos)]
    for name, enlarge in (("thick", thick.run), ("thick, 8 ways", thick.eight_ways), ("animevideov3", video.run)):
        for word, how in reductions:
            yield f"{name} ×4, reduced by {word}", lambda small, enlarge=enlarge, how=how: filtered(enlarge(small), how)


def filtered(image: np.ndarray, how: Image.Resampling) -> np.ndarray:
    """The image at its final size, by a filter of Pillow's in floating point."""
    planes = [Image.fromarray(np.ascontiguousarray(image[:, :, colour])).resize((SIDE, SIDE), how) for colour in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], 2)


def ours(fnr: Path, small: Image.Image, factor: int, style: str, quality: str) -> np.ndarray:
    """What `fnr` makes of it."""
    if not fnr.exists():
        raise RuntimeError(f"there is no {fnr}")
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "small.png"), Path(folder, "large.png")
        small.save(source)
        command = [fnr, "run", "image.upscale", f"image=@{source}", f"factor={factor}", f"style={style}",
                   "--quality", quality, "-o", result]
        environment = {"FUNCTION_RUNNER_MODELS": str(MODELS), **os.environ}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(" ".join(done.stderr.split())[-300:])
        return np.asarray(Image.open(result).convert("RGB"), np.float32)


class Network:
    """One network, in onnxruntime."""

    def __init__(self, name: str):
        network = runtimes.load(MODELS / f"{name}.safetensors")
        self.range = network.range
        # Three reductions ask for the same eight ways of the same image.
        self.known: dict[bytes, np.ndarray] = {}
        self.session = onnxruntime.InferenceSession(runtimes.onnx(network), providers=["CPUExecutionProvider"])

    def run(self, small: Image.Image | np.ndarray) -> np.ndarray:
        planes = np.asarray(small, np.float32).transpose(2, 0, 1)[None] * np.float32(self.range / 255)
        planes = np.ascontiguousarray(planes)
        key = planes.tobytes()
        if key not in self.known:
            self.known[key] = self.session.run(None, {"input": planes})[0][0].transpose(1, 2, 0) * np.float32(255 / self.range)
        return self.known[key]

    def eight_ways(self, small: Image.Image) -> np.ndarray:
        """The mean over the image turned and mirrored, each turned back."""
        image, results = np.asarray(small), []
        for turns in range(4):
            turned = np.rot90(image, turns)
            results.append(np.rot90(self.run(turned), -turns))
            results.append(np.rot90(self.run(turned[:, ::-1])[:, ::-1], -turns))
        return np.mean(results, axis=0, dtype=np.float32)


if __name__ == "__main__":
    main()
