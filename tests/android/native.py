"""ONNX Runtime's library for Android on x86_64, made loadable by this machine's C library: as ``--device android-library``
does with the one for arm64. Then ONNX Runtime's Java API runs here on what phones run.
"""

from __future__ import annotations

from pathlib import Path

from checklist import run

from cloformer.export.device.android_library import NAMES, made_loadable

from .parts import aar

LIBRARIES = ("libonnxruntime.so", "libonnxruntime4j_jni.so")
STAND_IN = Path(__file__).parent.parent.parent / "export" / "device" / "native" / "bionic.c"


def make_loadable(target: Path) -> None:
    """Fill ``target`` with the two libraries and the stand-in, under every name that they ask for."""
    target.mkdir(parents=True, exist_ok=True)
    stand_in = target / NAMES[0]
    run("gcc", "-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{stand_in.name}",
        STAND_IN, "-Wl,--no-as-needed", "-lm", "-o", stand_in)  # fmt: skip
    for name in NAMES[1:]:
        (target / name).symlink_to(stand_in.name)
    for name in LIBRARIES:
        (target / name).write_bytes(made_loadable((aar() / "jni/x86_64" / name).read_bytes()))
