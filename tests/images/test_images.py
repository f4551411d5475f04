"""The images: what is in each, what is not, and as whom they run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgequant import __version__

# The first test builds, and everything with it.
pytestmark = [pytest.mark.images, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
# What each image is for, as modules; and what none but these has.
MODULES = {
    "sampling": ["apache_beam", "boto3", "google.cloud.storage", "pyarrow"],
    "conversion": ["tensorflow", "tf_keras", "ai_edge_litert.interpreter"],
    "evaluation": ["ai_edge_litert.interpreter", "matplotlib", "scipy.stats", "sklearn.metrics"],
    "tracking": ["mlflow.pyfunc", "boto3", "google.cloud.storage", "ai_edge_litert.interpreter"],
    "watch": ["mlflow.tracking", "prometheus_client", "kfp.client"],
}
HEAVY = {
    "tensorflow": {"conversion"},
    "tf_keras": {"conversion"},
    "ai_edge_litert": {"conversion", "evaluation", "tracking"},
    "apache_beam": {"sampling"},
    "mlflow": {"tracking", "watch"},
    "sklearn": {"evaluation", "tracking"},
}
EACH = pytest.mark.parametrize("name", MODULES)

Docker = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bill(name: str, built: Mapping[str, Any]) -> str:
    """The text of the bill of materials that `make images` wrote beside an image."""
    del built
    return (ROOT / "dist" / "images" / f"{name}-{__version__}.cdx.json").read_text(encoding="utf-8")


@EACH
def test_each_image_runs_its_step_with_nothing_to_write_to(name: str, run_in: Callable[..., str]) -> None:
    """On a read-only root file system, with no network, the image imports all that its steps do, and the command line runs."""
    modules = ["edgequant", "edgequant_pipelines", "kfp.dsl.executor_main", *MODULES[name]]
    script = f"import {', '.join(modules)}; print('imported')"
    assert run_in(name, "python3", "-W", "ignore", "-c", script).splitlines()[-1] == "imported"
    assert run_in(name, "edgequant", "--version").strip() == f"edgequant, version {__version__}"
    script = 'touch "$HOME/home" "$(mktemp -d)/file" && ! touch /new /opt/edgequant/new 2>/dev/null && echo so'
    assert run_in(name, "sh", "-ec", script) == "so\n"


@EACH
def test_each_image_runs_as_a_numbered_user_without_rights(
    name: str, built: Mapping[str, Any], run_in: Callable[..., str]
) -> None:
    """The user is a number other than root's, as `runAsNonRoot` needs; and any other number does as well."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", built[name]["Config"]["User"])
    assert run_in(name, "id", "-u").strip() == built[name]["Config"]["User"].partition(":")[0]
    script = "import getpass, kfp, pathlib; print(getpass.getuser(), pathlib.Path.home())"
    assert run_in(name, "python3", "-c", script, user="1000650000:0") == "edgequant /tmp\n"


@EACH
def test_no_image_has_what_belongs_to_another(name: str, run_in: Callable[..., str]) -> None:
    """TensorFlow is in the conversion image alone, Beam in that of sampling, MLflow in that of tracking."""
    script = f"from importlib.util import find_spec; print(*[name for name in {list(HEAVY)} if find_spec(name)])"
    assert run_in(name, "python3", "-c", script).split() == [heavy for heavy, homes in HEAVY.items() if name in homes]


@EACH
def test_nothing_of_the_build_is_left(name: str, built: Mapping[str, Any], run_in: Callable[..., str]) -> None:
    """There is no compiler, no cache of pip's, and nothing of what the build was given to reach the package index."""
    assert run_in(name, "sh", "-c", "command -v cc gcc g++ make ld pip-into || true") == ""
    assert run_in(name, "sh", "-c", "ls -A /build /root/.cache /run/secrets 2>/dev/null || true", user="0:0") == ""
    names = {setting.partition("=")[0] for setting in built[name]["Config"]["Env"]}
    assert {
        setting for setting in names if "PIP" in setting or "CERT" in setting or "PROXY" in setting.upper()
    } == set()


def test_the_evaluation_image_is_a_quarter_of_the_conversion_image(built: Mapping[str, Any]) -> None:
    """Most steps run in an image that is at least four times smaller than that with TensorFlow."""
    sizes = {name: found["Size"] for name, found in built.items()}
    print({name: f"{size / 1e6:.0f} MB" for name, size in sizes.items()})
    assert sizes["conversion"] / sizes["evaluation"] >= 4, sizes


@EACH
def test_each_image_says_what_it_is(name: str, built: Mapping[str, Any], base_image: str) -> None:
    """The labels of the Open Container Initiative tell version, commit, license and base."""
    labels = built[name]["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"].startswith(f"edgequant[{name}")
    assert labels["org.opencontainers.image.version"] == __version__
    assert re.fullmatch("[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"] == base_image


