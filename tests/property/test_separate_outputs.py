"""Every output is a value of its own."""

from proof import Lambda, prove
from torch import nn

from cloformer.export.passes.separate_outputs import SeparateOutputs


def test_law() -> None:
    """One value three times, an input, a constant."""

    def law(part: Lambda, x: object) -> tuple[object, ...]:
        y = part.layer(x)
        return y, y, x, part.layer.weight, y

    found = prove(Lambda(law, layer=nn.Linear(4, 4)), SeparateOutputs(), (2, 4), sites=4)
    assert found.count("expand") == 4


def test_left_alone() -> None:
    prove(Lambda(lambda _, x: (x + 1, x * 2)), SeparateOutputs(), (2, 4), sites=0)
