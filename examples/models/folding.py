"""From published layers to a plan: convolutions at the size of the source, everything else folded into them.

All of it is exact, the zeros around the image included; `check.py` computes both sides and compares.
"""

import numpy as np

from published import Layer


def plan(layers: list[Layer], value_range: float) -> tuple[dict, dict[str, np.ndarray]]:
    """The plan document (without its overlap) and the tensors that it names."""
    folding = Folding(layers)
    for layer in layers:
        folding.take(layer)
    return folding.document(value_range)


class Folding:
    """What is known while the layers are walked in order."""

    def __init__(self, layers: list[Layer]):
        self.users: dict[str, list[Layer]] = {}
        for layer in layers:
            for read in layer.reads:
                self.users.setdefault(read, []).append(layer)
        self.by_name = {layer.name: layer for layer in layers}
        self.tensors: list[dict] = []
        self.convs: list[dict] = []
        self.values: dict[str, np.ndarray] = {}
        self.parts: dict[str, list[str]] = {}
        self.done: set[str] = set()
        self.scale, self.output = 1, ""

    def take(self, layer: Layer) -> None:
        if layer.name in self.done:
            return
        if layer.kind == "input":
            self.tensors.append({"name": "input", "channels": 3})
            self.parts[layer.name] = ["input"]
        elif layer.kind == "concat":
            self.parts[layer.name] = [part for read in layer.reads for part in self.parts[read]]
        elif layer.kind in ("nearest", "shuffle"):
            self.scale = layer.factor
        elif layer.kind == "conv":
            self.conv(layer)
        elif layer.kind == "add":
            self.enlarged_input(layer)
        else:
            raise SystemExit(f"{layer.name}: a {layer.kind} that no convolution takes up")

    def conv(self, layer: Layer) -> None:
        """One convolution, with the activation, the measures and the sums that follow it."""
        source, weights, bias = self.by_name[layer.reads[0]], layer.weights, layer.bias
        if source.kind == "nearest":
            weights, bias = behind_nearest(weights, bias, source.factor)
            source = self.by_name[source.reads[0]]
        elif source.kind == "shuffle":
            weights, bias = behind_shuffle(weights, bias, source.factor)
            source = self.by_name[source.reads[0]]
        step = {"from": self.parts[source.name], "to": layer.name, "kernel": weights.shape[2]}
        step |= {"weights": f"{layer.name}.weight", "bias": f"{layer.name}.bias"}
        self.values[f"{layer.name}.weight"], self.values[f"{layer.name}.bias"] = weights, bias
        last, times, plus = layer, 1.0, []
        while len(following := self.users.get(last.name, [])) == 1 and self.follows(following[0], last):
            before, last = last, following[0]
            self.done.add(last.name)
            if last.kind == "relu":
                step["activation"] = "relu"
            elif last.kind == "prelu":
                step |= {"activation": "prelu", "slope": f"{layer.name}.slope"}
                self.values[f"{layer.name}.slope"] = last.slope
            elif last.kind == "times":
                times *= last.times
                plus = [(tensor, measure * last.times) for tensor, measure in plus]
            else:
                (other,) = [read for read in last.reads if read != before.name]
                plus.append((self.parts[other][0], 1.0))
        if times != 1.0:
            step["times"] = round(times, 9)
        if plus:
            step["plus"] = [{"tensor": tensor, "times": round(measure, 9)} for tensor, measure in plus]
        self.convs.append(step)
        self.tensors.append({"name": layer.name, "channels": weights.shape[0]})
        self.parts[last.name] = [layer.name]
        self.output = layer.name

    def follows(self, layer: Layer, last: Layer) -> bool:
        """Whether the layer can be done in the convolution whose result is `last`."""
        if layer.kind in ("relu", "prelu"):
            return last.kind == "conv"
        if layer.kind == "times":
            return True
        return layer.kind == "add" and all(read == last.name or read in self.parts for read in layer.reads)

    def enlarged_input(self, layer: Layer) -> None:
        """The sum of the result and the input enlarged by nearest neighbours: one more input of the last convolution."""
        kinds = {self.by_name[read].kind: self.by_name[read] for read in layer.reads}
        nearest, shuffle, step = kinds["nearest"], kinds["shuffle"], self.convs[-1]
        if nearest.factor != shuffle.factor or self.by_name[nearest.reads[0]].kind != "input" or step["to"] != shuffle.reads[0]:
            raise SystemExit(f"{layer.name}: a sum of a kind that is not known here")
        weights = self.values[step["weights"]]
        out, _, side, _ = weights.shape
        through = np.zeros((out, 3, side, side), np.float32)
        through[np.arange(out), np.arange(out) % 3, side // 2, side // 2] = 1.0
        self.values[step["weights"]] = np.concatenate([weights, through], axis=1)
        step["from"] = [*step["from"], "input"]

    def document(self, value_range: float) -> tuple[dict, dict[str, np.ndarray]]:
        document = {"format": 1, "scale": self.scale, "range": value_range, "radius": radius(self.convs)}
        document |= {"tensors": self.tensors, "convs": self.convs, "output": self.output}
        return document, self.values


def behind_nearest(weights: np.ndarray, bias: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """A convolution of an image enlarged by nearest neighbours, as one of the image itself.

    Pixel `dy` of a square sees row `dy + ky` of the enlarged image, which is row `floor((dy + ky) / factor)` of the
    image: rows of weights that meet there are summed.
    """
    out, inputs, side, _ = weights.shape
    half = side // 2
    folded = np.zeros((factor, factor, out, inputs, 3, 3), np.float64)
    for dy, dx, ky, kx in np.ndindex(factor, factor, side, side):
        y, x = (dy + ky - half) // factor, (dx + kx - half) // factor
        folded[dy, dx, :, :, y + 1, x + 1] += weights[:, :, ky, kx]
    return folded.reshape(factor * factor * out, inputs, 3, 3).astype(np.float32), np.tile(bias, factor * factor)


def behind_shuffle(weights: np.ndarray, bias: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """A convolution of a shuffled image, as one of its channels before the shuffle."""
    out, inputs, side, _ = weights.shape
    half = side // 2
    folded = np.zeros((factor, factor, out, factor, factor, inputs, 3, 3), np.float32)
    for dy, dx, ky, kx in np.ndindex(factor, factor, side, side):
        (y, in_y), (x, in_x) = divmod(dy + ky - half, factor), divmod(dx + kx - half, factor)
        folded[dy, dx, :, in_y, in_x, :, y + 1, x + 1] = weights[:, :, ky, kx]
    return folded.reshape(factor * factor * out, factor * factor * inputs, 3, 3), np.tile(bias, factor * factor)


def radius(convs: list[dict]) -> int:
    """How far a source pixel counts: the longest way through the convolutions."""
    reach = {"input": 0}
    for conv in convs:
        own = max(reach[tensor] for tensor in conv["from"]) + conv["kernel"] // 2
        reach[conv["to"]] = max([own, *(reach[plus["tensor"]] for plus in conv.get("plus", []))])
    return reach[convs[-1]["to"]]
