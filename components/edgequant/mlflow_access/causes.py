"""Known causes of MLflow errors whose own message does not name them."""

from edgequant.connection_errors import no_answer

# MLflow 3's answer, with status 403, to a Host header that it does not allow.
_INVALID_HOST = "Invalid Host header"
_ALLOW_HOST = (
    "it refuses requests for this host name (403 Invalid Host header); add the name, with its port, to `--allowed-hosts` of "
    "`mlflow server`, or to MLFLOW_SERVER_ALLOWED_HOSTS"
)


def known_cause(error: BaseException | None) -> str:
    """Returns the description of an error's cause: a host name that MLflow does not allow, or no answer; "" for others."""
    return _ALLOW_HOST if error is not None and _INVALID_HOST in str(error) else no_answer(error)
