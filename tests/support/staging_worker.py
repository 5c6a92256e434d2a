"""Replaces an artifact again and again, until it is killed: ``staging_worker.py DESTINATION exchange|journal``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cloformer.io import staging as store


def main(destination: Path, how: str) -> None:
    if how == "journal":
        store._exchange = lambda first, second: False  # as on a filesystem without an exchange
    generation = 0
    while True:
        generation += 1
        with store.staged(destination) as staging:
            for name in ("manifest.json", "a.bin", "folder/b.bin"):
                path = staging / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(generation) * (1 if name.endswith("json") else 1000))
        print(generation, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
