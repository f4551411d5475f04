"""Extracts the server and the cause from connection errors that urllib3 and MLflow wrap."""

import re

_LONGEST = 500
# How urllib3's causes begin: "HTTPConnection(host='…', port=…): …", or "<… object at 0x…>: …".
_CONNECTION = re.compile(r"^(?:\w+\(.*?\)|<.*?>): ")


def no_answer(error: BaseException | None) -> str:
    """Returns the server that does not answer and the cause if an error comes from that; "" for any other error."""
    from urllib3.exceptions import PoolError

    while error is not None:
        if isinstance(error, PoolError):
            return f"{error.pool.host}:{error.pool.port} does not answer: {cause_of(error)}"
        error = error.__cause__ or error.__context__
    return ""


def cause_of(error: BaseException) -> str:
    """Returns the cause of one of urllib3's errors."""
    from urllib3.exceptions import ConnectTimeoutError

    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    # Its text is that of a tuple with the connection's memory address, which differs each time.
    text = str(cause.args[-1] if isinstance(cause, ConnectTimeoutError) and cause.args else cause)
    return " ".join(_CONNECTION.sub("", text).split())[:_LONGEST]
