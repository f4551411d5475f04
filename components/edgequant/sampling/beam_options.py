"""Beam's options as configured: unknown ones are errors, which Beam itself only warns about."""

import contextlib
import importlib
import io
import re
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from edgequant.errors import ConfigError

_CREDENTIALS = ("__s3_access_key_id", "__s3_secret_access_key", "__s3_session_token", "__azure_connection_string")
# Beam itself would make a bucket where --temp_location is missing, and run an image without this package.
_DATAFLOW = ("project", "region", "temp_location", "sdk_container_image")
_BUCKET = re.compile(r"gs://[a-z0-9][-_a-z0-9.]+[a-z0-9](/.*)?")
DEFAULT_RUNNER = "FnApiRunner"
# Runners whose short names Beam does not know, and the extra that each needs.
_MORE_RUNNERS = {"DaskRunner": ("apache_beam.runners.dask.dask_runner.DaskRunner", "dask")}


def parse_options(texts: list[str]) -> PipelineOptions:
    """Returns Beam's options.

    Raises:
        ConfigError: An option is unknown, or has a wrong value.
    """
    for text in texts:
        if not text.startswith("--") or text == "--help":
            raise _not_an_option(text)
        name = text.partition("=")[0]
        if name.replace("-", "_") in _CREDENTIALS:
            raise ConfigError(
                f"beam: {name} is a credential, and options are in pipelines and logs for all to read; set"
                " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE, in the environment,"
                " here and where the workers run"
            )
    texts = [_full_name(text) for text in texts]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options = PipelineOptions(texts)
            recognized = set(options.get_all_options())
            unknown = set(options.get_all_options(retain_unknown_options=True)) - recognized
    except SystemExit:
        reason = complaint.getvalue().strip().rpartition("error: ")[2]
        raise ConfigError(f"beam: {texts}: {reason}") from None
    for text in texts:
        if text.partition("=")[0].removeprefix("--").replace("-", "_") in unknown:
            raise _not_an_option(text)
    standard = options.view_as(StandardOptions)
    # Beam's own default first tries to download another runner.
    standard.runner = standard.runner or DEFAULT_RUNNER
    if standard.runner.endswith("DataflowRunner"):
        _check_dataflow(options.get_all_options())
    try:
        beam.Pipeline(options=options)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"beam: {texts}: {error}") from error
    return options


def _check_dataflow(options: dict[str, Any]) -> None:
    missing = [f"--{name}" for name in _DATAFLOW if not options.get(name)]
    if missing:
        raise ConfigError(f"beam: DataflowRunner needs {', '.join(missing)}")
    if not _BUCKET.fullmatch(options["temp_location"]):
        raise ConfigError(
            f"beam: --temp_location={options['temp_location']} is not a place in a bucket; DataflowRunner needs gs://BUCKET/PATH"
        )


def _not_an_option(text: str) -> ConfigError:
    return ConfigError(f"beam: {text!r} is not an option of Beam; options look like --runner=FnApiRunner")


def _full_name(text: str) -> str:
    """Returns an option with the runner's full name; loading the runner makes its own options known to Beam."""
    name, _, value = text.partition("=")
    if name != "--runner":
        return text
    value, extra = _MORE_RUNNERS.get(value, (value, ""))
    try:
        importlib.import_module(value.rpartition(".")[0] or "apache_beam.runners")
    # Beam's own module for Dask raises the latter where Dask is missing.
    except (ImportError, AttributeError) as error:
        advice = f"; install edgequant[{extra}]" if extra else ""
        raise ConfigError(f"beam: {[text]}: {error}{advice}") from error
    return f"{name}={value}"
