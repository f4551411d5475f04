"""The commands of docs/kubeflow.md are commands that there are; nothing here needs a cluster."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from tests.manifests.reading import MANIFESTS, ROOT, pod_of, read

from edgequant.images import image
from edgequant_pipelines.cli import main
from edgequant_pipelines.config import load_config
from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments

TEXT = (ROOT / "docs" / "kubeflow.md").read_text(encoding="utf-8")
_VARIABLE = re.compile(r"([A-Z_]+)=")
# What the document sets for a Kubeflow with profiles, and for a KFP without.
PROFILES, ALONE = (
    dict(re.findall(r"([A-Z]+)=(\S*)", block))
    for block in re.findall(r"```sh\n(export PROFILE=.*?)```", TEXT, re.DOTALL)
)


def commands(program: str) -> list[list[str]]:
    """Returns the words of each command line of a program in the document."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL):
        for line in block.splitlines():
            parts = re.split(r"\s*(?:&&|;)\s*(?:do\s)?", line)
            words = [shlex.split(part, comments=True) for part in parts]
            found += [[word for word in each if word != "&"] for each in words if each and each[0] == program]
    return found


@pytest.mark.parametrize("words", commands("edgequant"), ids=" ".join)
def test_edgequant_takes_it(words: list[str]) -> None:
    """The command and its options are there, and the options take these values."""
    _, name, *rest = words
    with main.commands[name].make_context(name, list(rest)) as context:
        assert context.params


def test_the_walk_has_its_commands() -> None:
    """It submits, schedules, applies and pushes: the tests here have something to check."""
    assert {words[1] for words in commands("edgequant")} >= {"submit", "schedule"}
    assert ["kubectl", "apply", "-k", "$OVERLAY"] in commands("kubectl")
    assert commands("docker")
    assert commands("make")


@pytest.mark.parametrize("words", [*commands("make"), ["make", "manifests", "CONFIG=digits.yaml"]], ids=" ".join)
def test_make_takes_it(words: list[str]) -> None:
    """The target is there, and each variable is one that the Makefile reads."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    _, target, *variables = words
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    for variable in variables:
        name = _VARIABLE.match(variable)
        assert name
        assert f"$({name.group(1)})" in makefile


def test_the_images_pushed_are_those_that_are_built() -> None:
    """What `make images` builds is pushed, under the names that the manifests use."""
    (loop,) = re.findall(r"for image in ([a-z ]+); do docker push (\S+);", TEXT)
    built = re.search(
        r"^\| `edgequant/.*", (ROOT / "docs" / "images.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert built
    assert loop[0].split() == re.findall(r"^\| `edgequant/(\w+)`", built.group(0), re.MULTILINE)
    assert loop[1].replace("$image", "watch") == image("watch", "registry.example.com/ml")
    assert f"TAG={image('watch').partition(':')[2]}" in TEXT


def test_what_kubectl_is_given_is_there() -> None:
    """Every folder and file that kubectl builds, shows or applies is there, and so is every object that is asked about."""
    for words, setting in [(words, setting) for words in commands("kubectl") for setting in (PROFILES, ALONE)]:
        for option in ("-k", "-f", "kustomize"):
            if option in words:
                path = ROOT / words[words.index(option) + 1].replace("$OVERLAY", setting["OVERLAY"])
                assert path.is_file() if option == "-f" else (path / "kustomization.yaml").is_file(), words
    names = {read("base/deployment.yaml")["metadata"]["name"], read("base/service.yaml")["metadata"]["name"]}
    asked = set(re.findall(r"(?:deployment|service)/(edgequant-[a-z-]+)", TEXT))
    assert asked <= names


def test_where_things_are() -> None:
    """The watcher is asked about where its overlay puts it, and runs are sent to the profile; without profiles, to no namespace."""
    for names in (PROFILES, ALONE):
        overlay = read(f"{names['OVERLAY'].removeprefix('manifests/')}/kustomization.yaml")
        assert names["WATCH"] == overlay["namespace"]
        # The watcher's image and those of the steps that it starts are of one build.
        assert [item["newTag"] for item in overlay["images"]] == [
            read("base/rules/digits.yaml")["kubeflow"]["image_tag"]
        ]
    assert PROFILES["PROFILE"] == PROFILES["NAMESPACE"] == PROFILES["WATCH"]
    assert (ALONE["PROFILE"], ALONE["NAMESPACE"]) == ("", "kubeflow")
    of_watch = [words for words in commands("kubectl") if any("edgequant-watch" in word for word in words)]
    assert {words[words.index("--namespace") + 1] for words in of_watch} == {"$WATCH"}
    assert len(of_watch) >= 5
    sent = [words[words.index("--namespace") + 1] for words in commands("edgequant") if "--namespace" in words]
    assert set(sent) == {"$PROFILE"}
    assert len(sent) >= 4


def test_links_of_the_watcher_open_the_page_of_the_tunnel() -> None:
    """Without profiles the run's links go to the port that step 4 opens for KFP's pages, and not to the watcher's own."""
    values = dict(line.split("=", 1) for line in (MANIFESTS / "overlays/standalone/watch.env").read_text().splitlines())
    (port,) = re.findall(r"service/ml-pipeline-ui (\d+):80", TEXT)
    assert values["KF_PIPELINES_UI_ENDPOINT"] == f"http://localhost:{port}"
    assert f"service/edgequant-watch {port}:" not in TEXT


def test_the_configuration_runs_on_a_cluster(tmp_path: Path) -> None:
    """The walk's YAML loads, names nothing of this machine, and its secrets are those that the walk makes."""
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "digits.yaml"
    path.write_text(block, encoding="utf-8")
    config = load_config(path)
    arguments = cluster_arguments(config)
    assert arguments["model"] == "models:/digits-cnn@candidate"
    made = {words[words.index("generic") + 1] for words in commands("kubectl") if "generic" in words}
    assert made == set(config.kubeflow.secrets)
    used = {
        v["valueFrom"]["secretKeyRef"]["name"] for v in pod_of(read("base/deployment.yaml"))["containers"][0]["env"]
    }
    assert used <= made
    assert yaml.safe_load(block)["kubeflow"]["secrets"] == read("base/rules/digits.yaml")["kubeflow"]["secrets"]


def test_every_folder_is_told_of() -> None:
    """The table has each folder that is built or used, and no other."""
    folders = {str(path.parent.relative_to(ROOT)) for path in MANIFESTS.rglob("kustomization.yaml")}
    assert set(re.findall(r"^\| `(manifests/[a-z/]+)` \|", TEXT, re.MULTILINE)) == folders


def test_the_arguments_are_those_that_watching_tells() -> None:
    """docs/watching.md shows the command lines of the Deployment and of the CronJob."""
    told = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
    shown = [sorted(yaml.safe_load(line)["args"]) for line in re.findall(r"^args: .*", told, re.MULTILINE)]
    used = [
        pod_of(read(path))["containers"][0]["args"]
        for path in ("base/deployment.yaml", "components/cronjob/cronjob.yaml")
    ]
    assert shown == [sorted(arguments) for arguments in used]
