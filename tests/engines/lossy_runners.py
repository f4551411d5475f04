"""Runners that lose data and end as if nothing were wrong, for ``--runner=lossy_runners.NAME``."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner


class _Losing(beam.DoFn):  # type: ignore[misc]
    """Does what another does, but for the elements that have a text in them."""

    def __init__(self, other: beam.DoFn, text: str) -> None:
        self._other = other
        self._text = text

    def process(self, element: Any, *args: Any) -> Iterator[Any]:
        if self._text not in repr(element):
            yield from self._other.process(element, *args) or ()


class _LossyRunner(FnApiRunner):  # type: ignore[misc]
    """Beam's own runner, but that a step gets no element that has a text in it."""

    step = ""
    text = ""

    def run_pipeline(self, pipeline: beam.Pipeline, options: Any) -> Any:
        runner = self

        class Replace(beam.pipeline.PipelineVisitor):  # type: ignore[misc]
            def visit_transform(self, transform_node: Any) -> None:
                transform = transform_node.transform
                if transform_node.full_label.split("/")[0] == runner.step and isinstance(transform, beam.ParDo):
                    transform.fn = _Losing(transform.fn, runner.text)

        pipeline.visit(Replace())
        return super().run_pipeline(pipeline, options)


class LosesAShard(_LossyRunner):
    """Never reads one of the shards."""

    step = "Read"
    text = "train-1.tfrecord.gz"


class LosesCalibration(_LossyRunner):
    """Never writes what was drawn for calibration."""

    step = "Write"
    text = "'calibration'"
