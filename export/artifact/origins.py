"""Where the values of a written model come from: ``origins.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloformer.errors import InputError

from ..formats.runners import Array
from .folder import ORIGINS, Artifact

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Origins:
    """What ``origins.json`` says: the node each value equals, and how many values each node became."""

    equals: Mapping[str, str]  # value of the file by node
    steps: Mapping[str, int]  # values of the file that carry a node
    places: Mapping[str, Mapping[str, str]]  # node, module and location by value of the file

    def candidate(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The values of a run, by node; those that the run did not give are left out."""
        return {node: values[value] for node, value in self.equals.items() if value in values}


def read_origins(artifact: Artifact) -> Origins:
    """The artifact's origins; :class:`InputError` if they are not there or damaged."""
    path = artifact.folder / ORIGINS
    try:
        content = json.loads(path.read_bytes())
        entries, nodes = content["values"], content["nodes"]
        equals = {entry["equals"]: str(entry["value"]) for entry in entries if entry["equals"] is not None}
        steps: dict[str, int] = {}
        places: dict[str, dict[str, str]] = {}
        for entry in entries:
            for node in entry["nodes"]:
                steps[str(node)] = steps.get(str(node), 0) + 1
            if entry["nodes"]:
                last = entry["nodes"][-1]
                place = nodes[last]
                places[str(entry["value"])] = {
                    "node": str(last),
                    "module": str(place["module"]),
                    "location": str(place["location"]),
                }
    except FileNotFoundError:
        raise InputError(
            f"{artifact.folder} does not say where its values come from",
            "export it again with this cloformer",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", "export it again") from None
    return Origins(equals, steps, places)
