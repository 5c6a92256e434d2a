"""What is checked, in the order in which it is built."""

from __future__ import annotations

from .answers import classifies, classifies_anywhere
from .appearance import is_accessible, works_by_keyboard
from .conformance import conforms, conforms_on_webgpu, notices_mistakes
from .dense import sees
from .device_reports import judges_reports
from .equality import preprocesses
from .laws import holds_laws
from .names import keeps_names_text
from .offline import refuses_changes, takes_new_versions, works_offline
from .privacy import asks_nobody
from .sources import bundles, type_checks

__all__ = ["CHECKS", "NEEDED"]

CHECKS = [
    type_checks, bundles, preprocesses, holds_laws, classifies, classifies_anywhere, conforms, conforms_on_webgpu, notices_mistakes, judges_reports,
    sees, asks_nobody, works_offline, takes_new_versions, refuses_changes, keeps_names_text, is_accessible, works_by_keyboard,
]  # fmt: skip
NEEDED = [bundles]  # without which there is nothing to check
