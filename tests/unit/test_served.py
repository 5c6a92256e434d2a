"""`cloformer serve`: a page on loopback with the headers that isolate it, and nothing that is not in its folder."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloformer.errors import InputError
from cloformer.export.bundle.served import ADDRESS, HEADERS, PageServer
from cloformer.io.read import opened_below

FILES = {
    "index.html": (b"<!doctype html>", "text/html; charset=utf-8"),
    "app/main.js": (b"export {}", "text/javascript; charset=utf-8"),
    "runtime/a.mjs": (b"export {}", "text/javascript; charset=utf-8"),
    "runtime/a.wasm": (b"\0asm" * 50_000, "application/wasm"),
    "app.webmanifest": (b"{}", "application/manifest+json"),
    "settings.json": (b"{}", "application/json"),
    "conformance/a.input.f32": (b"\0" * 8, "application/octet-stream"),
    "ümlaut & more.png": (b"png", "image/png"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    outside = tmp_path_factory.mktemp("outside")
    folder = outside / "page"
    for name, (content, _) in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (outside / "secret.txt").write_text("secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "linked").symlink_to(outside)
    (folder / "inside.txt").symlink_to(folder / "index.html")
    with PageServer(folder, 0) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _ask(
    server: PageServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(ADDRESS, server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_it_listens_on_loopback_alone(server: PageServer) -> None:
    assert server.socket.getsockname() == ("127.0.0.1", server.server_port)
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_its_type_and_the_headers_that_isolate_a_page(server: PageServer, name: str) -> None:
    from urllib.parse import quote

    content, kind = FILES[name]
    for method in ("GET", "HEAD"):
        code, headers, body = _ask(server, f"/{quote(name)}", method)
        assert (code, body) == (200, content if method == "GET" else b"")
        assert (headers["Content-Type"], headers["Content-Length"]) == (kind, str(len(content)))
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/?run=1", "/index.html?a=../../b#c"])
def test_the_page_itself(server: PageServer, path: str) -> None:
    assert _ask(server, path)[::2] == (200, FILES["index.html"][0])


@pytest.mark.parametrize(
    "path",
    [
        "/app", "/app/", "/runtime", "/app//main.js", "/./index.html", "/app/../index.html",
        "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/app/%2e%2e/%2e%2e/secret.txt",
        "/..\\secret.txt", "/..%5csecret.txt", "/link.txt", "/inside.txt", "/linked/secret.txt", "/.git/config",
        "/index.html%00.txt", "/index.html%0d%0aSet-Cookie:%20a=b", "/%ff%fe", "/nothing.html", "/" + "a" * 5000,
        "index.html", "http://evil.example/index.html", "/INDEX.HTML/",
    ],
)  # fmt: skip
def test_what_is_no_file_of_the_page_is_not_there(server: PageServer, path: str) -> None:
    """By one answer, which says nothing of what was asked for."""
    code, headers, body = _ask(server, path, Host=f"localhost:{server.server_port}")
    assert (code, body) == (404, b"404 Not Found\n")
    assert "Set-Cookie" not in headers
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "[::1]", "localhost"]
)
def test_another_name_that_leads_here_is_refused(server: PageServer, host: str) -> None:
    assert _ask(server, "/", Host=host)[0] == 421
    assert _ask(server, "/", Host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "NONSENSE"])
def test_reading_alone_is_answered(server: PageServer, method: str) -> None:
    code, headers, _ = _ask(server, "/", method)
    assert (code, headers["Allow"], headers["Connection"]) == (405, "GET, HEAD", "close")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",  # no name at all
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
    ],
)
def test_what_is_no_request(server: PageServer, request_: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection((ADDRESS, server.server_port), timeout=10) as connection:
        connection.sendall(request_)
        answer = b""
        try:
            while block := connection.recv(65536):
                answer += block
        except ConnectionError:
            pass
    assert b"secret" not in answer and b"doctype" not in answer
    assert _ask(server, "/")[0] == 200
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_body_is_not_taken_for_a_request(server: PageServer) -> None:
    host = f"Host: localhost:{server.server_port}\r\n".encode()
    hidden = b"GET /settings.json HTTP/1.1\r\n" + host + b"\r\n"
    with socket.create_connection((ADDRESS, server.server_port), timeout=10) as connection:
        connection.sendall(
            b"GET /app/main.js HTTP/1.1\r\n"
            + host
            + f"Content-Length: {len(hidden)}\r\n\r\n".encode()
            + hidden
        )
        answer = b""
        try:
            while block := connection.recv(65536):
                answer += block
        except ConnectionError:
            pass
    assert answer.count(b"HTTP/1.1 200") == 1
    assert FILES["app/main.js"][0] in answer


def test_several_requests_on_one_connection(server: PageServer) -> None:
    connection = http.client.HTTPConnection(ADDRESS, server.server_port, timeout=10)
    for path, code in (("/", 200), ("/nothing", 404), ("/settings.json", 200)):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == code
        answer.read()
    connection.close()


def test_a_port_that_is_taken(server: PageServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be listened on") as caught:
        PageServer(tmp_path, server.server_port)
    assert "--port 0" in caught.value.lines[1]


@pytest.mark.parametrize("names", [[], [""], ["."], [".."], ["a", "..", "b"], ["a/b"], ["a\0"]])
def test_names_that_lead_elsewhere(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(InputError, match="is not a file below"), opened_below(tmp_path, names, ""):
        pass
