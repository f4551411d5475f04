"""Files in buckets: prepares Beam's file systems, checks access early, since Beam retries failures for minutes, and lists objects."""

import functools
import os
import re
from collections.abc import Iterator
from typing import Any

from edgequant.errors import ExamplesError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def prepare() -> None:
    """Makes Beam's file systems usable in this process, which may be a worker without Beam's options."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    # Beam's S3 file system requires options, and only some kinds of workers get them.
    if FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions([]))


def check(pattern: str) -> None:
    """Checks that the bucket of a pattern is accessible; Beam itself would retry for minutes if it is not.

    Raises:
        ExamplesError: The extra, the credentials or the bucket is missing.
    """
    scheme, _, rest = pattern.partition("://")
    if scheme in _CHECKS:
        wrong = wrong_place(pattern)
        if wrong:
            raise ExamplesError(f"examples: {wrong}")
        _CHECKS[scheme](rest.partition("/")[0])


def list_objects(prefix: str) -> Iterator[tuple[str, int, str]]:
    """Yields the path, the size in bytes and the version of every object whose path begins with a prefix.

    The version is what the store says of the content: S3's ETag, or Google's generation, which no two writes share. Beam's own
    listing has times to the second only.

    Args:
        prefix: ``s3://BUCKET/PREFIX`` or ``gs://BUCKET/PREFIX``.

    Raises:
        ExamplesError: The bucket is not accessible.
    """
    check(prefix)
    scheme, _, rest = prefix.partition("://")
    bucket, _, start = rest.partition("/")
    for name, size, version in _LISTINGS[scheme](bucket, start):
        yield f"{scheme}://{bucket}/{name}", size, version


def _list_s3(bucket: str, prefix: str) -> Iterator[tuple[str, int, str]]:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        pages = boto3.session.Session().client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield item["Key"], item["Size"], item["ETag"]
    except (BotoCoreError, ClientError) as error:
        raise ExamplesError(f"examples: s3://{bucket}/{prefix} cannot be listed ({error})") from error


def _list_gs(bucket: str, prefix: str) -> Iterator[tuple[str, int, str]]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        for blob in _gs_client().list_blobs(bucket, prefix=prefix):
            yield blob.name, blob.size, str(blob.generation)
    except (GoogleAPIError, GoogleAuthError) as error:
        raise ExamplesError(f"examples: gs://{bucket}/{prefix} cannot be listed ({error})") from error


def _gs_client() -> Any:
    from google.auth import default
    from google.cloud import storage

    credentials, project = default()
    return storage.Client(project=project or os.environ.get("GOOGLE_CLOUD_PROJECT", "none"), credentials=credentials)


def wrong_place(pattern: str) -> str:
    """Returns why a pattern cannot match any file; "" when it can."""
    if not pattern:
        return "a pattern is empty"
    match = _SCHEME.match(pattern)
    if match is None:
        return ""
    scheme = match[1]
    if scheme not in _CHECKS:
        allowed = " and ".join(f"{name}://BUCKET/PATH" for name in _CHECKS)
        return f"{pattern!r} is on no file system that is read; paths, {allowed} are"
    bucket, _, path = pattern.removeprefix(f"{scheme}://").partition("/")
    if not (pattern.startswith(f"{scheme}://") and bucket and path):
        return f"{pattern!r} names no files; a pattern is {scheme}://BUCKET/PATH"
    return ""


@functools.cache
def _check_s3(bucket: str) -> None:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise ExamplesError("examples: s3:// needs boto3; install edgequant[s3]") from error
    try:
        session = boto3.session.Session()
        if session.get_credentials() is None:
            raise ExamplesError(
                f"examples: s3://{bucket}: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
                " or AWS_PROFILE, here and where the workers run"
            )
        session.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        reason = {404: "the bucket does not exist", 403: "the credentials do not allow to list the bucket"}.get(code)
        raise ExamplesError(f"examples: s3://{bucket}: {reason or error}") from error
    except BotoCoreError as error:
        raise ExamplesError(f"examples: s3://{bucket}: cannot be accessed ({error})") from error


@functools.cache
def _check_gs(bucket: str) -> None:
    try:
        import google_auth_httplib2  # noqa: F401 - without it, Beam silently uses no credentials
        from google.api_core.exceptions import GoogleAPIError, NotFound
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import storage  # noqa: F401 - only whether it is installed
    except ImportError as error:
        raise ExamplesError("examples: gs:// needs Google's libraries; install edgequant[gcs]") from error
    try:
        next(iter(_gs_client().list_blobs(bucket, max_results=1)), None)
    except GoogleAuthError as error:
        raise ExamplesError(
            f"examples: gs://{bucket}: there are no credentials; set GOOGLE_APPLICATION_CREDENTIALS, here and where the"
            f" workers run ({str(error).partition('. ')[0]})"
        ) from error
    except NotFound as error:
        raise ExamplesError(f"examples: gs://{bucket}: the bucket does not exist") from error
    except GoogleAPIError as error:
        raise ExamplesError(f"examples: gs://{bucket}: cannot be accessed ({error})") from error


_CHECKS = {"s3": _check_s3, "gs": _check_gs}
_LISTINGS = {"s3": _list_s3, "gs": _list_gs}
