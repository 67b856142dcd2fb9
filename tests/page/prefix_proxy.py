"""A proxy that shows the page's server under a prefix, as an ingress does."""

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

PREFIX: Final = "/tools/flows"


@contextlib.contextmanager
def proxied(url: str) -> Iterator[str]:
    """Yield the page's URL under the prefix."""
    host = urlsplit(url).netloc

    class Proxy(http.server.BaseHTTPRequestHandler):
        """Passes requests on; an answer goes on as it comes, and ends with its connection."""

        def do_GET(self) -> None:
            self.pass_on(None)

        def do_POST(self) -> None:
            self.pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def pass_on(self, body: bytes | None) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            with contextlib.closing(http.client.HTTPConnection(host)) as server:
                path = self.path.removeprefix(PREFIX)
                server.request(self.command, path, body, dict(self.headers))
                self.answer(server.getresponse())

        def answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # The browser has what it wanted.
                while octets := answer.read1():
                    self.wfile.write(octets)

        def log_message(self, *_words: Any) -> None:
            """Say nothing: tests say what they saw."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}{PREFIX}"
        finally:
            proxy.shutdown()
