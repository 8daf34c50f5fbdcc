"""Three photographs that no preset was tuned on, each under a free licence, out of packages of the registries."""

import io
import sys
from pathlib import Path

import skimage.data
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
SIDE = 256

sys.path.insert(0, str(ROOT / "examples/models"))
import packages  # noqa: E402

# china.jpg and flower.jpg: CC BY 2.0, by danielbuechele and vultilion.
SCIKIT_LEARN = packages.Package(
    "pypi",
    "scikit-learn",
    "1.5.2",
    "scikit_learn-1.5.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "f8b0ccd4a902836493e026c03256e8b206656f91fbcc4fde28c57a5b752561f1",
    "sklearn/datasets/images/",
    "README.txt",
    ("manylinux2014_x86_64", "cp311"),
)


def photos(folder: Path) -> dict[str, Image.Image]:
    """The middle 256 × 256 pixels of each."""
    archive = packages.fetch(SCIKIT_LEARN, folder)
    whole = {name: Image.open(io.BytesIO(packages.read(SCIKIT_LEARN, archive, f"{name}.jpg"))) for name in ("china", "flower")}
    # CC0, by SpaceX.
    whole["rocket"] = Image.fromarray(skimage.data.rocket())
    return {name: middle(photo.convert("RGB")) for name, photo in whole.items()}


def middle(photo: Image.Image) -> Image.Image:
    left, top = (photo.width - SIDE) // 2, (photo.height - SIDE) // 2
    return photo.crop((left, top, left + SIDE, top + SIDE))
