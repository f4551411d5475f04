"""The public names: each is there, typed, and nothing heavy is imported before one is used."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("edgequant", "edgequant_pipelines")
API_PAGES = Path(__file__).resolve().parent.parent / "docs" / "api"
HEAVY = ("tensorflow", "apache_beam", "mlflow", "kfp", "scipy", "numpy")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    """`__all__` is sorted, names nothing twice, and each of its names exists; any other does not."""
    module = importlib.import_module(package)
    names = [name for name in module.__all__ if not name.startswith("__")]
    assert names == sorted(set(names), key=lambda name: (name[0].islower(), name))
    assert [name for name in names if getattr(module, name, None) is None] == []
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_api_reference(package: str) -> None:
    """The page of a package has each of its public names once, and no other."""
    page = (API_PAGES / f"{package}.md").read_text(encoding="utf-8")
    documented = re.findall(rf"^::: {package}\.(\w+)$", page, re.MULTILINE)
    public = importlib.import_module(package).__all__
    assert sorted(documented) == sorted(name for name in public if not name.startswith("__"))


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_heavy_is_imported_before_a_name_is_used(package: str) -> None:
    """`import edgequant` and `import edgequant_pipelines` take milliseconds."""
    script = f"import sys, {package}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_typed(tmp_path: Path) -> None:
    """A user's mypy sees each name's own type, and a typo as an error."""
    (tmp_path / "use.py").write_text(
        "from pathlib import Path\n"
        "from edgequant import Gate, VariantVerdict, inspect_model\n"
        "from edgequant_pipelines import Result, load_config, run\n"
        "result: Result = run(load_config(Path('flowers.yaml')), Path('work'))\n"
        "variant: VariantVerdict = result.variants['full_int8']\n"
        "reveal_type(variant.drop_points)\n"
        "reveal_type(inspect_model(result.model('full_int8')).kind)\n"
        "reveal_type(Gate(max_drop_points=1.0).confidence)\n"
        "result.variant\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()[:-1]] == [
        'note: Revealed type is "float | None"',
        'note: Revealed type is "str"',
        'note: Revealed type is "float"',
        'error: "Result" has no attribute "variant"; maybe "variants"?  [attr-defined]',
    ]
