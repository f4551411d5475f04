"""How the API server says no."""

from typing import Any

from fastapi.responses import JSONResponse

_GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13}


class RefusedError(Exception):
    """A request that is refused.

    Args:
        status: The HTTP status.
        message: The sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def response(self) -> JSONResponse:
        """Returns the answer, in the form of the gateway in front of the server."""
        body: dict[str, Any] = {
            "error": self.message,
            "code": _GRPC.get(self.status, 13),
            "message": self.message,
            "details": [{"@type": "type.googleapis.com/google.rpc.Status", "message": self.message}],
        }
        return JSONResponse(body, status_code=self.status)
