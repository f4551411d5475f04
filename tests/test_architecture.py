"""The rules of the house: what may import what."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "components" / "edgequant"
PIPELINES = ROOT / "pipelines" / "edgequant_pipelines"
STEPS = sorted(path.parent.name for path in LIBRARY.glob("*/component.py"))
# The step of a run on a cluster that needs another step's code: it identifies the files that the other reads.
SHARED = {"fingerprinting": {"edgequant.sampling"}}
# The wings of a step, and which of its other wings each may import.
WINGS = {
    "edgequant/validation": {
        "gate": {"comparison", "metrics", "statistics"},
        "comparison": {"metrics", "statistics"},
        "metrics": {"statistics"},
        "statistics": set(),
        "report": {"gate", "comparison", "metrics", "statistics"},
    },
    "edgequant/sampling": {"decode": {"draw", "formats"}, "draw": {"formats"}, "formats": set()},
    "edgequant/tracking": {"reading": {"recording"}, "recording": set()},
    "edgequant_pipelines/watching": {"launchers": {"rules"}, "rules": set()},
}
# Where each heavy package may be imported.
HOMES = {
    "tensorflow": ("edgequant/conversion/", "edgequant_pipelines/demo/"),
    "tf_keras": ("edgequant/conversion/",),
    "keras": ("edgequant/conversion/",),
    "apache_beam": ("edgequant/sampling/",),
    "mlflow": (
        "edgequant/tracking/",
        "edgequant/mlflow_access/",
        "edgequant/model_uri.py",
        "edgequant_pipelines/demo/",
        "edgequant_pipelines/watching/model_registry.py",
    ),
    "prometheus_client": ("edgequant_pipelines/watching/",),
    "ai_edge_litert": ("edgequant/litert_interpreter.py", "edgequant/inspection.py"),
    "kfp": ("/component.py", "edgequant_pipelines/"),
    "matplotlib": ("edgequant/validation/report/",),
    "scipy": ("edgequant/validation/", "edgequant/benchmarking/ratio.py"),
    "sklearn": ("edgequant/validation/", "edgequant_pipelines/demo/"),
}


def imports(path: Path) -> set[str]:
    """Returns the modules that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sources() -> list[Path]:
    """Returns every source file of both packages."""
    return [*LIBRARY.rglob("*.py"), *PIPELINES.rglob("*.py")]


def test_there_are_steps() -> None:
    """Every step of the plan has a folder with a component, so that the rules below check something."""
    assert STEPS == [
        "benchmarking",
        "champion",
        "conversion",
        "description",
        "evaluation",
        "fingerprinting",
        "pinning",
        "resolution",
        "sampling",
        "tracking",
        "validation",
    ]


@pytest.mark.parametrize("package", HOMES)
def test_heavy_packages_stay_home(package: str) -> None:
    """A heavy package is imported only by the step it belongs to, so that no other image needs it."""
    users = [path for path in sources() if any(name.partition(".")[0] == package for name in imports(path))]
    strangers = [path.as_posix() for path in users if not any(home in path.as_posix() for home in HOMES[package])]
    assert users
    assert strangers == []


def test_the_library_does_not_know_the_pipelines() -> None:
    """`edgequant` imports nothing of `edgequant_pipelines`."""
    assert [
        path for path in LIBRARY.rglob("*.py") if any("edgequant_pipelines" in name for name in imports(path))
    ] == []


@pytest.mark.parametrize("step", STEPS)
def test_steps_meet_only_in_artifacts(step: str) -> None:
    """A step imports no other step."""
    others = {f"edgequant.{other}" for other in STEPS if other != step} - SHARED.get(step, set())
    for path in (LIBRARY / step).rglob("*.py"):
        assert not {name for name in imports(path) if ".".join(name.split(".")[:2]) in others}, path


