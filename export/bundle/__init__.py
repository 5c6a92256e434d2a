"""App projects that carry a model: `cloformer bundle`, and what devices report back."""

from __future__ import annotations

from .project import Bundled, bundle, verify_bundle
from .settings import Settings
from .systems import SYSTEMS, System

__all__ = ["SYSTEMS", "Bundled", "Settings", "System", "bundle", "verify_bundle"]
