"""One page from this machine, and the messages of a live one: HTTP and WebSocket on one port.

A browser runs pages of strangers, too, so that listening on loopback alone is no protection. A page of another site could
open a WebSocket here, or be this host by a name that its owner has pointed at 127.0.0.1 (DNS rebinding). So requests have to
name this machine as it is (`Host`), and what a browser sends for a page has to come from the page served here (`Origin`).
Beyond loopback every request has to bring a random token as well.
"""

import asyncio
import errno
import ipaddress
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from ..robots.errors import SurefootError

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

Talk = Callable[["ServerConnection"], Awaitable[None]]
PORTS = 20  # that are tried, one after the other
MESSAGE_BYTES = 4096  # that a page may send at once: a command is some 50
SOCKET = "/socket"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Address:
    """Where a server listens. `token` is None on loopback; `host` is as a URL has it."""

    host: str
    port: int
    token: str | None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def serve_page(page: bytes, *, host: str = "127.0.0.1", port: int = 8080, browser: bool = True) -> None:
    """Serve one HTML page until Ctrl-C. Says where; with `browser` opens it there, if there is a browser to open.

    Takes the next free port where `port` is in use. Raises `SurefootError` for a host or port that cannot be listened on, or
    where the package `websockets` is missing.
    """
    serve(page, host=host, port=port, browser=browser)


def serve(
    page: bytes,
    talk: Talk | None = None,
    work: Callable[[], Awaitable[None]] | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    browser: bool = True,
) -> None:
    """As `serve_page`; besides, `talk` holds the conversation with each WebSocket, and `work` runs beside, in one thread.

    An error in `work` ends the server and is raised here.
    """
    check_websockets()
    sock, address = listen(host, port)
    try:
        asyncio.run(_serve(page, talk, work, sock, address, browser))
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    finally:
        sock.close()


def check_websockets() -> None:
    """Raise `SurefootError` where the package `websockets` is missing: asked before the work, not after it."""
    try:
        import websockets.asyncio.server  # noqa: F401
    except ImportError:
        raise SurefootError("a page in the browser needs websockets: pip install 'surefoot[view]'") from None


def listen(host: str, port: int) -> tuple[socket.socket, Address]:
    """A listening socket, at `port` or the next free one (said so), and its address with a token beyond loopback.

    Raises `SurefootError` where nothing can listen there.
    """
    if not 0 <= port <= 65535:
        raise SurefootError(f"port {port}: expected 0 (any free one) to 65535")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SurefootError(f"host {host!r} is not known here: expected 127.0.0.1, 0.0.0.0 or an address of this machine")\
            from error  # fmt: skip
    family, *_, (ip, *_) = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    for candidate in range(port, min(port + PORTS, 65536)) if port else (0,):
        try:
            sock = socket.create_server((str(ip), candidate), family=family)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            reason = error.strerror or str(error)
            raise SurefootError(f"cannot listen on {host} port {candidate}: {reason}") from error
        break
    else:
        raise SurefootError(f"ports {port} to {candidate} of {host} are all in use: choose another with --port")
    actual = sock.getsockname()[1]
    if port and actual != port:
        print(f"port {port} is in use: taking {actual}", flush=True)
    loopback = ipaddress.ip_address(str(ip)).is_loopback
    return sock, Address(_in_url(str(ip)), actual, None if loopback else secrets.token_urlsafe(24))


def _in_url(ip: str) -> str:
    """An address as people can open it from this machine."""
    if ipaddress.ip_address(ip).is_unspecified:  # every interface: that of the way out, which sends nothing
        family, outside = (socket.AF_INET6, "2001:db8::1") if ":" in ip else (socket.AF_INET, "192.0.2.1")
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((outside, 9))
                ip = str(probe.getsockname()[0])
            except OSError:
                return socket.gethostname()
    return f"[{ip}]" if ":" in ip else ip


