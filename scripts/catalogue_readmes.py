"""Writes each component's README as Kubeflow's catalogue of components has them: ``python scripts/catalogue_readmes.py FOLDER``.

It is made of the component's signature and of the `metadata.yaml` beside it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docstring_parser import parse

from component_reference import input_rows, output_rows
from edgequant_pipelines.components import COMPONENTS, components


def readme(folder: Path) -> str:
    """Returns the README of a component.

    Args:
        folder: The component's folder, which holds its `metadata.yaml`.
    """
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
    return "\n".join(_lines(components()[COMPONENTS[folder.name]], metadata, folder.name)) + "\n"


def _lines(component: Any, metadata: dict[str, Any], folder: str) -> Iterator[str]:
    name = metadata["name"]
    text = parse(component.python_func.__doc__)
    yield from (f"# {name.replace('_', ' ').capitalize()}", "")
    yield from (f"> **Stability: {metadata['stability']}**: it may still change.", "")
    yield from ("## Overview", "", str(text.short_description), "")
    yield from ("## Inputs", "", "| Parameter | Type | Default | Description |", "| --- | --- | --- | --- |")
    yield from (*input_rows(component), "", "## Outputs", "", "| Name | Type | Description |", "| --- | --- | --- |")
    yield from (*output_rows(component), "", "## Metadata", "")
    yield from (f"- **Name**: {name}", f"- **Stability**: {metadata['stability']}", "- **Dependencies**:")
    for title, key in (("Kubeflow", "kubeflow"), ("External services", "external_services")):
        services = [f"{item['name']} {item['version']}" for item in metadata["dependencies"].get(key, [])]
        if services:
            yield f"  - {title}: {', '.join(services)}"
    yield f"- **Tags**: {', '.join(metadata['tags'])}"
    yield f"- **Last verified**: {metadata['lastVerified']:%Y-%m-%d}"
    yield f"- **Image**: `{component.component_spec.implementation.container.image}`"
    yield from ("", "## Usage", "", "```python", f"from edgequant.{folder}.component import {name}", "```")
    yield from (
        "",
        f"or `{name}.yaml` of `edgequant compile --components`, with `kfp.components.load_component_from_file`.",
    )


def main(root: Path) -> None:
    """Writes every component's README.

    Args:
        root: The folder that the components' folders are in.
    """
    for folder in COMPONENTS:
        (root / folder / "README.md").write_text(readme(root / folder), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
