"""`cloformer serve`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from cloformer.errors import InputError
from cloformer.io.output import say, say_json
from cloformer.io.signals import CODES, Terminated

from .options import Debug, Json

__all__ = ["serve"]

_PORT = 8000


def serve(
    folder: Annotated[Path, typer.Argument(help="A web bundle, as `cloformer bundle web` wrote it.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")
    ] = _PORT,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a web bundle to the browsers of this machine, until Ctrl-C. Nothing else can reach it: it listens on 127.0.0.1.

    Before that the model, its conformance kit and the runtime are held to their hashes.
    """
    from ..bundle.project import verify_bundle
    from ..bundle.served import PageServer
    from ..reports.bundle import text as bundled

    record, edited = verify_bundle(folder)
    if record["system"] != "web":
        raise InputError(
            f"{folder} is a project for {record['system']}, and `serve` shows pages",
            f"cloformer bundle web ARTIFACT --output {folder.with_name('web')}",
        )
    with PageServer(folder.absolute(), port) as server:
        if as_json:
            said = {"address": server.address, "folder": str(folder), "artifact": record["artifact"]}
            say_json({**said, "edited": edited})
        else:
            say(*bundled.served(folder, record, edited, server.address, server.server_port))
        try:
            server.serve_forever()
        except (KeyboardInterrupt, Terminated) as stopped:
            # As it is meant to end: there is nothing more to say.
            number = signal.SIGINT if isinstance(stopped, KeyboardInterrupt) else signal.SIGTERM
            raise SystemExit(CODES[number]) from None