async def _serve(
    page: bytes,
    talk: Talk | None,
    work: Callable[[], Awaitable[None]] | None,
    sock: socket.socket,
    address: Address,
    browser: bool,
) -> None:
    from websockets.asyncio.server import serve as listen_on

    def answer(connection: "ServerConnection", request: "Request") -> "Response | None":
        return respond(request, page, talk is not None, address)

    async def refuse(connection: "ServerConnection") -> None:
        """Nobody comes here: `respond` has no socket for a page that does not talk."""

    # Frames are small and dense: compressing each costs more than it saves. A page of many megabytes needs its time.
    options: dict[str, Any] = {"compression": None, "max_size": MESSAGE_BYTES, "open_timeout": 60}
    server = await listen_on(talk or refuse, sock=sock, process_request=answer, server_header=None, **options)
    try:
        announce(address, browser)
        await (asyncio.get_running_loop().create_future() if work is None else work())
    finally:
        server.close()
        # Not for ever: browsers open connections in advance, and some say nothing on them.
        await asyncio.wait([asyncio.ensure_future(server.wait_closed())], timeout=1.0)


def announce(address: Address, browser: bool) -> None:
    """Say where, and what listening there exposes; open a browser if one is asked for and there."""
    if address.token is not None:
        print(
            f"listening beyond this machine: whoever can reach {address.host} port {address.port} and knows the token in the "
            "address sees and drives what is here, unencrypted",
            flush=True,
        )
    opened = browser and _open_browser(address.url)
    where = "opened" if opened else "no browser to open here: go to" if browser else "open"
    print(f"{where} {address.url} (Ctrl-C ends it)", flush=True)


def _open_browser(url: str) -> bool:
    """Whether there is a browser to open `url` in; one without a display would take over the terminal."""
    display = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
    if not display:
        return False
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return False
    threading.Thread(target=found.open, args=(url,), daemon=True).start()  # some return only when they are closed
    return True


def respond(request: "Request", page: bytes, talks: bool, address: Address) -> "Response | None":
    """What an HTTP request gets: the page, a refusal, or None where it may become a WebSocket."""
    status, said = _judged(request, talks, address)
    if status is None:
        return None
    if status == HTTPStatus.OK:
        response = _response(status, page, _one(request, "Host"))
        if request.method == "HEAD":
            response.body = b""
        return response
    content = f"<!doctype html><meta charset=utf-8><title>{status.phrase}</title><p>{status.value}: {said}</p>"
    return _response(status, content.encode(), "")


def _judged(request: "Request", talks: bool, address: Address) -> tuple[HTTPStatus | None, str]:
    """Status and reason; OK for the page, None for a WebSocket."""
    host, path = _one(request, "Host"), urlsplit(request.path)
    if address.token is None and not _named(host, (*LOOPBACK, address.host)):
        return HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 and localhost alone."
    if address.token is not None:
        given = parse_qs(path.query).get("token", [""])[0]
        if not secrets.compare_digest(given.encode("utf-8", "replace"), address.token.encode()):
            return (
                HTTPStatus.FORBIDDEN,
                "the token is missing or wrong: open the whole address that the terminal shows.",
            )
    socket_asked = "Upgrade" in request.headers or path.path == SOCKET
    # Browsers name the page that asks. A page elsewhere may show a link to this one, and nothing more.
    if "Origin" in request.headers and _one(request, "Origin") not in (f"http://{host}", f"https://{host}"):
        return HTTPStatus.FORBIDDEN, "the request comes from another page."
    if socket_asked:
        if talks and path.path == SOCKET:
            return None, ""  # websockets checks the rest of the handshake
        return HTTPStatus.NOT_FOUND, "nothing to talk to here."
    if path.path != "/":
        return HTTPStatus.NOT_FOUND, "there is one page, at /."
    if request.method not in ("GET", "HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED, "the page can be read, nothing else."
    return HTTPStatus.OK, ""


def _one(request: "Request", name: str) -> str:
    """A header's value, "" where it is missing or there are several."""
    values = request.headers.get_all(name)
    return values[0] if len(values) == 1 else ""


def _named(host: str, names: tuple[str, ...]) -> bool:
    """Whether the `Host` header is one of `names`; any port: it may be that of a tunnel."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, "0"
    return name.lower() in names and port.isdigit()


def _response(status: HTTPStatus, body: bytes, host: str) -> "Response":
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    # As `page.html` has it, and the WebSocket of this server. "'self'" alone leaves ws: out in older Safaris.
    connect = (
        f"'self' ws://{host} wss://{host}" if host and all(c.isalnum() or c in ".:-_[]" for c in host) else "'none'"
    )
    policy = (
        "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
        f"media-src data: blob:; connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",  # the address holds the token
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return Response(status.value, status.phrase, Headers(headers), body)
