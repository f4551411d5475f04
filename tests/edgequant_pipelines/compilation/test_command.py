"""`edgequant compile`: the files it writes, and what it refuses."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from kfp import components

from edgequant_pipelines.cli import main
from edgequant_pipelines.components import COMPONENTS

Edgequant = Callable[..., Any]


def run(*arguments: object) -> Result:
    """Returns how the command ended."""
    return CliRunner().invoke(main, ["compile", *map(str, arguments)])


def test_it_writes_a_file_and_says_which_pipeline(config_file: Path, tmp_path: Path, edgequant: Edgequant) -> None:
    """With the configuration's registry or another, as a process of its own."""
    done = edgequant("compile", "--config", config_file, "--tag", "7", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name, _, digest = done.stdout.strip().rpartition(" ")
    assert name == "pipeline.yaml: quantize-model, digest"
    assert len(digest) == 64
    text = (tmp_path / "pipeline.yaml").read_text()
    assert "image: registry.example.com:5000/team/conversion:7\n" in text


def test_what_only_this_machine_has_is_told(config_file: Path, tmp_path: Path) -> None:
    """A default that no pod can use is a warning for each key, in the words of `submit`, and the file is written."""
    local = ["--set", "model=old.keras", "--set", "tracking.uri=http://localhost:5000"]
    done = run("--config", config_file, "-o", tmp_path / "pipeline.yaml", *local)
    assert done.exit_code == 0, done.output
    model, tracking = done.stderr.splitlines()
    assert model.startswith("edgequant: warning: model: ")
    assert "old.keras' is a path of this machine, which a pod does not have; register the model in MLflow" in model
    assert tracking.startswith("edgequant: warning: tracking.uri: 'http://localhost:5000' is this machine; ")
    assert done.stdout.startswith(f"{tmp_path / 'pipeline.yaml'}: quantize-model, digest ")


def test_each_step_is_a_component_to_load(tmp_path: Path) -> None:
    """Each step, and `quantize`, is a file that KFP loads, with the images that are asked for and the inputs of the step."""
    done = run(
        "--components", tmp_path, "--output", tmp_path / "pipeline.yaml", "--image-prefix", "registry.example.com/team"
    )
    assert done.exit_code == 0, done.output
    names = [*COMPONENTS.values(), "quantize"]
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted([*names, "pipeline"])
    for name in names:
        loaded = components.load_component_from_file(str(tmp_path / f"{name}.yaml"))
        assert loaded.name == name.replace("_", "-")
        assert loaded.description
        documents = list(yaml.safe_load_all((tmp_path / f"{name}.yaml").read_text()))
        images = {item["container"]["image"] for item in documents[0]["deploymentSpec"]["executors"].values()}
        assert all(image.startswith("registry.example.com/team/") for image in images)
    assert "saved_model" in loaded.component_spec.inputs
    assert {"convert_memory_limit", "track_cpu_limit"} <= set(loaded.component_spec.inputs)
    # The steps that only the pipeline around it has are not its business.
    assert not [key for key in loaded.component_spec.inputs if key.startswith(("pin_", "fingerprint_", "resolve_"))]


def test_components_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline is written beside the components when it is asked for, and each file is named."""
    monkeypatch.chdir(tmp_path)
    done = run("--components", "steps")
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["steps"]
    assert sorted(done.output.split()) == sorted(str(path) for path in Path("steps").iterdir())
    assert run("--components", "steps", "--kubernetes-manifests").exit_code == 0
    assert "kind: PipelineVersion\n" in Path("pipeline.yaml").read_text()


def test_manifests_are_for_kubectl(tmp_path: Path) -> None:
    """With --kubernetes-manifests the file holds the two resources."""
    assert run("--kubernetes-manifests", "-o", tmp_path / "m.yaml").exit_code == 0
    assert [item["kind"] for item in yaml.safe_load_all((tmp_path / "m.yaml").read_text())] == [
        "Pipeline",
        "PipelineVersion",
    ]


def test_no_other_file_is_overwritten(config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the configuration that is compiled, nor manifests by a pipeline or the other way round; only its own kind is."""
    shutil.copytree(config_file.parent, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    configuration = "# my own notes\n" + config_file.read_text()
    Path("pipeline.yaml").write_text(configuration)
    for options in ([], ["-o", "pipeline.yaml"], ["--kubernetes-manifests"]):
        done = run("--config", "pipeline.yaml", *options)
        assert done.exit_code == 2
        assert "edgequant: pipeline.yaml: already exists and is not " in done.stderr
        assert Path("pipeline.yaml").read_text() == configuration
    assert [run("-o", "p.yaml").exit_code for _ in range(2)] == [0, 0]
    compiled = Path("p.yaml").read_bytes()
    assert run("-o", "p.yaml", "--kubernetes-manifests").exit_code == 2
    assert Path("p.yaml").read_bytes() == compiled
    assert [run("-o", "m.yaml", "--kubernetes-manifests").exit_code for _ in range(2)] == [0, 0]
    assert run("-o", "m.yaml").exit_code == 2
    Path("steps").mkdir()
    Path("steps/convert.yaml").write_text("name: mine\n")
    assert run("--components", "steps").exit_code == 2
    assert Path("steps/convert.yaml").read_text() == "name: mine\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--image-prefix", "https://registry.example.com"),
            "'https://registry.example.com' has a scheme; leave out 'https://'",
        ),
        (
            ("--image-prefix", "Registry/Team"),
            "'Registry/Team' has upper case, which registries refuse; write 'registry/team'",
        ),
        (("--image-prefix", "Registry/team x"), "'Registry/team x' has upper case, which registries refuse\n"),
        (("--image-prefix", "example.com/team:1.0"), "'example.com/team:1.0' has a tag; give it as --tag 1.0"),
        (
            ("--image-prefix", "registry:5000"),
            "has a tag; give it as --tag 5000; after a registry with a port a path is needed",
        ),
        (("--image-prefix", "user@example.com/team"), "has a digest or credentials"),
        (("--image-prefix", "example.com/team/"), "'example.com/team/' ends with '/'; leave it out"),
        (("--image-prefix", "example.com//team"), "is not the beginning of an image's name"),
        (("--image-prefix", ""), "is empty; a registry and a path are needed, such as registry.example.com/team"),
        (("--tag", "a b"), "tag: 'a b' is not allowed; letters, digits, '_', '.' and '-', at most 128"),
        (("--tag", ""), "tag: '' is not allowed"),
        (("--tag", "x" * 129), "at most 128"),
        (("--set", "name=x"), "--set: there is nothing to set without --config"),
        (("--config", "missing.yaml"), "missing.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """One line that says what is wrong and what is allowed, exit code 2, and no file."""
    done = run("-o", tmp_path / "pipeline.yaml", *arguments)
    assert done.exit_code == 2
    assert done.output.startswith("edgequant: ")
    assert done.output.count("\n") == 1
    assert message in done.output
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    """The file's folder is a file: it is named, with the reason."""
    (tmp_path / "taken").touch()
    done = run("-o", tmp_path / "taken" / "pipeline.yaml")
    assert done.exit_code == 2
    assert f"{tmp_path}/taken/pipeline.yaml: cannot be written (" in done.output


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("kubeflow.image_prefix=Team", "kubeflow.image_prefix: 'Team' has upper case"),
        ("kubeflow.steps={converter: {cpu_limit: '2'}}", "unknown step 'converter'; choose from pin, "),
        ("kubeflow.steps={convert: {cpu_limit: two}}", "kubeflow.steps.convert.cpu_limit: 'two' is no amount of CPU"),
        (
            "kubeflow.steps={convert: {memory_limit: 4GB}}",
            "memory_limit: '4GB' is no amount of memory; '512Mi' and '4Gi' are",
        ),
        ("kubeflow.steps={convert: {timeout_seconds: 0}}", "kubeflow.steps.convert.timeout_seconds: 0 is wrong"),
        ("kubeflow.secrets={My_Secret: [A]}", "'My_Secret' cannot be the name of a secret"),
        ("kubeflow.secrets={a: [TOKEN], b: [TOKEN]}", "TOKEN is in 'a' and in 'b'; one of them can give it"),
        ("kubeflow.labels={team: 'two words'}", "kubeflow.labels: 'two words' cannot be a label's value"),
        ("kubeflow.node_selector={-pool: quiet}", "kubeflow.node_selector: '-pool' cannot be a label's key"),
        ("kubeflow.tolerations=[{value: x}]", "kubeflow.tolerations: without a key, operator must be Exists"),
        (
            "kubeflow.tolerations=[{key: a, operator: Exists, value: x}]",
            "operator Exists takes no value, and 'x' is given",
        ),
        ("kubeflow.retries=-1", "kubeflow.retries: -1 is wrong"),
    ],
)
def test_what_kubernetes_would_refuse(setting: str, message: str, config_file: Path, tmp_path: Path) -> None:
    """A wrong value of `kubeflow` is one line, before anything is written."""
    done = run("--config", config_file, "--set", setting, "-o", tmp_path / "pipeline.yaml")
    assert done.exit_code == 2, done.output
    assert done.output.count("\n") == 1
    assert message in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_password_in_the_wrong_place_is_not_repeated(config_file: Path, tmp_path: Path) -> None:
    """A value where a variable's name belongs is refused without being printed."""
    done = run(
        "--config", config_file, "--set", "kubeflow.secrets={a: {password: 'hunter2!'}}", "-o", tmp_path / "p.yaml"
    )
    assert done.exit_code == 2
    assert "kubeflow.secrets.a: holds what is no environment variable's name" in done.output
    assert "hunter2" not in done.output


