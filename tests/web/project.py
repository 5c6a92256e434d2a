"""What the checks make for one another."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from browser import Remote
from checklist import run
from dense_exports import NETWORKS, export_network

from cloformer.export.reference.cases import PHOTOGRAPH

from .pictures import photographs

__all__ = ["CLOFORMER", "REPOSITORY", "Project"]

REPOSITORY = Path(__file__).parents[2]
CLOFORMER = (sys.executable, "-m", "cloformer")


@dataclass
class Project:
    """Everything lies below ``work``. ``hosted`` is the folder that a file host shows, with a bundle in a folder of its own for each
    case. ``screenshots`` is where they are written, if anywhere."""

    work: Path
    artifact: Path | None
    screenshots: Path | None = None

    @cached_property
    def exported(self) -> Path:
        """The checkpoint in the box, or a copy of what was given: reports are kept beside it."""
        if self.artifact is not None:
            return Path(shutil.copytree(self.artifact, self.work / self.artifact.name))
        run(
            *CLOFORMER,
            "export",
            "--weights",
            "fashion-mnist",
            "--format",
            "onnx",
            "--output",
            self.work / "export",
        )
        (folder,) = (path.parent for path in (self.work / "export").glob("*/manifest.json"))
        return folder

    @cached_property
    def bundle(self) -> Path:
        """The page as a user has it."""
        return self.bundled("sound", self.exported)

    def bundled(self, name: str, artifact: Path) -> Path:
        """The bundle of an artifact, among those that are hosted."""
        folder = self.hosted / name
        run(*CLOFORMER, "bundle", "web", artifact, "--output", folder)
        return folder

    @property
    def hosted(self) -> Path:
        folder = self.work / "hosted"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def photographs(self) -> list[Path]:
        """In several forms."""
        return photographs(self.work / "photographs")

    @property
    def photograph(self) -> Path:
        """The one that comes with the package."""
        return next(path for path in self.photographs if path.name == PHOTOGRAPH.name)

    @cached_property
    def dense(self) -> dict[str, Path]:
        """Artifacts of networks that give boxes, maps, points and pictures."""
        return {name: export_network(name, self.work / "dense" / name) for name in NETWORKS}

    def take_screenshot(self, page: Remote, name: str) -> None:
        """Of the whole page, where they are wanted."""
        if self.screenshots is not None:
            self.screenshots.mkdir(parents=True, exist_ok=True)
            page.screenshot({"path": self.screenshots.absolute() / f"{name}.png", "fullPage": True})