@pytest.mark.parametrize(("folder", "wing"), [(folder, wing) for folder in WINGS for wing in WINGS[folder]])
def test_imports_between_wings_run_one_way(folder: str, wing: str) -> None:
    """In validation/ they run gate, comparison, metrics, statistics; no wing imports one that imports it."""
    root = (LIBRARY if folder.startswith("edgequant/") else PIPELINES).parent / folder
    package = folder.replace("/", ".")
    assert {path.name for path in root.iterdir() if (path / "__init__.py").exists()} == set(WINGS[folder])
    forbidden = set(WINGS[folder]) - WINGS[folder][wing] - {wing}
    files = list((root / wing).rglob("*.py"))
    assert len(files) > 1
    for path in files:
        reached = {name.removeprefix(f"{package}.").partition(".")[0] for name in imports(path) if package in name}
        assert not reached & forbidden, path


def test_what_steps_share_knows_none_of_them() -> None:
    """What lies beside the steps imports none, so that none reaches another through it."""
    steps = {f"edgequant.{step}" for step in STEPS}
    shared = [path for path in LIBRARY.rglob("*.py") if path.relative_to(LIBRARY).parts[0] not in STEPS]
    assert len(shared) > len(STEPS)
    for path in shared:
        assert not {name for name in imports(path) if ".".join(name.split(".")[:2]) in steps}, path


@pytest.mark.parametrize("step", STEPS)
def test_a_component_is_a_contract(step: str) -> None:
    """A component's body is imports and one `with step(...)` block: no logic."""
    tree = ast.parse((LIBRARY / step / "component.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(functions) == 1
    kinds = [type(node) for node in functions[0].body]
    assert kinds[0] is ast.Expr
    assert kinds[-1] is ast.With
    assert set(kinds[1:-1]) <= {ast.ImportFrom, ast.Import}
    forbidden = (ast.If, ast.For, ast.While, ast.Try, ast.Lambda)
    assert not [node for node in ast.walk(functions[0]) if isinstance(node, forbidden)]


@pytest.mark.parametrize("step", STEPS)
def test_an_optional_artifact_has_no_union_for_its_type(step: str) -> None:
    """`Input[...] = None` is as optional as `Optional[Input[...]]`, of which KFP cannot make an artifact that has no type."""
    tree = ast.parse((LIBRARY / step / "component.py").read_text(encoding="utf-8"))
    unions = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).rpartition(".")[2] in ("Optional", "Union")
    ]
    assert not [union for union in unions if "Input[" in union or "Output[" in union]


@pytest.mark.parametrize(
    "statement",
    [
        "import edgequant",
        "import edgequant_pipelines.cli",
        "import edgequant_pipelines.config",
        "import edgequant.errors",
    ],
)
def test_imports_are_light(statement: str) -> None:
    """Importing the package or its command line loads none of TensorFlow, Beam, MLflow, KFP."""
    script = f"import sys; {statement}; print(sorted({{'tensorflow', 'apache_beam', 'mlflow', 'kfp', 'scipy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_pickled() -> None:
    """No source file imports pickle or one of its relatives, and every NumPy load refuses them."""
    for path in sources():
        assert not {name.partition(".")[0] for name in imports(path)} & {"pickle", "cloudpickle", "dill", "joblib"}, (
            path
        )
        text = path.read_text(encoding="utf-8")
        assert text.count("np.load(") == text.count("allow_pickle=False") - text.count("np.savez("), path


def test_one_name_stands_for_one_thing() -> None:
    """No two classes have one name, and no two files but those that every step has."""
    classes = [
        node.name
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    files = [path.name for path in sources() if path.stem not in ("__init__", "component", "step")]
    assert [name for name, count in Counter(classes).items() if count > 1] == []
    assert [name for name, count in Counter(files).items() if count > 1] == []


def test_collecting_tests_does_not_import_tensorflow() -> None:
    """Each worker imports every test file: TensorFlow, which takes seconds, is imported by scripts and child processes."""
    heavy = {"tensorflow", "tf_keras", "keras", "edgequant.conversion.converter"}
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name.startswith(("test_", "conftest")):
            top = ast.parse(path.read_text(encoding="utf-8")).body
            names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module for node in top if isinstance(node, ast.ImportFrom) and node.module}
            assert not names & heavy, path
