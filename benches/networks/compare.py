"""Our executor beside onnxruntime and ncnn: seconds and memory for one tile, same weights, same threads, same run.

    ./dev compare [MODEL …]

For each model and number of threads, five rounds in which the three take turns, each warmed up and in a process of its
own, the others stopped meanwhile; medians, and the highest resident memory of each whole process (onnxruntime's and
ncnn's have Python in theirs). `ratio` is the time of the faster of the two by ours: above 1, ours is faster.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

import numpy as np

import runtimes

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "examples/models"
OTHERS = ("onnxruntime", "ncnn")
THREADS, ROUNDS = (1, 2), 5


def main() -> None:
    if sys.argv[1:2] == ["turns"]:
        turns(*sys.argv[2:4], Path(sys.argv[4]), *map(int, sys.argv[5:7]))
        return
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("models", nargs="*", default=sorted(path.stem for path in MODELS.glob("*.safetensors")))
    arguments.add_argument("--side", type=int, default=256, help="of the square tile, in source pixels")
    arguments.add_argument("--ours", type=Path, default=ROOT / "target/release/networks")
    chosen = arguments.parse_args()
    print(f"{'seconds per tile, MiB':26}{'threads':>8}{'ours':>16}{'onnxruntime':>16}{'ncnn':>16}{'ratio':>8}")
    for model in chosen.models:
        for threads in THREADS:
            measure(model, threads, chosen.side, chosen.ours)


def measure(model: str, threads: int, side: int, ours: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        others = {name: Other(name, model, Path(folder, f"{name}.npy"), threads, side) for name in OTHERS}
        results = [np.load(Path(folder, f"{name}.npy")) for name in OTHERS]
        difference = np.abs(results[0] - results[1]).max()
        if not difference < 0.1:
            raise SystemExit(f"{model}: onnxruntime and ncnn differ by {difference} steps of 8 bits")
        seconds: dict[str, list[float]] = {name: [] for name in ("ours", *OTHERS)}
        memory = {}
        for _ in range(ROUNDS):
            took, memory["ours"] = our_turn(ours, model, threads, side)
            seconds["ours"].append(took)
            for name, other in others.items():
                seconds[name].append(other.turn())
        memory |= {name: other.end() for name, other in others.items()}
    medians = {name: statistics.median(all_of) for name, all_of in seconds.items()}
    cells = "".join(f"{medians[name]:10.3f}{memory[name]:6.0f}" for name in ("ours", *OTHERS))
    ratio = min(medians[name] for name in OTHERS) / medians["ours"]
    print(f"{model:26}{threads:8}{cells}{ratio:8.2f}", flush=True)


def our_turn(ours: Path, model: str, threads: int, side: int) -> tuple[float, float]:
    """Seconds of one round after one that warms up, and MiB."""
    options = {"model": MODELS / f"{model}.safetensors", "width": side, "height": side, "threads": threads, "rounds": 1}
    command = [ours, *(word for key, value in options.items() for word in (f"--{key}", str(value)))]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    found = re.search(r"^seconds per round\s+([\d.]+)", told, re.MULTILINE)
    if child.returncode != 0 or found is None:
        raise SystemExit(f"{ours} failed on {model}: {told}")
    return float(found[1]), usage.ru_maxrss / 1024


class Other:
    """A process of another runtime, stopped while it is not its turn: idle threads may spin."""

    def __init__(self, name: str, model: str, result: Path, threads: int, side: int):
        command = [sys.executable, __file__, "turns", name, model, str(result), str(threads), str(side)]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self.child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self) -> float:
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.child.args)} ended")
        os.kill(self.child.pid, signal.SIGSTOP)
        return json.loads(line)

    def ask(self, word: str) -> float:
        os.kill(self.child.pid, signal.SIGCONT)
        print(word, file=self.child.stdin, flush=True)
        return self.answer()

    def turn(self) -> float:
        return self.ask("run")

    def end(self) -> float:
        """MiB."""
        highest = self.ask("memory")
        os.kill(self.child.pid, signal.SIGCONT)
        self.child.stdin.close()
        self.child.wait()
        return highest


def turns(runtime: str, model: str, result: Path, threads: int, side: int) -> None:
    """What a process of another runtime does: warms up, keeps that result, then one answer for each line."""
    network = runtimes.load(MODELS / f"{model}.safetensors")
    samples = (np.arange(side * side * 3) * 7919 % 256).reshape(side, side, 3)
    image = np.ascontiguousarray(samples.transpose(2, 0, 1), np.float32) * np.float32(network.range / 255)
    run = {"onnxruntime": with_onnxruntime, "ncnn": with_ncnn}[runtime](network, image, threads)
    np.save(result, run() * (255 / network.range))
    print(0, flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(highest_memory(), flush=True)
            continue
        begin = time.perf_counter()
        run()
        print(time.perf_counter() - begin, flush=True)


def highest_memory() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def with_onnxruntime(network: runtimes.Network, image: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(runtimes.onnx(network), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"input": image[None]})[0][0]


def with_ncnn(network: runtimes.Network, image: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import ncnn

    param, weights = runtimes.ncnn(network)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "param").write_text(param)
        Path(folder, "bin").write_bytes(weights)
        net.load_param(str(Path(folder, "param")))
        net.load_model(str(Path(folder, "bin")))

    def run() -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("input", ncnn.Mat(image))
        failed, result = extractor.extract("output")
        if failed:
            raise SystemExit("ncnn failed")
        return np.array(result)

    return run


if __name__ == "__main__":
    main()
