"""A machine where `edgequant[watch]` alone is installed: rules with `submit: local` are refused when they are read."""

import os
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from edgequant_pipelines.installation import MODULES, missing_module

# What `edgequant[watch]` and kfp bring along.
ELSEWHERE = {"google_crc32c", "mlflow"}
ROOT = Path(__file__).parents[3]

_RELOADED = """
import sys
from pathlib import Path
from edgequant_pipelines.watching.rules.rules import RulesFile
path = Path(sys.argv[1])
local = path.read_text()
path.write_text(local.replace("submit: local", "submit: kubeflow"))
rules = RulesFile(path, "https://mlflow.example.com")
path.write_text(local)
print(rules.reload(), rules.rules.launchers(), rules.problem)
"""


def python_without(folder: Path, modules: set[str], *words: object) -> "subprocess.CompletedProcess[str]":
    """Runs Python where everything is installed that is here, but for some modules."""
    site = folder / "site"
    site.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if entry.name not in modules:
            (site / entry.name).symlink_to(entry)
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    path = os.pathsep.join(map(str, (site, ROOT / "components", ROOT / "pipelines")))
    # -S: nothing else that is installed beside this Python.
    return subprocess.run(
        [str(python), "-S", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.parametrize(
    ("absent", "named"),
    [({"tenacity"}, "tenacity"), ({module for modules in MODULES.values() for module in modules} - ELSEWHERE, "apache_beam")],
)  # fmt: skip
def test_rules_for_this_machine_are_refused_at_the_start(scene: Any, absent: set[str], named: str) -> None:
    """Before a version is claimed, with what to install."""
    scene.version()
    rules = scene.rules({})
    command = ("-m", "edgequant_pipelines.cli", "watch", rules, "--once", "--tracking-uri", scene.uri)
    done = python_without(scene.folder, absent, *command)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr == (
        f"edgequant: {rules}: rules.0: submit: 'local' runs every step on this machine, and {named} is not installed; "
        "pip install 'edgequant[all]', or take 'kubeflow'\n"
    )
    assert scene.claims() == []


def test_rules_that_are_edited_to_run_on_this_machine_are_refused(scene: Any) -> None:
    """Those for Kubeflow stay in force, which need none of it."""
    config = {"examples": {"calibration": "s3://bucket/train.npz"}}
    rules = scene.rules({"submit": "local"}, config=config)
    done = python_without(scene.folder, {"tenacity"}, "-c", _RELOADED, rules)
    assert done.stdout.startswith(f"False {{'kubeflow'}} {rules}: rules.0: submit: 'local' "), done.stderr


_TOO_FEW = """
from pathlib import Path
from edgequant_pipelines.config import make_config
from edgequant_pipelines.example_count import check_example_count
examples = {"calibration": "s3://bucket/train.npz", "label": "y"}
config = make_config({"name": "x", "model": "models:/x/1", "examples": examples, "gate": {"max_drop_points": 1.0}, "sampling": {"evaluation": 20}}, Path("."))
check_example_count(config)
print("passed")
"""


def test_without_scipy_the_count_of_examples_is_left_to_the_verdict(tmp_path: Path) -> None:
    """The watcher's image has none; elsewhere 20 examples are refused for a limit of one point."""
    done = python_without(tmp_path, {"scipy"}, "-c", _TOO_FEW)
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stderr
    (tmp_path / "all").mkdir()
    assert (
        "sampling.evaluation: 20 can bless no variant" in python_without(tmp_path / "all", set(), "-c", _TOO_FEW).stderr
    )


def test_where_all_is_installed_nothing_is_missing() -> None:
    """As here; the modules are those of the packages that the extras name."""
    assert missing_module() == ""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = packages_distributions()
    for extra, modules in MODULES.items():
        packages = {needed.partition(">")[0] for needed in extras[extra]}
        distributions = [{name.lower().replace("_", "-") for name in names[module]} for module in modules]
        assert all(packages & provided for provided in distributions)
        assert packages <= set().union(*distributions)
