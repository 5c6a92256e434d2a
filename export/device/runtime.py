"""What runs a model on the emulated device: a library for arm64, and the program that calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..artifact.folder import Artifact
from .sources import AndroidArchive, Source, Wheel

if TYPE_CHECKING:
    from ..formats.onnx.profile_events import TimedOperator

__all__ = ["ANDROID", "KINDS", "RUNTIMES", "Account", "DeviceRuntime", "Kind"]


@dataclass(frozen=True)
class Account:
    """Instructions that the profiler itself takes within an operator's time, in one build of the runtime: it writes the shapes of
    all operands."""

    operator: int
    input: int
    size: int  # of each axis of an operand

    def of(self, item: TimedOperator) -> int:
        sizes = sum(len(operand.shape) for operand in (*item.inputs, *item.outputs))
        return self.operator + self.input * len(item.inputs) + self.size * sizes


@dataclass(frozen=True)
class DeviceRuntime:
    """``runner`` is the program in ``native/`` that calls the library from ``source``. ``refuse_unsafe``
    raises for a file that reads others, or could run without end; ``has_levels``: whether its optimization has levels;
    ``tells_version``: whether the runner can ask the library which one it is; ``account`` is what its profiler takes itself, fitted to chains of
    operators counted with it and without; None if it has none that can be read."""

    title: str
    source: Source
    runner: str
    refuse_unsafe: Callable[[Artifact], object]
    has_levels: bool = False
    tells_version: bool = False
    account: Account | None = None

    @property
    def package(self) -> str:
        return self.source.package

    @property
    def version(self) -> str:
        return self.source.version


@dataclass(frozen=True)
class Kind:
    """What `--device` may be: its ``runtimes`` by the format that they run, and the execution ``provider`` that ONNX Runtime asks
    before its own for the processor; None for none."""

    title: str
    runtimes: Mapping[str, DeviceRuntime]
    provider: str | None = None


def _read_onnx(artifact: Artifact) -> None:
    from ..formats.onnx.file import read_onnx

    read_onnx(artifact.model_path)


def _read_litert(artifact: Artifact) -> None:
    from ..formats.litert.file import read_model
    from ..formats.litert.work_limit import refuse_endless
    from ..formats.work_limit import MOST_WORK

    refuse_endless(read_model(artifact.model_path), artifact.model_path, MOST_WORK)


# By the format that they run.
RUNTIMES: Mapping[str, DeviceRuntime] = {
    "onnx": DeviceRuntime(
        title="ONNX Runtime",
        source=Wheel(
            package="onnxruntime",
            version="1.31.1",
            platform="manylinux_2_28_aarch64",
            wheel_sha256="da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
            member="onnxruntime/capi/libonnxruntime.so.1.31.1",
            library_sha256="8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        ),
        runner="onnx_runner.c",
        refuse_unsafe=_read_onnx,
        has_levels=True,
        tells_version=True,
        account=Account(operator=20_845, input=1_181, size=195),  # within 1,600 of every chain
    ),
    "litert": DeviceRuntime(
        title="LiteRT",
        source=Wheel(
            package="ai-edge-litert",
            version="2.3.0",
            platform="manylinux_2_27_aarch64",
            wheel_sha256="853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
            member="ai_edge_litert/libLiteRt.so",
            library_sha256="b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
        ),
        runner="litert_runner.c",
        refuse_unsafe=_read_litert,
    ),
}

# The library that the bundle's app has: of the version in deploy/android/gradle/libs.versions.toml.
ANDROID: Mapping[str, DeviceRuntime] = {
    "onnx": DeviceRuntime(
        title="ONNX Runtime for Android",
        source=AndroidArchive(
            package="onnxruntime-android",
            version="1.29.0",
            npm_package="com.github.asus4.onnxruntime@0.4.9",  # Microsoft's AAR, packed again by somebody else
            npm_sha512="BkzxduSZ9IkeDP6Q8lz2TFU2ie7hSSvS7ZIfzMooExoq0CNzJnuuGaUJ7IsojBgqO4ouD1jXah8OYyJbCN29Fg==",
            archive="package/Plugins/Android/onnxruntime.aar",
            member="jni/arm64-v8a/libonnxruntime.so",
            library_sha256="3a602b463d434d20fbf69cd1b8bdfd2f86a2cb67d08de97aec8f62476fa4ab87",
        ),
        runner="onnx_runner.c",
        refuse_unsafe=_read_onnx,
        has_levels=True,
        tells_version=True,
        account=Account(operator=10_260, input=1_745, size=322),  # within 1,400
    ),
}

KINDS: Mapping[str, Kind] = {
    "arm64": Kind("emulated device (arm64, qemu-user)", RUNTIMES),
    "android-library": Kind("Android library on an emulated core (arm64, qemu-user)", ANDROID),
    "android-library:xnnpack": Kind(
        "Android library with XNNPACK on an emulated core (arm64, qemu-user)", ANDROID, "XNNPACK"
    ),
}
