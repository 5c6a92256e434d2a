"""A signed app without Gradle: packed, aligned, signed, looked at."""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path

from checklist import CheckError, run

from .parts import aar, settings
from .tools import java

PAGE = 16384  # bytes, of phones that came after Android 15
_ABI = "arm64-v8a"
_MODELS = (".onnx", ".tflite", ".pte")
_ALIGNMENT = 0xD935  # the extra field that fills the space before aligned data


def write_apk(target: Path, resources: Path, dex: Path, payload: Path) -> Path:
    """Everything in a fixed order with a fixed date, so that the same content is always the same file."""
    with zipfile.ZipFile(resources) as linked, zipfile.ZipFile(target, "w") as apk:
        for name in sorted(linked.namelist()):
            is_table = name == "resources.arsc"  # mapped into memory where it lies
            _add(apk, name, linked.read(name), 4 if is_table else None)
        for path in sorted(dex.glob("*.dex")):
            _add(apk, path.name, path.read_bytes(), None)
        for path in sorted(payload.rglob("*")):
            if path.is_file():
                is_model = path.suffix in _MODELS  # as `noCompress` says
                name = f"assets/cloformer/{path.relative_to(payload).as_posix()}"
                _add(apk, name, path.read_bytes(), 4 if is_model else None)
        for path in sorted((aar() / "jni" / _ABI).glob("*.so")):
            _add(apk, f"lib/{_ABI}/{path.name}", path.read_bytes(), PAGE)
    return target


def _add(apk: zipfile.ZipFile, name: str, content: bytes, alignment: int | None) -> None:
    """Compressed; or, with an alignment, stored where it can be mapped into memory."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED if alignment is None else zipfile.ZIP_STORED
    if alignment is not None and apk.fp is not None:
        gap = -(apk.fp.tell() + 30 + len(name) + 6) % alignment
        entry.extra = struct.pack("<HHH", _ALIGNMENT, 2 + gap, alignment) + bytes(gap)
    apk.writestr(entry, content)


def make_key(folder: Path) -> Path:
    """A key for the check alone."""
    key = folder / "key.p12"
    run(
        java("keytool"), "-genkeypair", "-keystore", key, "-storetype", "PKCS12", "-storepass", "android", "-alias", "check",
        "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000", "-dname", "CN=check",
    )  # fmt: skip
    return key


def sign(apk: Path, key: Path, target: Path) -> Path:
    run(
        "apksigner", "sign", "--ks", key, "--ks-pass", "pass:android", "--min-sdk-version", settings()["minSdk"],
        "--out", target, apk,
    )  # fmt: skip
    return target


def verify(apk: Path) -> list[str]:
    """By Android's own programs, and what they do not look at yet; the schemes of the signature."""
    run("zipalign", "-c", "-p", "4", apk)
    said = run("apksigner", "verify", "--verbose", "--min-sdk-version", settings()["minSdk"], apk)
    schemes = re.findall(r"^Verified using (v\d).*: true$", said, re.MULTILINE)
    for name, offset, is_stored in _places(apk):
        if name.endswith(".so") and (not is_stored or offset % PAGE):
            raise CheckError(f"{name} is compressed or does not begin at a page of {PAGE} bytes")
        if name.endswith(_MODELS) and not is_stored:
            raise CheckError(f"{name} is compressed")
    return schemes


def _places(apk: Path) -> list[tuple[str, int, bool]]:
    """Name, offset of the data and whether they are stored, of each entry."""
    places = []
    with zipfile.ZipFile(apk) as file, apk.open("rb") as raw:
        for entry in file.infolist():
            raw.seek(entry.header_offset + 26)
            name, extra = struct.unpack("<HH", raw.read(4))
            offset = entry.header_offset + 30 + name + extra
            places.append((entry.filename, offset, entry.compress_type == zipfile.ZIP_STORED))
    return places


def page_alignments() -> dict[str, int]:
    """How the segments of ONNX Runtime's 64-bit libraries are aligned in memory, at least."""
    found = {}
    for path in sorted((aar() / "jni").glob("*64*/*.so")):
        head = path.read_bytes()[:4096]
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        segments = [struct.unpack_from("<IIQQQQQQ", head, table + size * place) for place in range(count)]
        found[f"{path.parent.name}/{path.name}"] = min(each[7] for each in segments if each[0] == 1)
    return found
