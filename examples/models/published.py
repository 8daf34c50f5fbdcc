"""The networks as they are published: a list of layers, from TensorFlow.js or ncnn files."""

import json
from dataclasses import dataclass, field
from typing import Callable

import numpy as np

Reader = Callable[[str], bytes]


@dataclass
class Layer:
    """One step of the published network.

    `kind` is input, conv, relu, prelu, concat, add, times, nearest (enlarged `factor` times) or shuffle (depth to
    space). Weights are `[out][in][ky][kx]`; the channels of a shuffle count `(dy · factor + dx) · 3 + c`.
    """

    kind: str
    name: str
    reads: list[str] = field(default_factory=list)
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    slope: np.ndarray | None = None
    times: float = 1.0
    factor: int = 1


def tfjs(read: Reader, folder: str) -> tuple[list[Layer], list[str]]:
    """The layers of a TensorFlow.js layers model, and the files that it was read from."""
    files = [f"{folder}/model.json"]
    document = json.loads(read(files[0]))
    raw, specs = b"", []
    for group in document["weightsManifest"]:
        paths = [f"{folder}/{path}" for path in group["paths"]]
        raw += b"".join(read(path) for path in paths)
        files += paths
        specs += group["weights"]
    values, offset = {}, 0
    for spec in specs:
        if spec["dtype"] != "float32":
            raise SystemExit(f"{spec['name']} is {spec['dtype']}, not float32")
        count = int(np.prod(spec["shape"]))
        values[spec["name"]] = np.frombuffer(raw, "<f4", count, offset).reshape(spec["shape"])
        offset += 4 * count
    if offset != len(raw):
        raise SystemExit(f"{folder}: {len(raw)} bytes of weights, not {offset}")
    config = document["modelTopology"]["model_config"]["config"]
    layers = config["layers"] if isinstance(config, dict) else config
    return [tfjs_layer(layer, values) for layer in layers], files


def tfjs_layer(layer: dict, values: dict) -> Layer:
    config, of = layer["config"], layer["class_name"]
    name = config["name"]
    reads = [node[0] for node in layer["inbound_nodes"][0]] if layer.get("inbound_nodes") else []
    if of == "InputLayer":
        return Layer("input", name)
    if of == "Conv2D":
        weights = values[f"{name}/kernel"].transpose(3, 2, 0, 1)
        side = weights.shape[2]
        plain = config["activation"] == "linear" and config["strides"] == [1, 1] and config["dilation_rate"] == [1, 1]
        if not plain or not (config["padding"] == "same" or side == 1):
            raise SystemExit(f"{name}: a convolution of a kind that is not known here")
        return Layer("conv", name, reads, np.ascontiguousarray(weights), values[f"{name}/bias"])
    if of == "Activation" and config["activation"] == "relu":
        return Layer("relu", name, reads)
    if of == "Concatenate":
        return Layer("concat", name, reads)
    if of == "Add":
        return Layer("add", name, reads)
    if of == "MultiplyBeta":
        return Layer("times", name, reads, times=0.2)
    if of == "UpSampling2D" and config["interpolation"] == "nearest":
        return Layer("nearest", name, reads, factor=config["size"][0])
    if of.startswith("PixelShuffle"):
        return Layer("shuffle", name, reads, factor=int(of.removeprefix("PixelShuffle").removesuffix("x")))
    raise SystemExit(f"{name}: a layer {of} is not known here")


def ncnn(read: Reader, stem: str) -> tuple[list[Layer], list[str]]:
    """The layers of an ncnn network of the kinds that SRVGGNetCompact has, and the files that it was read from."""
    files = [f"{stem}.param", f"{stem}.bin"]
    raw, offset = read(files[1]), 0

    def take(kind: str, count: int) -> np.ndarray:
        nonlocal offset
        values = np.frombuffer(raw, kind, count, offset)
        offset += values.nbytes
        return values

    layers, alias, channels = [], {}, {}
    for line in read(files[0]).decode().splitlines()[2:]:
        kind, name, inputs, outputs, *rest = line.split()
        blobs = rest[: int(inputs) + int(outputs)]
        reads = [alias.get(blob, blob) for blob in blobs[: int(inputs)]]
        writes = blobs[int(inputs):]
        options = {int(key): value for key, value in (text.split("=") for text in rest[len(blobs):])}
        if kind == "Split":
            alias |= {blob: reads[0] for blob in writes}
            continue
        to = writes[0]
        if kind == "Input":
            layer = Layer("input", to)
            channels[to] = 3
        elif kind == "Convolution" and options.get(4) == "1" and options.get(5) == "1":
            out, side, count = int(options[0]), int(options[1]), int(options[6])
            # 0x01306B47 marks weights of 16 bits, 0 marks weights of 32.
            half = take("<u4", 1)[0]
            if half not in (0, 0x01306B47):
                raise SystemExit(f"{name}: weights of a kind that is not known here")
            weights = take("<f2" if half else "<f4", count).astype(np.float32).reshape(out, channels[reads[0]], side, side)
            offset += -offset % 4
            layer = Layer("conv", to, reads, weights, take("<f4", out))
            channels[to] = out
        elif kind == "PReLU":
            layer = Layer("prelu", to, reads, slope=take("<f4", int(options[0])))
            channels[to] = channels[reads[0]]
        elif kind == "PixelShuffle":
            factor = int(options[0])
            # ncnn counts c · factor² + dy · factor + dx: the convolution before is put in the other order.
            before = layers[-1]
            order = np.arange(3 * factor * factor).reshape(3, factor * factor).T.ravel()
            before.weights, before.bias = before.weights[order], before.bias[order]
            layer = Layer("shuffle", to, reads, factor=factor)
        elif kind == "Interp" and options[0] == "1":
            layer = Layer("nearest", to, reads, factor=int(float(options[1])))
        elif kind == "BinaryOp" and options.get(0, "0") == "0":
            layer = Layer("add", to, reads)
        else:
            raise SystemExit(f"{name}: a layer {kind} is not known here")
        layers.append(layer)
    if offset != len(raw):
        raise SystemExit(f"{stem}: {len(raw)} bytes of weights, not {offset}")
    return layers, files
