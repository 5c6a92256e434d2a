"""Which networks of timm are in the zoo, by rule: of every file of ``timm/models`` the model with the fewest parameters that
torch can trace, at the smallest image that it takes.

::

    PYTHONPATH=tests:tests/support python -m zoo.timm_rows

tries every model and writes ``timm_rows.json`` beside this file, which is the list; it goes on where it was stopped.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from .stand_in import put_in_place

__all__ = ["LIST", "TimmRow", "listed", "made"]

LIST = Path(__file__).with_suffix(".json")
SIZES = (
    32,
    64,
    96,
    128,
    160,
    192,
    224,
    256,
    288,
    320,
    384,
    448,
    512,
)  # pixels a side, the first that the model runs at
CLASSES = 10


@dataclass(frozen=True)
class TimmRow:
    """``file`` is timm's, without its ending; ``takes_size`` whether the factory is told the size; ``failure`` why there is
    no model of the file, with an empty name."""

    name: str
    file: str = ""
    parameters: int = 0
    size: int = 0
    takes_size: bool = False
    failure: str = ""


def listed() -> list[TimmRow]:
    """The list, as it was written."""
    return [TimmRow(**row) for row in json.loads(LIST.read_text("utf-8"))] if LIST.exists() else []


def made(row: TimmRow) -> nn.Module:
    """The network with timm's initial weights."""
    put_in_place()
    import timm

    size = {"img_size": row.size} if row.takes_size else {}
    model: nn.Module = timm.create_model(row.name, pretrained=False, num_classes=CLASSES, **size)
    return model.eval()


def _found(file: str, names: list[str]) -> TimmRow:
    """The smallest model that runs and can be traced."""
    failure = ""
    for parameters, name in sorted(_counted(names)):
        row = next(_running(file, name, parameters), None)
        why = f"runs at no size up to {SIZES[-1]}" if row is None else _why_not_traced(row)
        if row is not None and why is None:
            return row
        failure = failure or f"{name} {why}"
    return TimmRow("", file, failure=failure)


def _why_not_traced(row: TimmRow) -> str | None:
    try:
        torch.export.export(made(row), (torch.randn(1, 3, row.size, row.size),), strict=False)
    except Exception as error:  # torch raises what it likes
        return f"cannot be traced: {type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return None


def _counted(names: list[str]) -> Iterator[tuple[int, str]]:
    import timm

    for name in names:
        with torch.device("meta"):
            try:
                model = timm.create_model(name, pretrained=False, num_classes=CLASSES)
            except Exception as error:  # what cannot be made without numbers is counted with them
                print(f"  {name} on no device: {type(error).__name__}", file=sys.stderr)
                model = None
        if model is None:
            model = timm.create_model(name, pretrained=False, num_classes=CLASSES)
        yield sum(value.numel() for value in model.parameters()), name


def _running(file: str, name: str, parameters: int) -> Iterator[TimmRow]:
    """The sizes at which it runs, each told to the factory if that takes it."""
    for size in SIZES:
        for takes_size in (True, False):
            row = TimmRow(name, file, parameters, size, takes_size)
            # On no device first, which takes no time; what cannot run there may run here.
            if _runs(row, "meta") or (size == SIZES[-1] and _runs(row, "cpu")):
                yield row


@torch.no_grad()
def _runs(row: TimmRow, device: str) -> bool:
    try:
        with torch.device(device):
            made(row)(torch.zeros(1, 3, row.size, row.size))
    except Exception:  # timm's modules raise what they like, and that one does not run is the answer
        return False
    return True


def main() -> int:
    torch.set_num_threads(1)
    put_in_place()
    import timm
    import timm.models

    folder = Path(timm.models.__file__).parent
    files = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    rows = {row.file: row for row in listed()}
    for file in files:
        names = timm.list_models(module=file)
        if names and file not in rows:
            rows[file] = _found(file, names)
            print(rows[file], flush=True)
            LIST.write_text(json.dumps([asdict(rows[key]) for key in sorted(rows)], indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
