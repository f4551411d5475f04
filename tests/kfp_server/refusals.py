"""How the API server says no."""

from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse

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

    def response(self) -> Response:
        """Returns the answer, in the form of the gateway in front of the server."""
        body: dict[str, Any] = {
            "code": _GRPC.get(self.status, 13),
            "message": self.message,
            "details": [
                {
                    "@type": "type.googleapis.com/kubeflow.pipelines.backend.api.v2beta1.Error",
                    "error_message": self.message,
                }
            ],
        }
        return JSONResponse(body, status_code=self.status)


class UploadRefusedError(RefusedError):
    """An upload that is refused: its endpoints are beside the gateway, and answer 400 to all but a name that exists."""

    def response(self) -> Response:
        """Returns the answer, in the form of the upload endpoints."""
        # As Go prints an error with the calls that led to it.
        details = f"{self.message}\ngithub.com/kubeflow/pipelines/backend/src/apiserver/server.(*PipelineUploadServer)"
        return JSONResponse({"error_message": self.message, "error_details": details}, status_code=self.status)


class PlainRefusedError(RefusedError):
    """An upload that is refused in plain text, as for a name that is too long."""

    def response(self) -> Response:
        """Returns the answer."""
        return PlainTextResponse(f"{self.message}\n", self.status)
