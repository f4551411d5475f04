"""The components' folders, as Kubeflow's catalogue of components wants them."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from catalogue_readmes import readme
from edgequant_pipelines.components import COMPONENTS, components

ROOT = Path(__file__).resolve().parents[2] / "components" / "edgequant"
# In the order in which the catalogue's validator wants them.
REQUIRED = ["name", "stability", "dependencies", "lastVerified"]
FIELDS = ["name", "stability", "dependencies", "tags", "lastVerified", "ci", "links"]
_VERSION = re.compile(r"(==|>=|<=|>|<|~=)?\d+\.\d+\.\d+")


def test_every_component_is_in_the_catalogue() -> None:
    """Each folder with a component.py is listed."""
    assert sorted(COMPONENTS) == sorted(path.parent.name for path in ROOT.rglob("component.py"))


@pytest.mark.parametrize("folder", COMPONENTS)
def test_every_component_has_the_catalogues_files(folder: str) -> None:
    """Its validator refuses a folder without metadata.yaml or OWNERS; no other folder has either."""
    names = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
    assert {"__init__.py", "component.py", "metadata.yaml", "README.md", "OWNERS"} <= names
    for name in ("metadata.yaml", "OWNERS"):
        assert sorted(COMPONENTS) == sorted(path.parent.name for path in ROOT.rglob(name))


@pytest.mark.parametrize("folder", COMPONENTS)
def test_owners_are_what_the_catalogue_validates(folder: str) -> None:
    """At least one approver, on the line after the heading, where the validator looks for it; names are those of accounts at GitHub."""
    text = (ROOT / folder / "OWNERS").read_text(encoding="utf-8")
    assert re.search(r"^approvers:\n\s*- \S", text, re.MULTILINE)
    owners = yaml.safe_load(text)
    assert {"approvers"} <= set(owners) <= {"approvers", "reviewers"}
    for names in owners.values():
        assert names
        assert all(re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", name) for name in names)


@pytest.mark.parametrize(("folder", "name"), COMPONENTS.items())
def test_metadata_is_what_the_catalogue_validates(folder: str, name: str) -> None:
    """The fields, their order and their values are those that the catalogue's validator takes."""
    metadata = yaml.safe_load((ROOT / folder / "metadata.yaml").read_text())
    assert list(metadata) == [field for field in FIELDS if field in metadata]
    assert set(REQUIRED) <= set(metadata)
    assert metadata["name"] == name
    assert metadata["stability"] in ("experimental", "alpha", "beta", "stable")
    dependencies = metadata["dependencies"]
    assert {"kubeflow"} <= set(dependencies) <= {"kubeflow", "external_services"}
    assert dependencies["kubeflow"] == [{"name": "Pipelines", "version": ">=2.17.0"}]
    for services in dependencies.values():
        for service in services:
            assert set(service) == {"name", "version"}
            assert _VERSION.fullmatch(service["version"])
    assert all(re.fullmatch(r"[a-z_]+", tag) for tag in metadata["tags"])
    assert isinstance(metadata["lastVerified"], datetime)
    assert metadata["lastVerified"].astimezone(UTC) <= datetime.now(UTC)


@pytest.mark.parametrize("folder", COMPONENTS)
def test_the_readme_is_that_of_the_signature(folder: str) -> None:
    """README.md holds the tables of the signature and what the metadata says: `make docs` writes it."""
    assert (ROOT / folder / "README.md").read_text(encoding="utf-8") == readme(ROOT / folder)


@pytest.mark.parametrize(("folder", "name"), COMPONENTS.items())
def test_every_input_and_output_is_explained(folder: str, name: str) -> None:
    """Each of them has a row with a meaning."""
    text = readme(ROOT / folder)
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", text, re.MULTILINE))
    spec = components()[name].component_spec
    assert set(rows) == {*(spec.inputs or {}), *(spec.outputs or {})}
    assert all(len(meaning) > 3 for meaning in rows.values())
