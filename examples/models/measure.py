"""Measures what `convert.py` states of the models: what weights of 16 bits change, and how far tiles must overlap.

    ../../target/models/bin/pip install -r requirements.txt -r requirements.measure.txt
    ../../target/models/bin/python measure.py half | overlap [--packages FOLDER]

Both run in onnxruntime; differences are in steps of 8 bits (1/255 of a full sample), before anything is rounded.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import skimage.data

import convert

sys.path.insert(0, str(convert.ROOT / "benches/networks"))
import runtimes  # noqa: E402

OVERLAPS = [8, 12, 16, 24, 32, 48, 64]
CORE, CORES = 64, 3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["half", "overlap"])
    arguments.add_argument("--packages", type=Path, default=convert.ROOT / "target/packages")
    chosen = arguments.parse_args()
    {"half": half, "overlap": overlap}[chosen.what](chosen.packages)


def half(folder: Path) -> None:
    """Weights as stored beside weights of 32 bits."""
    for model in convert.MODELS:
        plan, tensors, _ = convert.converted(model, folder)
        exact = session(plan, tensors)
        stored = session(plan, convert.stored(tensors, True))
        worst = {}
        for name, image in images(96).items():
            worst[name] = np.abs(run(exact, image, model.range) - run(stored, image, model.range)).max()
        print(f"{model.name:24} {max(worst.values()):.3f}  ({', '.join(f'{name} {one:.3f}' for name, one in worst.items())})",
              flush=True)


def overlap(folder: Path) -> None:
    """Tiles of thick, 64 source pixels wide and overlapping, beside the whole image at once."""
    model = convert.MODELS[0]
    plan, tensors, _ = convert.converted(model, folder)
    thick = session(plan, convert.stored(tensors, model.half))
    for name, image in images(CORE * CORES).items():
        whole = run(thick, image, model.range)
        worst = [np.abs(tiled(thick, image, reach, model.range) - whole).max() for reach in OVERLAPS]
        print(f"{name:10}", "  ".join(f"{reach}: {one:.3f}" for reach, one in zip(OVERLAPS, worst)), flush=True)


def images(side: int) -> dict[str, np.ndarray]:
    """Squares out of photographs, and one of hard edges: black text, bars and a checkerboard."""
    photos = {"astronaut": (20, 140), "chelsea": (60, 120), "coffee": (130, 180)}
    squares = {name: getattr(skimage.data, name)()[y:y + side, x:x + side] for name, (y, x) in photos.items()}
    rows, columns = np.mgrid[:side, :side]
    edges = np.where((rows // 3 + columns // 3) % 2 == 0, 255, 0)
    middle = 2 * side // 3 - side // 3
    edges[:, side // 3:2 * side // 3] = np.pad(skimage.data.page(), ((0, side), (0, 0)), "reflect")[:side, 20:20 + middle]
    edges[:, 2 * side // 3:] = np.where((columns + rows) // 7 % 2 == 0, 255, 0)[:, 2 * side // 3:]
    squares["edges"] = np.repeat(edges[..., None], 3, 2)
    return squares


def session(plan: dict, tensors: dict[str, np.ndarray]) -> onnxruntime.InferenceSession:
    network = runtimes.network(plan, lambda name: tensors[name].astype(np.float32))
    return onnxruntime.InferenceSession(runtimes.onnx(network), providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, image: np.ndarray, value_range: float) -> np.ndarray:
    """The enlarged image, in steps of 8 bits."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) * np.float32(value_range / 255)
    return session.run(None, {"input": planes})[0][0] * (255 / value_range)


def tiled(session: onnxruntime.InferenceSession, image: np.ndarray, reach: int, value_range: float) -> np.ndarray:
    """The enlarged image in tiles that overlap by `reach` source pixels, less at its edges."""
    result, side = None, CORE * CORES
    for y, x in np.ndindex(CORES, CORES):
        top, left = max(y * CORE - reach, 0), max(x * CORE - reach, 0)
        bottom, right = min((y + 1) * CORE + reach, side), min((x + 1) * CORE + reach, side)
        part = run(session, image[top:bottom, left:right], value_range)
        scale = part.shape[1] // (bottom - top)
        result = np.zeros((3, side * scale, side * scale), np.float32) if result is None else result
        core, down, over = CORE * scale, (y * CORE - top) * scale, (x * CORE - left) * scale
        result[:, y * core:(y + 1) * core, x * core:(x + 1) * core] = part[:, down:down + core, over:over + core]
    return result


if __name__ == "__main__":
    main()
