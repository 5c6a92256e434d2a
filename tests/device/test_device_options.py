"""What ``--device`` refuses, before anything is emulated; quick, with nothing installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from outcome import Command

from cloformer.errors import MissingRuntimeError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.device.arm64 import Arm64Device
from cloformer.export.device.instructions import InstructionCounts, subject_of
from cloformer.export.device.runtime import ANDROID, RUNTIMES
from cloformer.export.device.sources import AndroidArchive, Wheel
from cloformer.export.device.toolchain import find_toolchain

CATALOG = Path(__file__).parent.parent.parent / "deploy/android/gradle/libs.versions.toml"
ENVIRONMENT = {
    "device": "emulated device (arm64, qemu-user)",
    "qemu": "7.2.22",
    "processor": "cortex-a76",
    "onnxruntime": RUNTIMES["onnx"].version,
    "libc": "2.36",
    "threads": "1",
    "optimization": "all",
}


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No program is found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pretended(nothing_installed: None, tmp_path: Path) -> Path:
    """A folder with programs that tell their versions, and do nothing else: QEMU takes no plugins there."""
    for name, text in {
        "ld-linux-aarch64.so.1": "",
        "libstdc++.so.6": "",
        "libc.so.6": "\nGNU C Library (Debian GLIBC 2.36-8) stable release version 2.36.\n",
        "gcc": "#!/bin/sh\n",
        "qemu-aarch64": '#!/bin/sh\necho "$0 version 10.0.2 (Debian 1:10.0.2)"\n[ "$1" = --version ]\n',
        "aarch64-linux-gnu-gcc": (
            '#!/bin/sh\ncase "$1" in\n'
            f'-print-file-name=*) echo "{tmp_path}/${{1#*=}}";;\n'
            '*) echo "onnx_runner.c:1: error: nothing is compiled here" >&2; exit 1;;\nesac\n'
        ),
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def saved(folder: Path, **changed: Any) -> Path:
    """A baseline's file, with what is changed in it."""
    work = InstructionCounts("small", "0" * 64, {"a": 1000, "b": 2000}, {"model": "small"}, ENVIRONMENT)
    path = folder / "baseline.json"
    path.write_text(json.dumps(work.to_json() | changed), "utf-8")
    return path


def test_what_is_missing_is_named_with_how_to_install_it(
    command: Command, small: Path, nothing_installed: None
) -> None:
    done = command("parity", small, "--device", "arm64")
    assert done.code == 5
    first, *rest = done.err.splitlines()
    for name in ("qemu-aarch64", "aarch64-linux-gnu-gcc", "gcc"):
        assert name in first
    assert [line.strip() for line in rest] == ["apt-get install qemu-user gcc g++-aarch64-linux-gnu"]


def test_one_that_is_missing_is_named_alone(
    command: Command, small: Path, nothing_installed: None, tmp_path: Path
) -> None:
    for name in ("aarch64-linux-gnu-gcc", "gcc"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    done = command("parity", small, "--device", "arm64")
    assert done.code == 5 and done.err.splitlines()[0] == "error: an emulated device needs qemu-aarch64"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "amr64"), "Did you mean arm64?"),
        (("--device", "adb"), "`cloformer bench`"),
        (("--device", "adb:emulator-5554"), "`cloformer bench`"),
        (("--max-instructions", "5"), "add --device arm64"),
        (("--baseline", "b.json"), "add --device arm64"),
        (("--save-baseline", "b.json"), "add --device arm64"),
        (("--device", "arm64", "--max-regression", "1%"), "add --baseline"),
        (("--device", "arm64", "--runner", "onnxruntime"), "--runner"),
        (("--device", "arm64", "--bisect"), "--bisect"),
        (("--device", "arm64", "--headroom"), "--headroom"),
    ],
)
def test_options_that_contradict_one_another(
    command: Command, small: Path, nothing_installed: None, options: tuple[str, ...], said: str
) -> None:
    done = command("parity", small, *options)
    assert done.code == 2, done.err
    assert said in done.err and len(done.err.splitlines()) <= 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "amr64"), "Did you mean arm64?"),
        (("--device", "adb"), "`cloformer bench`"),
        (("--device", "android-library:nnapi"), "android-library:xnnpack"),
        (("--device", "arm64", "--threads", "2"), "--threads is not there with --device"),
        (("--device", "arm64", "--runs", "5"), "--runs"),
        (("--device", "arm64", "--no-layout"), "--no-layout"),
        (("--device", "arm64", "--plots", "plots"), "--plots"),
    ],
)
def test_what_a_counted_profile_does_not_have(
    command: Command, small: Path, nothing_installed: None, options: tuple[str, ...], said: str
) -> None:
    done = command("profile", small, *options)
    assert done.code == 2, done.err
    assert said in done.err and len(done.err.splitlines()) <= 3


