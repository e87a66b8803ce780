"""The server in a process of its own: who gets the page, who is refused, and how it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from surefoot.replay.server import Address, listen, serve_page
from surefoot.robots import SurefootError

pytest.importorskip("websockets", reason="the server needs `pip install surefoot[view]`")

SIZE = 3_000_000  # more than a socket's buffers hold
CODE = f"""
from surefoot.replay.server import serve_page
serve_page(b'<p>hi' + b'x' * {SIZE}, host=HOST, port=PORT, browser=False)
"""


class Served:
    """A page that is served; `lines` is what was said before the address."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        code = CODE.replace("HOST", repr(host)).replace("PORT", str(port))
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert self.process.stdout is not None
        self.lines: list[str] = []
        while "http://" not in "".join(self.lines[-1:]):
            self.lines.append(self.process.stdout.readline())
            assert self.lines[-1], self.process.communicate()
        self.url = urlsplit(next(word for word in self.lines[-1].split() if word.startswith("http://")))
        self.port = self.url.port

    def ask(self, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body, answer.headers

    def end(self) -> tuple[int, str, str]:
        """Ctrl-C: exit code, and what was said on the way out."""
        os.kill(self.process.pid, signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.process.kill()
    found.process.communicate()


def test_the_page_comes_whole_with_its_policy(served: Served) -> None:
    status, body, headers = served.ask()
    assert (status, len(body), body[:5]) == (200, SIZE + 5, b"<p>hi")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"connect-src 'self' ws://127.0.0.1:{served.port}" in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    status, body, headers = served.ask(method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(SIZE + 5))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:9999"}, 200),  # through a tunnel
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),  # a name that was pointed at this machine
        ({"Host": "127.0.0.1.evil.example:8080"}, 403),
        ({"Host": "localhost:8080@evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),  # another server of this machine
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),  # a page from disk, or a sandboxed frame
    ],
)
def test_who_may_ask(served: Served, headers: dict[str, str], status: int) -> None:
    found, body, _ = served.ask(**headers)
    assert found == status
    assert (len(body) > SIZE) == (status == 200)


def test_nothing_else_is_there(served: Served) -> None:
    assert served.ask("/etc/passwd")[0] == 404
    assert served.ask("/socket")[0] == 404  # a page that does not talk
    assert served.ask(method="PUT")[0] == 405


def test_nonsense_and_broken_connections_leave_it_alone(served: Served) -> None:
    for said in (
        os.urandom(500),
        b"GET / HTTP/1.1\r\nHost:",
        b"G" * 20_000,
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(said)
    with socket.create_connection(("127.0.0.1", served.port)) as connection:  # goes in the middle of the page
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.recv(1000)
    assert served.ask()[0] == 200


def test_a_port_in_use_and_ctrl_c(served: Served) -> None:
    other = Served(port=served.port)
    assert f"port {served.port} is in use: taking {other.port}" in other.lines[0]
    assert served.port < other.port <= served.port + 20
    with socket.create_connection(("127.0.0.1", other.port)):  # says nothing, as browsers' connections in advance
        code, out, err = other.end()
    assert (code, out.strip(), err) == (0, "stopped", "")
    code, out, err = served.end()  # after all that the tests above have sent
    assert (code, out.strip(), err) == (0, "stopped", "")


def test_beyond_this_machine_it_takes_a_token() -> None:
    wide = Served(host="0.0.0.0")
    assert "whoever can reach" in "".join(wide.lines)
    token = wide.url.query.partition("=")[2]
    assert len(token) >= 32
    assert wide.ask(f"/?token={token}")[0] == 200
    assert wide.ask(f"/?token={token}", Host="robot.lan", Origin="http://evil.example")[0] == 403
    for path in (
        "/",
        "/?token=",
        f"/?token={token[:-1]}",
        f"/?token={token}x",
        "/?token=%ff%fe",
        f"/socket?token={token[1:]}",
    ):
        status, body, _ = wide.ask(path)
        assert status == 403
        assert token.encode() not in body
    assert wide.end()[::2] == (0, "")


def test_where_it_can_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, port, said in (
        ("no-such-host.invalid", 0, "is not known here"),
        ("203.0.113.7", 0, "cannot listen on 203.0.113.7"),  # of a documentation's network, not this machine's
        ("127.0.0.1", 70_000, "port 70000: expected 0"),
        ("127.0.0.1", -1, "port -1"),
    ):
        with pytest.raises(SurefootError, match=said):
            listen(host, port)
    sock, address = listen("localhost", 0)
    sock.close()
    assert address == Address("127.0.0.1", address.port, None)
    monkeypatch.setitem(sys.modules, "websockets.asyncio.server", None)
    with pytest.raises(SurefootError, match=r"pip install 'surefoot\[view\]'"):
        serve_page(b"")
