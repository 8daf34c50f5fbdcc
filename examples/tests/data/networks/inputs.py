"""Cuts the inputs out of a photograph of scikit-image (the astronaut: NASA, public domain).

    pip install scikit-image==0.26.0 pillow==13.0.0 && python inputs.py
"""

from pathlib import Path

import skimage.data
from PIL import Image

HERE = Path(__file__).resolve().parent

photo = Image.fromarray(skimage.data.astronaut())
photo.crop((180, 90, 204, 110)).save(HERE / "24x20.png", optimize=True)
photo.crop((170, 60, 177, 65)).save(HERE / "7x5.png", optimize=True)
