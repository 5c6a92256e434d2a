"""Networks that meet a published cliff of the Neural Engine: wide arithmetic finds nothing, the engine's names the operator and
the cliff, and headroom foresees it."""

from __future__ import annotations

from pathlib import Path

import cliff_networks
import numpy as np
import pytest
from cliff_networks import IMAGE_SIZE, MET
from outcome import Command
from shared import Exports

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats.coreml import cliffs
from cloformer.export.formats.coreml.reference_runner import ReferenceMilRunner
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.parity.headroom import Headroom, measure_headroom
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.reference.cases import Inputs, noise_case

GAINS = (1.0, 4.0)
ZEROS = ("softplus", "log_sum_exp", "flat_product")  # the three that are published as what users met


def exported_network(exported: Exports, name: str) -> Artifact:
    request = {"formats": ("coreml",), "image_size": IMAGE_SIZE}
    return read_artifact(exported(model=f"cliff_networks:{name}", **request)["coreml"])


def compared(artifact: Artifact, name: str, arithmetic: str) -> ParityReport:
    options = RunnerOptions(arithmetic=arithmetic)
    return compare(artifact, ParityRequest(model=f"cliff_networks:{name}", options=options))


def foreseen(artifact: Artifact) -> Headroom:
    return measure_headroom(artifact, [noise_case(Inputs.of(artifact.function))], GAINS)
