"""The pages that are looked at, written by the command line as its users do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hostile_picture import hostile

from cloformer.export.artifact.folder import read_artifact, reports_folder
from cloformer.export.reports.view.page import picture_page
from cloformer.export.view.measured import PARITY, PROFILE, Report, beside
from cloformer.export.view.picture import draw

__all__ = ["NETWORKS", "CommandError", "Network", "cloformer", "hostile_page", "made"]


class CommandError(Exception):
    """A command failed; the message is what it said."""


@dataclass(frozen=True)
class Network:
    """``words`` are what `cloformer export` is given."""

    name: str
    words: tuple[str, ...]
    least: int  # operators, or it is another network than is meant


NETWORKS = (
    Network("CloFormer-XXS", ("--model", "cloformer_xxs"), 400),
    Network(
        "EfficientNet-Lite0",
        ("--model", "benchmarks.precisions:efficientnet_lite0", "--image-size", "224"),
        100,
    ),
    Network("1,500 operators", ("--model", "view_checks.networks:deep", "--image-size", "32"), 1500),
)


def cloformer(*words: str | Path) -> str:
    """What a command prints; :class:`CommandError` if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "cloformer", *map(str, words)], capture_output=True, text=True
    )
    if done.returncode:
        raise CommandError(f"cloformer {words[0]} ended with {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def made(network: Network, folder: Path) -> tuple[Path, Path]:
    """The artifact and its page, with errors and times; what is there from an earlier call stays."""
    output = folder / network.name.replace(" ", "-").replace(",", "")
    page = output.with_suffix(".html")
    if not page.exists():
        cloformer("export", *network.words, "--output", output, "--quiet")
        (artifact,) = (path.parent for path in output.glob("*/manifest.json"))
        reports = reports_folder(artifact)
        reports.mkdir(exist_ok=True)
        (reports / PARITY.file).write_text(cloformer("parity", artifact, *_same(network), "--json"))
        (reports / PROFILE.file).write_text(cloformer("profile", artifact, "--runs", "10", "--json"))
        cloformer("view", artifact, "--html", page)
    (artifact,) = (path.parent for path in output.glob("*/manifest.json"))
    return artifact, page


def _same(network: Network) -> Sequence[str]:
    """Parity is told the model that is no built-in one."""
    return network.words[:2] if ":" in network.words[1] else ()


def hostile_page(artifact: Path) -> str:
    """The artifact's page with names that try to break out of it wherever a name from outside stands."""
    found = read_artifact(artifact)
    errors, times = beside(PARITY, found), beside(PROFILE, found)
    assert isinstance(errors, Report) and isinstance(times, Report), "the reports are beside it"
    return picture_page(hostile(draw(found, errors, times)), [])
