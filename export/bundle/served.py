"""A page that was bundled, served on this machine's loopback address and nowhere else.

With the headers that isolate a page, which is what WebAssembly needs for several threads. Only what lies in the folder is served, to
whoever calls it by its own name: a name of somebody else's that leads here is refused, for a page of theirs could read the answers
otherwise (DNS rebinding).
"""

from __future__ import annotations

import os
import shutil
import socketserver
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from cloformer.errors import InputError
from cloformer.io.output import tell
from cloformer.io.read import opened_below
from cloformer.io.words import reason_of

__all__ = ["ADDRESS", "HEADERS", "PageServer"]

ADDRESS = "127.0.0.1"
_NAMES = (ADDRESS, "localhost")
_START = "index.html"
_SECONDS = 30.0  # that a client may say nothing

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    # As its pages and its service worker say it; a worker hears of it in headers alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' blob:; media-src blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class PageServer(ThreadingHTTPServer):
    """Listens at once; :meth:`serve_forever` answers. ``port`` 0 is a free one. :class:`InputError` for a port that cannot be
    had."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            raise InputError(
                f"port {port} of {ADDRESS} cannot be listened on: {reason_of(error)}",
                "give another one, or --port 0 for one that is free",
            ) from None

    def server_bind(self) -> None:
        """Without the look-up of a name for the address."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    @property
    def address(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - as the library calls it
        """A client that has gone is nobody's fault; what else there is gets a line."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            tell(f"a request could not be answered: {reason_of(error)}")


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def parse_request(self) -> bool:
        """Reading alone is answered, by the name of this machine alone."""
        if not super().parse_request():
            return False
        if self.command not in ("GET", "HEAD"):
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
        elif self.headers.get_all("Host") not in [[name] for name in self._own_names()]:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        else:
            # Nobody sends a body along with these; if there is one, it is not taken for the next request.
            self.close_connection |= any(
                name in self.headers for name in ("Content-Length", "Transfer-Encoding")
            )
            return True
        self.close_connection = True
        return False

    def do_GET(self) -> None:
        try:
            with opened_below(self.server.folder, self._names(), "") as file:
                size = os.fstat(file.fileno()).st_size
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", self._type())
                self.send_header("Content-Length", str(size))
                self.end_headers()
                if self.command == "GET":
                    shutil.copyfileobj(file, self.wfile)
        except InputError:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        self.do_GET()

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """A line of plain text, which says nothing of what was asked for."""
        status = HTTPStatus(code)
        body = f"{status.value} {status.phrase}\n".encode()
        self.send_response(status.value)
        self.send_header("Content-Type", _TYPES[".txt"])
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if status is not HTTPStatus.NOT_FOUND:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "cloformer"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests are nobody's output."""

    def _own_names(self) -> list[str]:
        port = self.server.server_port
        return [f"{name}:{port}" for name in _NAMES] + list(_NAMES) * (port == 80)

    def _names(self) -> list[str]:
        """The names that lead to the file. What begins with a dot is not the page's."""
        path = unquote(self.path.partition("?")[0].partition("#")[0])
        first, *names = path.split("/")
        if first or not names or "\\" in path or any(name.startswith(".") for name in names):
            raise InputError(f"{path} is not of the page", "")
        return names if names != [""] else [_START]

    def _type(self) -> str:
        suffix = PurePosixPath(self._names()[-1]).suffix.lower()
        return _TYPES.get(suffix, "application/octet-stream")
