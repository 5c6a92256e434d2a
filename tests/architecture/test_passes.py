"""Every pass that a format's list has stands in the README's table of laws."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloformer.export.formats import FORMATS
from cloformer.export.passes import Setting
from cloformer.export.source.signature import Signature

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
LAWS = README.partition("| pass | law |")[2].partition("\n\n")[0]


@pytest.mark.parametrize("name", FORMATS)
def test_the_readme_has_its_law(name: str) -> None:
    row = FORMATS[name]
    setting = Setting(Signature((), ()), is_classifier=True)
    passes = [item for kind in row.precisions.values() for item in row.passes(setting, kind)]
    missing = {
        item.name.partition("[")[0] for item in passes if f"`{item.name.partition('[')[0]}`" not in LAWS
    }
    assert passes and not missing