@EACH
def test_the_bill_of_materials_is_what_is_installed(name: str, bill: str, run_in: Callable[..., str]) -> None:
    """The bill is CycloneDX, and lists each installed distribution with its version: TensorFlow in the conversion image alone."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(bill)["specVersion"])
    assert JsonStrictValidator(version).validate_str(bill) is None
    listed = {(item["name"].lower(), item["version"]) for item in json.loads(bill)["components"]}
    script = "from importlib.metadata import distributions as d; print(*[f'{x.name}=={x.version}' for x in d()])"
    installed = {tuple(item.split("==")) for item in run_in(name, "python3", "-I", "-c", script).lower().split()}
    assert listed >= {item for item in installed if item[0] not in {"pip", "setuptools", "wheel"}}
    assert ("tensorflow" in {name for name, _ in listed}) == (name == "conversion")


@EACH
def test_every_version_is_that_of_the_constraints(name: str, bill: str) -> None:
    """No image holds a distribution at another version than the one that the tests ran with."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = {canonical(line.partition("==")[0]): line.partition("==")[2] for line in lines}
    found = {canonical(item["name"]): item["version"] for item in json.loads(bill)["components"]}
    assert len(found) > 20, name
    assert found.pop("edgequant") == __version__
    assert {key: version for key, version in found.items() if pinned.get(key) != version} == {}


def canonical(name: str) -> str:
    """Returns a distribution's name as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_change_of_the_source_installs_nothing_else_again(
    docker: Docker, built: Mapping[str, Any], base_image: str, tmp_path: Path
) -> None:
    """The dependencies are a layer of their own, which another source leaves as it is."""
    del built
    context = tmp_path / "context"
    for part in ("components", "pipelines", "images"):
        shutil.copytree(ROOT / part, context / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("Dockerfile", ".dockerignore", "README.md", "LICENSE", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(ROOT / part, context / part)
    (context / "images" / "pip.sh").chmod(0o755)
    with (context / "components" / "edgequant" / "errors.py").open("a") as source:
        source.write(f"# {tmp_path}\n")
    options = os.environ.get("BUILD_OPTIONS", "").split()
    arguments = ["--build-arg", f"BASE_IMAGE={base_image}", "--build-arg", "EXTRA=evaluation"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_BUILDKIT", "1")
        done = docker("build", "--progress", "plain", "--target", "build", *arguments, *options, str(context))
    output = done.stdout + done.stderr
    assert cached(output, "requirements.py")
    assert not cached(output, "--no-deps")


def cached(output: str, command: str) -> bool:
    """Tells whether the build took the result of the step with this command from its cache."""
    (number,) = set(re.findall(rf"(?m)^#(\d+) \[.*RUN.*{re.escape(command)}", output))
    return f"#{number} CACHED" in output


def test_the_watch_image_has_what_a_watcher_needs(run_in: Callable[..., str]) -> None:
    """Without any step's packages it compiles the pipeline that it submits, and gets as far as asking for MLflow's address."""
    said = run_in(
        "watch",
        "sh",
        "-ec",
        "edgequant compile --output /tmp/pipeline.yaml && grep -c edgequant/conversion: /tmp/pipeline.yaml",
    )
    assert said.split()[-1] == "1"
    script = "echo '[]' >rules.yaml; edgequant watch rules.yaml --once 2>&1 || echo ended with $?"
    said = run_in("watch", "sh", "-c", script)
    assert "Traceback" not in said
    assert said.splitlines()[-2:] == [
        "edgequant: --tracking-uri: none is given, and MLFLOW_TRACKING_URI is not set",
        "ended with 2",
    ]


def test_code_of_ones_own_goes_on_top(docker: Docker, run_in: Callable[..., str], tmp_path: Path) -> None:
    """The docs' Dockerfile adds a package to an image, which a step's process then imports."""
    (dockerfile,) = re.findall(r"```dockerfile\n(.*?)```", (ROOT / "docs" / "images.md").read_text(), re.DOTALL)
    (tmp_path / "Dockerfile").write_text(dockerfile)
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "inputs.py").write_text("def make() -> str:\n    return 'made'\n")
    own = f"edgequant/own:{__version__}"
    docker("build", "--tag", own, "--build-arg", f"IMAGE=edgequant/evaluation:{__version__}", str(tmp_path))
    assert run_in("own", "python3", "-c", "from flowers.inputs import make; print(make())") == "made\n"
    docker("image", "rm", own)


def test_an_unknown_extra_is_refused_by_name(tmp_path: Path) -> None:
    """What an image installs comes from the package's own extras; another name is told with those that there are."""
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    command = [sys.executable, str(ROOT / "images" / "requirements.py")]
    done = subprocess.run([*command, "sampling,s4"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("EXTRA: unknown extra 's4' in 'sampling,s4'; choose from ")
    done = subprocess.run([*command, "sampling,s3"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {"kfp>=2.17", "apache-beam>=2.77", "boto3>=1.35"} <= set(done.stdout.splitlines())


def test_an_unknown_image_is_refused_by_name() -> None:
    """`make images IMAGES=…` builds those it knows."""
    command = ["make", "images", "IMAGES=evaluation training"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "images: unknown image 'training'; choose from " in done.stderr


def test_the_dockerfile_has_no_findings() -> None:
    """Hadolint, with every rule it has."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [str(hadolint), "--failure-threshold", "style", "Dockerfile"],
        cwd=ROOT,
        check=False,
        text=True,
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
