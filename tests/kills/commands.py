"""The commands that are killed: what stands there before, what is run, and what must be true afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COMMANDS", "Command", "tree"]

_DATA = Path(__file__).parent.parent / "data"
_KEPT = _DATA / "artifacts" / "v2"
_ENDS = (b"</html>", b"IEND\xaeB`\x82")  # of a page, and of a PNG
_OURS = ".cloformer"  # what our unfinished files and folders begin with


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash; a link with where it leads."""
    return {
        path.relative_to(folder).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def finished(folder: Path) -> dict[str, str]:
    """The same without what an unfinished run may have left, which its next run removes."""
    return {name: digest for name, digest in tree(folder).items() if _OURS not in name}


class Command(ABC):
    """``steps`` is how many places it is killed at; None: at every one. It works below one folder alone."""

    name: str
    steps: int | None = None
    each_by_itself = False  # whether some of its files may be new and others old
    begins_anew = (
        True  # False: the next run, killed or not, finds what the killed one left, and is what cleans up
    )

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """What stands there before."""

    @abstractmethod
    def arguments(self, folder: Path) -> Sequence[str | Path]:
        """What is run."""

    def is_sound(self, folder: Path, before: dict[str, str], after: dict[str, str]) -> bool:
        """Whether all is as it was, or all is as it is to be; ``after`` is what a run that nobody kills leaves."""
        now = finished(folder)
        return now in (before, after)


@dataclass(frozen=True)
class Export(Command):
    """A second export over an artifact, which differs in nothing but what is in it."""

    format: str
    name: str
    steps: int | None = 30
    begins_anew = False

    def prepare(self, folder: Path) -> None:
        (folder / "labels.txt").write_text("a\nb\nc\n")
        place = folder / "out" / f"tiny.net-{self.format}-16-{'fp32' if self.format == 'onnx' else 'fp16'}"
        shutil.copytree(_KEPT / self.format, place)

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        return (
            "export", "--model", "tiny:net", "--image-size", "16", "--format", self.format, "--output", folder / "out",
        )  # fmt: skip


@dataclass(frozen=True)
class BundleAgain(Command):
    """``bundle --force`` over an app that the user has worked in."""

    system: str
    name: str
    steps: int | None = 64

    @property
    def _artifact(self) -> Path:
        from cloformer.export.bundle.runtimes import runtimes_of
        from cloformer.export.bundle.systems import SYSTEMS

        return _KEPT / runtimes_of(SYSTEMS[self.system])[0].format

    def prepare(self, folder: Path) -> None:
        from cloformer.export.artifact.folder import read_artifact
        from cloformer.export.bundle.project import bundle
        from cloformer.export.bundle.systems import SYSTEMS

        row = SYSTEMS[self.system]
        bundle(row, read_artifact(self._artifact), folder / "app", row.default)
        (folder / "app" / "mine").mkdir()
        (folder / "app" / "mine" / "notes.txt").write_text("mine")
        (folder / "app" / "README.md").write_text("my own words")

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        return (
            "bundle", self.system, self._artifact, "--output", folder / "app", "--force",
            "--app-name", "Later",
        )  # fmt: skip


@dataclass(frozen=True)
class Hub(Command):
    """A folder for the Hugging Face Hub."""

    name: str = "hub"

    def prepare(self, folder: Path) -> None:
        (folder / "beside.txt").write_text("of the user's")

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        return "hub", "fashion-mnist", "--output", folder / "hub"


@dataclass(frozen=True)
class Report(Command):
    """Reports over earlier ones: JUnit XML and a page. Each is whole by itself."""

    name: str = "report"

    def prepare(self, folder: Path) -> None:
        (folder / "report.xml").write_text("<old/>")
        (folder / "report.html").write_text("<p>old")

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        return (
            "parity", _KEPT / "onnx", "--junit", folder / "report.xml", "--html", folder / "report.html",
        )  # fmt: skip

    def is_sound(self, folder: Path, before: dict[str, str], after: dict[str, str]) -> bool:
        """Old or new, file by file: times and versions do not stand in them."""
        now = finished(folder)
        return now.keys() == before.keys() and all(
            now[name] == before[name] or (folder / name).read_text().rstrip().endswith(end)
            for name, end in (("report.xml", "</testsuites>"), ("report.html", "</html>"))
        )


@dataclass(frozen=True)
class ImportReport(Command):
    """A device's report, kept beside its artifact."""

    name: str = "import"

    def prepare(self, folder: Path) -> None:
        from device_reports import device_report

        shutil.copytree(_KEPT / "onnx", folder / "artifact")
        report = device_report(folder / "artifact")
        (folder / "device-report.json").write_text(json.dumps(report))

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        return "import-device-report", folder / "device-report.json", "--artifact", folder / "artifact"


@dataclass(frozen=True)
class Prune(Command):
    """A smaller checkpoint over an earlier one."""

    name: str = "prune"

    def prepare(self, folder: Path) -> None:
        (folder / "small.safetensors").write_bytes(b"an earlier one")

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        return (
            "prune",
            "--weights",
            "fashion-mnist",
            "--share",
            "0.3",
            "--output",
            folder / "small.safetensors",
        )


@dataclass(frozen=True)
class Pareto(Command):
    """A page and plots of artifacts side by side, over earlier ones. Each is whole by itself."""

    name: str = "pareto"
    each_by_itself = True

    def prepare(self, folder: Path) -> None:
        from evaluations import evaluation, report_of

        (folder / "pareto.html").write_text("<p>old")
        (folder / "plots").mkdir()
        (folder / "plots" / "mine.txt").write_text("of the user's")
        judged = (
            evaluation(hashlib.sha256((_KEPT / name / "manifest.json").read_bytes()).hexdigest())
            for name in ("onnx", "coreml")
        )
        (folder / "evaluation.json").write_text(json.dumps(report_of(*judged).to_json()))

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        return (
            "pareto", _KEPT / "onnx", _KEPT / "coreml", "--report", folder / "evaluation.json",
            "--html", folder / "pareto.html", "--plots", folder / "plots",
        )  # fmt: skip

    def is_sound(self, folder: Path, before: dict[str, str], after: dict[str, str]) -> bool:
        """Nothing is gone, and every file is the old, or a new one to its end: where a report was read from stands in them."""
        now = finished(folder)
        return before.keys() <= now.keys() and all(
            digest == before.get(name) or (folder / name).read_bytes().rstrip().endswith(_ENDS)
            for name, digest in now.items()
        )


@dataclass(frozen=True)
class Train(Command):
    """A short run, and the same run gone on with: the last weights are those of a run that nobody killed."""

    name: str = "train"
    steps: int | None = 20
    begins_anew = False

    def prepare(self, folder: Path) -> None:
        from digits import write_digits

        write_digits(folder / "digits.npz", train=96, val=40)

    def arguments(self, folder: Path) -> Sequence[str | Path]:
        output = folder / "run"
        if (output / "run.json").exists():
            return "train", "--data", folder / "digits.npz", "--output", output, "--resume"
        settings = ("image_size=32", "resize_size=32", "batch_size=32", "epochs=2", "flip=0", "ema=0.9")
        asked = [part for setting in settings for part in ("--set", setting)]
        return "train", "--data", folder / "digits.npz", "--output", output, "--recipe", "quick", *asked

    def is_sound(self, folder: Path, before: dict[str, str], after: dict[str, str]) -> bool:
        """What there is of weights is whole, and of states at least one once there are weights."""
        from safetensors.torch import load_file

        from cloformer.training.state import Slots

        run = folder / "run"
        weights = [path for path in (run / "best.safetensors", run / "last.safetensors") if path.exists()]
        assert all(load_file(path) for path in weights)
        return not weights or Slots(run).load() is not None


COMMANDS: tuple[Command, ...] = (
    Export("onnx", "export onnx"),
    Export("coreml", "export coreml"),
    BundleAgain("android", "bundle android --force"),
    BundleAgain("ios", "bundle ios --force"),
    Hub(),
    Report(),
    ImportReport(),
    Prune(),
    Pareto(),
    Train(),
)

os.environ.setdefault("OMP_NUM_THREADS", "1")
