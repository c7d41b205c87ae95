"""What can go wrong with a request.

ClientError
├── Unreachable         no answer came: no server, a broken connection, or it took too long
└── ServiceError        the service answered with a problem document
    ├── Refused         400, 413, 415, 422: the request is wrong as it is
    ├── NotAllowed      401, 403: there is no API key, or one that may not do this
    ├── NotFound        404
    └── Busy            409, 429, 503: later it may work
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of every error of this client."""


class Unreachable(ClientError):
    """No answer came."""


class ServiceError(ClientError):
    """The service answered with an error; `problem` is its RFC 9457 document, as it came."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('title', '')}: {problem.get('detail', '')}")
        self.status = status
        self.problem = dict(problem)

    @property
    def type(self) -> str:
        """The name of the kind of problem, such as `urn:crosslight:problem:bad-picture`."""
        return str(self.problem.get("type", "about:blank"))

    @property
    def detail(self) -> str:
        """What was wrong with this request, for a person to act on."""
        return str(self.problem.get("detail", ""))


class Refused(ServiceError):
    """The request is wrong as it is."""


class NotAllowed(ServiceError):
    """There is no API key, or one that may not do this."""


class NotFound(ServiceError):
    """There is no such item, gallery or route."""


class Busy(ServiceError):
    """Later it may work."""


KINDS: Mapping[int, type[ServiceError]] = {
    **dict.fromkeys((400, 413, 415, 422), Refused),
    **dict.fromkeys((401, 403), NotAllowed),
    404: NotFound,
    **dict.fromkeys((409, 429, 503), Busy),
}
