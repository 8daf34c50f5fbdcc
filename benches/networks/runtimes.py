"""The networks for other runtimes: a weights file of ours as ONNX and as ncnn files, each at its best.

Both get what their own converters would make of the plan: measures multiplied into the weights, activations where the
runtime takes them up, and the input that runs through a last convolution as the enlarged input that it stands for.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np


@dataclass
class Step:
    """One convolution of a plan, with its numbers in 32 bits."""

    reads: list[str]
    to: str
    weights: np.ndarray
    bias: np.ndarray
    activation: str
    slope: np.ndarray | None
    plus: list[tuple[str, float]]


@dataclass
class Network:
    """A plan without its measures; `through` says that the enlarged input is added to the result."""

    scale: int
    range: float
    overlap: int
    radius: int
    steps: list[Step]
    output: str
    through: bool


def load(path: Path) -> Network:
    """Reads a weights file."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8:8 + length])
    plan = json.loads(header.pop("__metadata__")["plan"])

    def values(name: str) -> np.ndarray:
        entry = header[name]
        start, end = entry["data_offsets"]
        kind = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
        return np.frombuffer(raw[8 + length + start:8 + length + end], kind).astype(np.float32).reshape(entry["shape"])

    return network(plan, values)


def network(plan: dict, values: Callable[[str], np.ndarray]) -> Network:
    """A plan document and its numbers, by name, in 32 bits."""
    steps = [step(conv, values) for conv in plan["convs"]]
    through = without_input(steps[-1])
    return Network(plan["scale"], plan["range"], plan["overlap"], plan["radius"], steps, plan["output"], through)


def step(conv: dict, values: Callable[[str], np.ndarray]) -> Step:
    activation, times = conv.get("activation", "none"), conv.get("times", 1.0)
    if times != 1.0 and activation != "none":
        raise SystemExit(f"{conv['to']}: a measure behind an activation is not known here")
    weights, bias = values(conv["weights"]) * np.float32(times), values(conv["bias"]) * np.float32(times)
    slope = values(conv["slope"]) if activation == "prelu" else None
    plus = [(one["tensor"], one["times"]) for one in conv.get("plus", [])]
    return Step(list(conv["from"]), conv["to"], weights, bias, activation, slope, plus)


def without_input(last: Step) -> bool:
    """Takes the input out of the last convolution where it only runs through."""
    if len(last.reads) < 2 or last.reads[-1] != "input":
        return False
    own, through = last.weights[:, :-3], last.weights[:, -3:].copy()
    out, middle = len(through), through.shape[2] // 2
    if not (through[np.arange(out), np.arange(out) % 3, middle, middle] == 1).all() or np.count_nonzero(through) != out:
        return False
    last.weights, last.reads = np.ascontiguousarray(own), last.reads[:-1]
    return True


def onnx(network: Network) -> bytes:
    """The network as an ONNX model with an image `[1, 3, h, w]` to `[1, 3, scale · h, scale · w]`."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, reads: list[str], to: str, **attributes) -> str:
        nodes.append(helper.make_node(kind, reads, [to], **attributes))
        return to

    for one in network.steps:
        read = one.reads[0] if len(one.reads) == 1 else node("Concat", one.reads, f"{one.to}.from", axis=1)
        names = [read, constant(f"{one.to}.weight", one.weights), constant(f"{one.to}.bias", one.bias)]
        last = node("Conv", names, f"{one.to}.conv", pads=[one.weights.shape[2] // 2] * 4)
        if one.activation == "relu":
            last = node("Relu", [last], f"{one.to}.relu")
        elif one.activation == "prelu":
            last = node("PRelu", [last, constant(f"{one.to}.slope", one.slope[:, None, None])], f"{one.to}.prelu")
        for index, (tensor, times) in enumerate(one.plus):
            if times != 1.0:
                tensor = node("Mul", [tensor, constant(f"{one.to}.times{index}", np.float32(times))], f"{one.to}.scaled{index}")
            last = node("Add", [last, tensor], f"{one.to}.sum{index}")
        nodes[-1].output[0] = one.to
    result = node("DepthToSpace", [network.output], "shuffled", blocksize=network.scale, mode="DCR")
    if network.through:
        sizes = constant("sizes", np.array([1, 1, network.scale, network.scale], np.float32))
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        result = node("Add", [result, node("Resize", ["input", "", sizes], "enlarged", **nearest)], "added")
    reads = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    writes = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "network", [reads], [writes], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model.SerializeToString()


def ncnn(network: Network) -> tuple[str, bytes]:
    """The network as ncnn's `.param` and `.bin`: blobs `input` and `output`."""
    layers: list[tuple[str, list[str], str, str]] = []
    weights: list[bytes] = []

    def layer(kind: str, reads: list[str], to: str, options: str = "") -> str:
        layers.append((kind, reads, to, options))
        return to

    layer("Input", [], "input")
    for one in network.steps:
        read = one.reads[0] if len(one.reads) == 1 else layer("Concat", one.reads, f"{one.to}.from", "0=0")
        out, _, side, _ = one.weights.shape
        options = f"0={out} 1={side} 4={side // 2} 5=1 6={one.weights.size}" + (" 9=1" if one.activation == "relu" else "")
        last = layer("Convolution", [read], f"{one.to}.conv", options)
        weights += [bytes(4), one.weights.astype("<f4").tobytes(), one.bias.astype("<f4").tobytes()]
        if one.activation == "prelu":
            last = layer("PReLU", [last], f"{one.to}.prelu", f"0={out}")
            weights.append(one.slope.astype("<f4").tobytes())
        if one.plus:
            measures = ",".join(f"{times:e}" for times in [1.0, *(times for _, times in one.plus)])
            plain = all(times == 1.0 for _, times in one.plus)
            kind = "" if plain else f" -23301={len(one.plus) + 1},{measures}"
            last = layer("Eltwise", [last, *(tensor for tensor, _ in one.plus)], f"{one.to}.sum", f"0=1{kind}")
        layers[-1] = (*layers[-1][:2], one.to, layers[-1][3])
    result = layer("PixelShuffle", [network.output], "shuffled", f"0={network.scale} 1=1")
    if network.through:
        enlarged = layer("Interp", ["input"], "enlarged", f"0=1 1={network.scale} 2={network.scale}")
        layer("BinaryOp", [result, enlarged], "added", "0=0")
    layers[-1] = (*layers[-1][:2], "output", layers[-1][3])
    return param(layers), b"".join(weights)


def param(layers: list[tuple[str, list[str], str, str]]) -> str:
    """ncnn's text: every blob is read once, so what is read more often is split first."""
    readers: dict[str, int] = {}
    for _, reads, _, _ in layers:
        for read in reads:
            readers[read] = readers.get(read, 0) + 1
    taken = dict.fromkeys(readers, 0)

    def blob(read: str) -> str:
        taken[read] += 1
        return read if readers[read] == 1 else f"{read}.{taken[read]}"

    lines, blobs = [], 0
    for kind, reads, to, options in layers:
        names = " ".join([*map(blob, reads), to])
        lines.append(f"{kind} {to} {len(reads)} 1 {names} {options}".rstrip())
        blobs += 1
        if readers.get(to, 0) > 1:
            parts = [f"{to}.{part + 1}" for part in range(readers[to])]
            lines.append(f"Split {to}.split 1 {len(parts)} {to} {' '.join(parts)}")
            blobs += len(parts)
    return "\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""])