def test_the_documented_commands_work(config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `edgequant compile` of docs/kubeflow.md, as it stands, writes what the comment beside it says; the README's is one."""
    root = Path(__file__).parents[3]
    lines, readme = (
        [line for line in (root / name).read_text().splitlines() if line.startswith("edgequant compile")]
        for name in ("docs/kubeflow.md", "README.md")
    )
    commands = [shlex.split(line, comments=True) for line in lines]
    assert len(commands) == 3
    assert [shlex.split(line, comments=True) for line in readme] == commands[:1]
    monkeypatch.chdir(tmp_path)
    for name in ("digits.yaml", "inputs.py"):
        Path(name.replace("digits", "flowers")).write_text((config_file.parent / name).read_text())
    written: list[Path] = []
    for _, _, *arguments in commands:
        texts = {path: path.read_text() for path in written}
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        assert {path: path.read_text() for path in written} == texts
        written = [path for path in Path().rglob("*.yaml") if path.name != "flowers.yaml"]
    assert "registry.example.com/team" in Path("pipeline.yaml").read_text()
    assert "kind: PipelineVersion\n" in Path("quantize.yaml").read_text()
    assert Path("compiled/quantize.yaml").is_file()
    ignored = (Path(__file__).parents[3] / ".gitignore").read_text().splitlines()
    assert {f"/{path.parts[0]}{'/' * (len(path.parts) > 1)}" for path in written} <= set(ignored)
