"""Writes the reference of the components from their own signatures: ``python scripts/component_reference.py``."""

from collections.abc import Iterator
from typing import Any

from docstring_parser import parse

from edgequant_pipelines.components import COMPONENTS, components


def reference() -> str:
    """Returns the reference in Markdown."""
    lines = [
        "# Components",
        "",
        "Made from the components' signatures by `make docs`; a test compares it with them.",
        *(line for folder, name in COMPONENTS.items() for line in _section(folder, name)),
    ]
    return "\n".join(lines) + "\n"


def _section(folder: str, name: str) -> Iterator[str]:
    component = components()[name]
    text = parse(component.python_func.__doc__)
    yield from ("", f"## {name}", "", str(text.short_description), "")
    yield f"Folder `components/edgequant/{folder}`, image `{component.component_spec.implementation.container.image}`."
    yield from ("", "| input | type | default | meaning |", "| --- | --- | --- | --- |", *input_rows(component))
    yield from ("", "| output | type | meaning |", "| --- | --- | --- |", *output_rows(component))


def input_rows(component: Any) -> Iterator[str]:
    """Yields a row of a table for each input: its name, type, default and meaning."""
    described = _meanings(component)
    for key, item in (component.component_spec.inputs or {}).items():
        default = f"`{item.default!r}`" if item.optional else "required"
        yield f"| `{key}` | {_type(item)} | {default} | {described[key]} |"


def output_rows(component: Any) -> Iterator[str]:
    """Yields a row of a table for each output: its name, type and meaning."""
    described = _meanings(component)
    returns = parse(component.python_func.__doc__).returns
    for key, item in (component.component_spec.outputs or {}).items():
        meaning = described.get(key) or " ".join(str(returns.description if returns else "").split())
        yield f"| `{key}` | {_type(item)} | {meaning} |"


def _meanings(component: Any) -> dict[str, str]:
    text = parse(component.python_func.__doc__)
    return {item.arg_name: " ".join((item.description or "").split()) for item in text.params}


def _type(item: Any) -> str:
    name = str(item.type).partition("@")[0].removeprefix("system.")
    return f"list of {name}" if getattr(item, "is_artifact_list", False) else name


if __name__ == "__main__":
    print(reference(), end="")
