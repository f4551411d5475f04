"""Pipelines whose parameters are derived from those of another pipeline.

KFP reads a pipeline's parameters from a function's signature and docstring; here both are generated instead of written by hand.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from docstring_parser import parse
from kfp import dsl


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a pipeline.

    Attributes:
        name: Its name.
        annotation: Its type, as KFP reads it.
        meaning: Its description.
        default: Its default; `inspect.Parameter.empty` if it is required.
    """

    name: str
    annotation: Any
    meaning: str
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty


def parameters_of(pipeline: Any) -> list[Parameter]:
    """Returns the parameters of a pipeline, in their order."""
    function = pipeline.pipeline_func
    meanings = {item.arg_name: " ".join((item.description or "").split()) for item in parse(function.__doc__).params}
    return [
        Parameter(name=name, annotation=item.annotation, meaning=meanings[name], default=item.default)
        for name, item in inspect.signature(function).parameters.items()
    ]


def with_defaults(parameters: Iterable[Parameter], defaults: Mapping[str, Any]) -> list[Parameter]:
    """Returns parameters with other defaults, by name."""
    return [replace(item, default=defaults[item.name]) if item.name in defaults else item for item in parameters]


def make_pipeline(
    name: str, description: str, parameters: Iterable[Parameter], body: Callable[[Mapping[str, Any]], Any]
) -> Any:
    """Returns a KFP pipeline.

    Args:
        name: The pipeline's name.
        description: What it does.
        parameters: Its parameters; required ones are put first.
        body: Makes the tasks from the parameters, by name, and returns the pipeline's output.
    """
    ordered = sorted(parameters, key=lambda item: not item.required)

    def function(*values: Any) -> Any:
        return body(dict(zip((item.name for item in ordered), values, strict=True)))

    # KFP reads the signature, the name and the docstring.
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(item.name, kind, default=item.default, annotation=item.annotation) for item in ordered],
        return_annotation=dsl.Artifact,
    )
    function.__name__ = name.replace("-", "_")
    function.__doc__ = "\n".join([description, "", "Args:", *(f"    {item.name}: {item.meaning}" for item in ordered)])
    return dsl.pipeline(name=name, description=description)(function)
