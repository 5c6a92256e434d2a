"""`cloformer prune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import UsageError, choose
from cloformer.io.output import say, say_json

from .completion import checkpoints
from .next_step import next_step
from .options import Debug, Json

if TYPE_CHECKING:
    from cloformer.checkpoint import Checkpoint
    from cloformer.model import CloFormer

    from ..reports.pruning.text import Figures

__all__ = ["prune"]

_ENDING = ".safetensors"


def _criteria() -> list[str]:
    from cloformer.pruning import CRITERIA

    return list(CRITERIA)


def prune(
    weights: Annotated[
        Path,
        typer.Option(
            help="A checkpoint of a built-in model, or fashion-mnist; one that is pruned already is pruned further.",
            autocompletion=checkpoints,
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="The smaller checkpoint, as small.safetensors.")] = None,
    share: Annotated[
        str, typer.Option(help="So much of the ConvFFNs' hidden channels goes, as 0.3 or 30%.")
    ] = "0",
    heads: Annotated[
        str, typer.Option(help="So much of the attention heads goes, local and global ones alike.")
    ] = "0",
    criterion: Annotated[
        str,
        typer.Option(
            help="distortion: what layers of one kind lose of their weights, compared over all blocks (DIMAP); magnitude: the "
            "sum of squared weights, and the same share of each layer.",
            autocompletion=_criteria,
        ),
    ] = "distortion",
    multiple_of: Annotated[
        int,
        typer.Option(
            min=1, help="The hidden channels that stay are a multiple of this, which processors like."
        ),
    ] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and write nothing.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Take hidden channels and attention heads out of a checkpoint: a smaller network, for `train` to fine-tune.

    Channels and heads that add nothing go always, and the outputs stay what they were; without a share nothing else goes.
    """
    shares = {"hidden": _share("--share", share)}
    shares |= dict.fromkeys(("local_heads", "global_heads"), _share("--heads", heads))
    if output is None and not dry_run:
        raise UsageError(
            "prune needs --output, or --dry-run",
            f"for example: cloformer prune --weights {weights} --share {share} --output small{_ENDING}",
        )
    if output is not None and output.suffix != _ENDING:
        raise UsageError(
            f"--output {output} does not end in {_ENDING}", f"for example --output {output.stem}{_ENDING}"
        )

    from cloformer.checkpoint import load_checkpoint, save_checkpoint
    from cloformer.pruning import CRITERIA, plan, pruned, pruned_metadata

    from ..reports.pruning import text

    choose("criterion", criterion, CRITERIA)
    model, checkpoint = load_checkpoint(weights)
    chosen = plan(model, shares, criterion, multiple_of)
    smaller = pruned(model, chosen)
    size = _image_size(model, checkpoint, weights)
    before, after = (_figures(each, size) for each in (model, smaller))
    if output is not None and not dry_run:
        save_checkpoint(smaller, output, pruned_metadata(checkpoint, smaller))
    if as_json:
        say_json({
            "weights": str(weights), "output": None if dry_run else str(output), "variant": model.variant.name,
            "criterion": criterion, "multiple_of": multiple_of, "image_size": list(size),
            "widths": smaller.widths.to_json(), **text.document(chosen, shares, before, after),
        })  # fmt: skip
        return
    say(*text.lines(chosen, shares, before, after, "x".join(map(str, size))))
    if output is not None and not dry_run:
        say(str(output))
        say(next_step("train", "--data", "FOLDER", "--weights", output, "--recipe", "finetune", "--output", "runs/small"))  # fmt: skip


def _share(option: str, text: str) -> float:
    from ..source.shares import parse_share

    share = parse_share(option, text, 0.3)
    if share == 1:
        raise UsageError(
            f"{option} {text} would leave nothing", f"{option} takes less than 100%, as 30%, or 0.3"
        )
    return share


def _image_size(model: CloFormer, checkpoint: Checkpoint, weights: Path) -> tuple[int, int]:
    """The size that the network was trained at, for what is counted."""
    from ..source.trained import training_of

    rule = training_of(checkpoint.metadata, weights).preprocessing
    return (model.variant.image_size,) * 2 if rule is None else (rule.height, rule.width)


def _figures(model: CloFormer, size: tuple[int, int]) -> Figures:
    from ..reports.pruning.text import Figures
    from ..source.counts import multiply_adds, parameter_count
    from ..source.signature import TensorSpec

    image = TensorSpec("image", (1, model.in_chans, *size), "float32", "image")
    return Figures(parameter_count(model), multiply_adds(model, [image]))
