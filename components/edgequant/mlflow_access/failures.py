"""Which errors of MLflow and of artifact stores are transient."""

import requests
from mlflow.exceptions import InvalidUrlException, MlflowException

_TRANSIENT = (408, 429)
_SERVER_ERRORS = 500
# OSErrors that are not transient.
_LASTING = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
# The packages of artifact stores that are accessed without an MLflow server; compared by name, since they need not be installed.
_STORES = ("boto3", "botocore", "google", "s3transfer")
# Their connection errors.
_NOT_REACHED = {
    "botocore.exceptions.ConnectionError",
    "botocore.exceptions.HTTPClientError",
    "google.api_core.exceptions.RetryError",
    "google.auth.exceptions.TransportError",
}
# S3's error code, with status 400, for a request body that was sent too slowly.
_TOO_SLOW = "RequestTimeout"
# Permanent errors that MLflow reports as 500: an answer that is not MLflow's, such as a login page, and certificate errors.
_NEVER_PASSES = ("not in a valid JSON format", "Could not find a suitable TLS CA", "CERTIFICATE_VERIFY_FAILED")
# Database errors that MLflow passes on with status 400 when two clients create the same object, such as an alias, at once.
_AT_ONCE = ("IntegrityError", "UniqueViolation")


def is_transient(error: BaseException) -> bool:
    """Returns whether an error is transient: no connection, a timeout, status 408, 429 or 5xx, a full disk."""
    if isinstance(error, InvalidUrlException) or any(text in str(error) for text in _NEVER_PASSES):
        return False
    if isinstance(error, MlflowException):
        # MLflow reports connection errors and timeouts as 500.
        return _passes(error.get_http_status_code()) or any(name in str(error) for name in _AT_ONCE)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _passes(error.response.status_code)
    if isinstance(error, OSError):
        return not isinstance(error, _LASTING)
    return _is_transient_of_store(error)


def _passes(status: int) -> bool:
    return status in _TRANSIENT or status >= _SERVER_ERRORS


def _is_transient_of_store(error: BaseException) -> bool:
    """Returns the same for an error of an artifact store's client, by the status or connection error in its chain of causes."""
    cause: BaseException | None = error
    while cause is not None and type(cause).__module__.partition(".")[0] in _STORES:
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            slow = response.get("Error", {}).get("Code") == _TOO_SLOW
            return slow or _passes(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        status = getattr(cause, "code", None) or getattr(response, "status_code", None)
        if isinstance(status, int):
            return _passes(status)
        if _NOT_REACHED & {f"{kind.__module__}.{kind.__qualname__}" for kind in type(cause).__mro__}:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
