"""Stands for the image nginx: the welcome page on port 80 and nothing else."""

import sys
from typing import Final

from ciliate.lab.kubelet.http_server import HttpRequest, HttpResponse, serve

_PORT: Final = 80
_PAGE: Final = b"""<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>This page is served by Ciliate's lab in place of the nginx image.</p>
</body>
</html>
"""
_MISSING: Final = b"<html>\n<head><title>404 Not Found</title></head>\n</html>\n"


def answer(request: HttpRequest) -> HttpResponse:
    """Answer one request, with an access log line as nginx writes it."""
    found = request.target.partition("?")[0] in ("/", "/index.html")
    page = _PAGE if found else _MISSING
    status = 200 if found else 404
    remote = request.remote.rpartition(":")[0].strip("[]")
    print(
        f'{remote} - - "{request.method} {request.target} {request.version}" {status} {len(page)}'
    )
    return HttpResponse(page, status, content_type="text/html", server="nginx")


def run(argv: list[str]) -> int:  # noqa: ARG001 - every program is called so; nginx takes none.
    """Be nginx; the exit code."""
    try:
        serve(_PORT, answer)
    except OSError as error:
        print(f"nginx: {error}", file=sys.stderr, flush=True)
        return 1
    return 0
