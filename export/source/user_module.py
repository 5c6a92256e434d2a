"""A module of the user's, named as package.module:factory."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError, UsageError
from cloformer.io.words import reason_of

if TYPE_CHECKING:
    from torch import nn


def user_module(reference: str, option: str = "--model", seed: int = 0) -> nn.Module:
    """What ``package.module:factory`` makes, with ``seed`` for its random weights.

    Raises :class:`UsageError` if there is no such factory, :class:`InputError` if it fails; both name ``option``.
    """
    import torch
    from torch import nn

    module_name, _, attribute = reference.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # at the end: nothing of the user's replaces what is installed
    try:
        factory = importlib.import_module(module_name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{option} {reference}: there is no module {error.name!r}",
            "give package.module:factory, importable from the current folder",
        ) from error
    except AttributeError as error:
        raise UsageError(f"{option} {reference}: {error}", "give package.module:factory") from error
    except Exception as error:  # a user's factory raises what it likes
        raise InputError(
            f"{option} {reference} failed: {type(error).__name__}: {reason_of(error)}",
            "call the factory in Python to see where (--debug shows the traceback)",
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{option} {reference} gave a {type(model).__name__}, not a torch.nn.Module",
            "name a factory that returns the module, or the module itself",
        )
    return model