def test_a_profile_without_the_programs(command: Command, small: Path, pretended: Path) -> None:
    done = command("profile", small, "--device", "arm64")
    assert done.code == 5 and "takes no plugins" in done.err and len(done.err.splitlines()) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "another"},
        {"schema_version": 2},
        {"instructions": {}},
        {"instructions": {"a": 0}},
        {"instructions": {"a": True}},
        {"instructions": {"a": 1.5}},
        {"instructions": [1]},
        {"environment": {"qemu": 7}},
        {"subject": None},
        {"manifest_sha256": None},
    ],
    ids=str,
)
def test_what_is_no_baseline(
    command: Command, small: Path, nothing_installed: None, tmp_path: Path, changed: dict[str, Any]
) -> None:
    done = command("parity", small, "--device", "arm64", "--baseline", saved(tmp_path, **changed))
    assert done.code == 3 and "is no baseline of instructions" in done.err


def test_a_baseline_that_is_not_there(command: Command, small: Path, tmp_path: Path) -> None:
    done = command("parity", small, "--device", "arm64", "--baseline", tmp_path / "none.json")
    assert done.code == 3 and "there is no file" in done.err
    (tmp_path / "text.json").write_text("[[[")
    done = command("parity", small, "--device", "arm64", "--baseline", tmp_path / "text.json")
    assert done.code == 3 and "is not JSON" in done.err


def test_what_is_installed_is_found_with_its_versions(pretended: Path) -> None:
    found = find_toolchain()
    assert (found.emulator_version, found.libc_version, found.takes_plugins) == ("10.0.2", "2.36", False)
    assert found.libraries == pretended
    (pretended / "libstdc++.so.6").unlink()
    with pytest.raises(MissingRuntimeError, match="without arm64's C and C"):
        find_toolchain()


def test_an_emulator_that_cannot_count(command: Command, small: Path, pretended: Path) -> None:
    for options in (("--max-instructions", "5"), ("--save-baseline", str(pretended / "new.json"))):
        done = command("parity", small, "--device", "arm64", *options)
        assert done.code == 5 and "takes no plugins" in done.err and len(done.err.splitlines()) == 3
    assert not (pretended / "new.json").exists()


def test_a_compiler_that_fails(command: Command, small: Path, pretended: Path) -> None:
    done = command("parity", small, "--device", "arm64", "--json")
    assert done.code == 5 and "error: nothing is compiled here" in done.err
    left = [path for path in (pretended / "cache").rglob("*") if path.name.startswith(".new-")]
    assert not left


def test_a_baseline_from_elsewhere_is_refused_before_anything_runs(
    command: Command, small: Path, pretended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Arm64Device, "counts", True)
    subject = subject_of(read_artifact(small))
    for changed, field in (
        ({"subject": subject}, "environment: qemu was '7.2.22', and here it is '10.0.2'"),
        ({"subject": subject | {"precision": "fp16"}}, "model: precision was 'fp16'"),
    ):
        done = command("parity", small, "--device", "arm64", "--baseline", saved(pretended, **changed))
        assert done.code == 4 and field in done.err and "--save-baseline FILE" in done.err, done.err


def test_two_artifacts_have_no_baseline(
    command: Command, small: Path, pretended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Arm64Device, "counts", True)
    new = ("--save-baseline", pretended / "new.json")
    done = command("parity", small, small, "--device", "arm64", *new)
    assert done.code == 2 and "a baseline is of one artifact" in done.err
    (pretended / "new.json").write_text("")
    done = command("parity", small, "--device", "arm64", *new)
    assert done.code == 3 and "is there already" in done.err


@pytest.mark.parametrize("format", RUNTIMES)
def test_a_library_that_cannot_be_had_or_is_another(
    monkeypatch: pytest.MonkeyPatch, pretended: Path, format: str
) -> None:
    wheel = RUNTIMES[format].source
    assert isinstance(wheel, Wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    _cannot_be_had(wheel, "could not be downloaded: ERROR")


def test_androids_library_that_cannot_be_had_or_is_another(
    monkeypatch: pytest.MonkeyPatch, pretended: Path
) -> None:
    archive = ANDROID["onnx"].source
    assert isinstance(archive, AndroidArchive)
    with pytest.raises(MissingRuntimeError, match="npm, which is not there") as caught:
        archive.library(find_toolchain())
    assert str(archive.place) in caught.value.lines[2]
    npm = pretended / "npm"
    npm.write_text('#!/bin/sh\n[ "$1" = pack ] && echo "npm error code E404" >&2\nexit 1\n')
    npm.chmod(0o755)
    _cannot_be_had(archive, "could not be downloaded: npm error code E404")
    shutil.rmtree(archive.place)
    npm.write_text('#!/bin/sh\n: > "$4/package.tgz"\n')
    with pytest.raises(MissingRuntimeError, match="is not the package that is pinned"):
        archive.library(find_toolchain())
    assert not archive.place.exists()


def test_androids_library_is_the_apps() -> None:
    assert f'onnxruntime = "{ANDROID["onnx"].version}"' in CATALOG.read_text("utf-8")


def _cannot_be_had(source: Wheel | AndroidArchive, why: str) -> None:
    with pytest.raises(MissingRuntimeError, match=why) as caught:
        source.library(find_toolchain())
    assert "where it can be downloaded" in caught.value.lines[1]
    assert not source.place.exists()
    source.place.mkdir(parents=True)
    (source.place / Path(source.member).name).write_bytes(b"another")
    with pytest.raises(MissingRuntimeError, match="its hash is another") as caught:
        source.library(find_toolchain())
    assert str(source.place) in caught.value.lines[1]
