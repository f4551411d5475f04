"""Beam's options as configured: unknown ones are errors, which Beam itself only warns about."""

import contextlib
import io

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from edgequant.errors import ConfigError

DEFAULT_RUNNER = "FnApiRunner"


def parse_options(texts: list[str]) -> PipelineOptions:
    """Returns Beam's options.

    Raises:
        ConfigError: An option is unknown, or has a wrong value.
    """
    for text in texts:
        if not text.startswith("--") or text == "--help":
            raise _not_an_option(text)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options = PipelineOptions(texts)
            known = set(options.get_all_options())
            unknown = set(options.get_all_options(retain_unknown_options=True)) - known
    except SystemExit:
        reason = complaint.getvalue().strip().rpartition("error: ")[2]
        raise ConfigError(f"beam: {texts}: {reason}") from None
    for text in texts:
        if text.partition("=")[0].removeprefix("--").replace("-", "_") in unknown:
            raise _not_an_option(text)
    standard = options.view_as(StandardOptions)
    # Beam's own default first tries to download another runner.
    standard.runner = standard.runner or DEFAULT_RUNNER
    try:
        beam.Pipeline(options=options)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"beam: {texts}: {error}") from error
    return options


def _not_an_option(text: str) -> ConfigError:
    return ConfigError(f"beam: {text!r} is not an option of Beam; options look like --runner=FnApiRunner")
