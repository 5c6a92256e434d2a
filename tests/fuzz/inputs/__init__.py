"""The classes of inputs: a row each, a file each."""

from __future__ import annotations

from ..case import InputClass
from .checkpoints import CHECKPOINTS
from .data_sets import DATA_SETS
from .images import IMAGES
from .kinds import KINDS
from .labels import LABELS
from .litert_files import LITERT_FILES
from .manifest import MANIFESTS
from .names import NAMED
from .onnx_files import ONNX_FILES
from .options import OPTIONS
from .packages import PACKAGES
from .precision_maps import PRECISION_MAPS
from .program_files import PROGRAM_FILES
from .projects import BUNDLES, HUB_FOLDERS
from .reports import BASELINES, DEVICE_REPORTS, FIGURES, INSTRUCTIONS
from .specs import SPECS
from .vectors import CONFORMANCE, KITS, ORIGINS

__all__ = ["CLASSES", "OF_EXTRAS"]

CLASSES: tuple[InputClass, ...] = (
    MANIFESTS,
    ONNX_FILES,
    PACKAGES,
    CONFORMANCE,
    KITS,
    ORIGINS,
    CHECKPOINTS,
    LABELS,
    SPECS,
    PRECISION_MAPS,
    OPTIONS,
    DEVICE_REPORTS,
    FIGURES,
    BASELINES,
    INSTRUCTIONS,
    DATA_SETS,
    IMAGES,
    HUB_FOLDERS,
    BUNDLES,
    NAMED,
    KINDS,
)
# Of formats whose packages are an extra.
OF_EXTRAS: tuple[InputClass, ...] = (LITERT_FILES, PROGRAM_FILES)
