"""Proves that folding is exact: each network as published beside its plan, on small images, both in numpy.

    ../../target/models/bin/python check.py [--packages FOLDER]

Both sides are computed in 64 bits, so that what differs is the folding alone; then the plan with the weights as stored.
"""

import argparse
from pathlib import Path

import numpy as np

import convert
from published import Layer

SIZES = [(1, 1), (7, 5), (3, 12)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--packages", type=Path, default=convert.ROOT / "target/packages")
    folder = arguments.parse_args().packages
    for model in convert.MODELS:
        layers, _ = convert.layers(model, folder)
        plan, tensors, _ = convert.converted(model, folder)
        stored = convert.stored(tensors, model.half)
        folded = rounded = 0.0
        for width, height in SIZES:
            image = np.random.default_rng(width).random((3, height, width)) * model.range
            expected = published(layers, image)
            folded = max(folded, np.abs(planned(plan, tensors, image) - expected).max() / model.range)
            rounded = max(rounded, np.abs(planned(plan, stored, image) - expected).max() / model.range)
        print(f"{model.name}: folding {folded:.1e}, folding and 16 bits {rounded * 255:.3f} steps of 8 bits")
        if folded > 1e-7:
            raise SystemExit(f"{model.name}: the plan computes something else than the network as published")


def published(layers: list[Layer], image: np.ndarray) -> np.ndarray:
    """The network as published, layer by layer."""
    values: dict[str, np.ndarray] = {}
    for layer in layers:
        read = [values[name] for name in layer.reads]
        if layer.kind == "input":
            result = image
        elif layer.kind == "conv":
            result = convolution(read[0], layer.weights, layer.bias)
        elif layer.kind == "relu":
            result = np.maximum(read[0], 0)
        elif layer.kind == "prelu":
            result = np.where(read[0] > 0, read[0], read[0] * layer.slope.astype(np.float64)[:, None, None])
        elif layer.kind == "concat":
            result = np.concatenate(read)
        elif layer.kind == "add":
            result = read[0] + read[1]
        elif layer.kind == "times":
            result = read[0] * layer.times
        elif layer.kind == "nearest":
            result = read[0].repeat(layer.factor, 1).repeat(layer.factor, 2)
        else:
            result = shuffled(read[0], layer.factor)
        values[layer.name] = result
    return result


def planned(plan: dict, tensors: dict[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """The plan, as its executor computes it."""
    values = {"input": image}
    for conv in plan["convs"]:
        read = np.concatenate([values[name] for name in conv["from"]])
        result = convolution(read, tensors[conv["weights"]], tensors[conv["bias"]])
        if conv.get("activation") == "relu":
            result = np.maximum(result, 0)
        elif conv.get("activation") == "prelu":
            result = np.where(result > 0, result, result * tensors[conv["slope"]].astype(np.float64)[:, None, None])
        result = result * conv.get("times", 1.0)
        for plus in conv.get("plus", []):
            result = result + values[plus["tensor"]] * plus["times"]
        values[conv["to"]] = result
    return shuffled(values[plan["output"]], plan["scale"])


def convolution(image: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution of stride 1 with zeros around the image."""
    out, _, side, _ = weights.shape
    inputs, height, width = image.shape
    half = side // 2
    padded = np.pad(image, ((0, 0), (half, half), (half, half)))
    patches = np.stack([padded[:, y:y + height, x:x + width] for y, x in np.ndindex(side, side)], axis=1)
    sums = weights.reshape(out, -1).astype(np.float64) @ patches.reshape(inputs * side * side, -1)
    return sums.reshape(out, height, width) + bias.astype(np.float64)[:, None, None]


def shuffled(image: np.ndarray, factor: int) -> np.ndarray:
    """Channel `(dy · factor + dx) · 3 + c` becomes colour `c` of row `dy`, column `dx` of a pixel's square."""
    _, height, width = image.shape
    squares = image.reshape(factor, factor, 3, height, width)
    return squares.transpose(2, 3, 0, 4, 1).reshape(3, height * factor, width * factor)


if __name__ == "__main__":
    main()
