"""What a run prints of itself: a line per epoch in log.csv, and the same for TensorBoard where that is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError
from cloformer.io.read import read_text
from cloformer.io.write import write_whole

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Epoch", "Log", "open_log", "read_log"]

_FILE = "log.csv"
_MAX_BYTES = 2**26


@dataclass(frozen=True)
class Epoch:
    """One finished epoch; losses are means over images, ``top1`` and ``top5`` shares of the validation's images."""

    epoch: int
    step: int
    seconds: float
    learning_rate: float
    train_loss: float
    val_loss: float
    top1: float
    top5: float
    images_per_second: float

    def to_json(self) -> dict[str, object]:
        return asdict(self)


class Log:
    """Rows before ``first`` stay; later ones go, for a run that goes on writes them again."""

    def __init__(self, folder: Path, first: int) -> None:
        self.path = folder / _FILE
        self.rows = [row for row in read_log(folder) if row.epoch < first]
        self._board = _board(folder, first)

    def add(self, row: Epoch) -> None:
        """:class:`InputError` if the file cannot be written."""
        self.rows.append(row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(each.to_json() for each in self.rows)
        write_whole(self.path, text.getvalue(), "free some space, and go on with --resume")
        if self._board is not None:
            for name, value in row.to_json().items():
                if name not in ("epoch", "step"):
                    self._board.add_scalar(name, value, row.epoch)
            self._board.flush()

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


@contextmanager
def open_log(folder: Path, first: int) -> Iterator[Log]:
    """The log of a run that writes ``first`` and what comes after it."""
    log = Log(folder, first)
    try:
        yield log
    finally:
        log.close()


def read_log(folder: Path) -> list[Epoch]:
    """All rows; none if there is no log, or it is not one of ours."""
    try:
        rows = list(csv.DictReader(read_text(folder / _FILE, _MAX_BYTES, "-").splitlines()))
        return [_row(row) for row in rows]
    except (InputError, csv.Error, ValueError, KeyError, TypeError, OverflowError):
        return []


def _row(row: Mapping[str, str]) -> Epoch:
    numbers = {
        field.name: float(row[field.name]) for field in fields(Epoch) if field.name not in ("epoch", "step")
    }
    return Epoch(int(row["epoch"]), int(row["step"]), **numbers)


def _board(folder: Path, first: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first)
