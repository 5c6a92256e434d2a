"""How much a model may compute in one inference, where its content is not trusted: a small file can ask for work without
end. Counted are multiply-adds, and ten for every element
that any operator gives, which is about what it costs beside them."""

from __future__ import annotations

from cloformer.errors import InputError

__all__ = ["MOST_WORK", "OF_AN_ELEMENT", "EndlessWorkError", "WorkMeter"]

# A thousand times CloFormer-S, five times the largest detectors: half a minute on one core.
MOST_WORK = 10**12
OF_AN_ELEMENT = 10


class EndlessWorkError(InputError):
    """A model that computes more for one inference than it may."""


class WorkMeter:
    """Adds up an inference's work. ``most`` is the limit; None: there is none."""

    def __init__(self, name: str, most: int | None) -> None:
        self._name, self._most, self._total = name, most, 0

    def start(self) -> None:
        """Another inference begins."""
        self._total = 0

    def add(self, amount: int) -> None:
        """:class:`InputError` if it is too much, before it is computed."""
        self._total += amount
        if self._most is not None and self._total > self._most:
            raise EndlessWorkError(
                f"{self._name} computes more than {self._most:.0e} multiply-adds for one inference",
                "if that is meant, raise the limit with --max-work",
            )
