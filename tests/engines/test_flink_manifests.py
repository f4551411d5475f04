"""The Flink cluster of manifests/flink, with its configuration and its arguments, as processes instead of pods.

Flink's programs run from the jars of Beam's job server, which are of the version that the image has. The scripts that would start
them compute the memory of each by `BashJavaUtils`, and so does this.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
FLINK = ROOT / "manifests" / "flink"
JARS = ROOT / ".engines" / "flink"
MANAGER = "edgequant-flink-jobmanager"
ANYWHERE = "0.0.0.0"  # noqa: S104 - replaced, not bound
# What the distribution's own configuration opens for Flink's serializers, on Java 17.
OPENS = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "net", "time", "util")]
# As in conftest.py.
REQUIRE = "EDGEQUANT_REQUIRE_ENGINES"
RESULT = "BASH_JAVA_UTILS_EXEC_RESULT:"

Digests = Callable[[str, Sequence[str]], dict[str, str]]
Serve = Callable[[str, Sequence[str]], int]


def java(program: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
    """Returns the command that runs one of Flink's or Beam's programs."""
    return [str(shutil.which("java")), *OPENS, *options, "-cp", f"{JARS}/*", program, *arguments]


def container(file: str, name: str) -> dict[str, Any]:
    """Returns a container of a Deployment."""
    deployment = yaml.safe_load((FLINK / file).read_text(encoding="utf-8"))
    (found,) = (c for c in deployment["spec"]["template"]["spec"]["containers"] if c["name"] == name)
    return dict(found)


def resources(kind: str, folder: Path) -> tuple[list[str], list[str]]:
    """Returns Java's options and Flink's settings that follow from the configuration, for the job manager or a task manager."""
    command = java(
        "org.apache.flink.runtime.util.bash.BashJavaUtils", f"GET_{kind}_RESOURCE_PARAMS", "--configDir", str(folder)
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    machine, settings = (
        line.removeprefix(RESULT).split() for line in done.stdout.splitlines() if line.startswith(RESULT)
    )
    return machine, settings


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for_slots(rest: int, slots: int) -> None:
    """Waits until the job manager has this many slots."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        answer = urllib3.request("GET", f"http://localhost:{rest}/overview", retries=False)
        if answer.status == 200 and json.loads(answer.data)["slots-total"] == slots:
            return
        time.sleep(1)
    pytest.fail(f"the task manager did not offer its {slots} slots within 90 s")


@pytest.fixture(scope="session")
def cluster(external_workers: list[str], serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Beam's options for the cluster."""
    if not shutil.which("java") or not any(JARS.glob("*.jar")):
        why = "Flink needs Java, and its jars, which `make test-engines` fetches with Maven"
        (pytest.fail if os.environ.get(REQUIRE) else pytest.skip)(why)
    folder = tmp_path_factory.mktemp("conf")
    text = (FLINK / "config.yaml").read_text(encoding="utf-8")
    text = text.replace(MANAGER, "localhost").replace(ANYWHERE, "localhost")
    settings = {**yaml.safe_load(text), "io.tmp.dirs": str(tmp_path_factory.mktemp("tmp"))}
    settings |= {"jobmanager.rpc.port": 0, "blob.server.port": 0, "taskmanager.rpc.port": 0}
    slots = settings["taskmanager.numberOfTaskSlots"]
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    machine, more = resources("JM", folder)
    rpc = free_port()
    manager = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
    started = java(manager, "--configDir", str(folder), *more, options=machine)
    rest = serve("jobmanager", [*started, f"-Djobmanager.rpc.port={rpc}", "-Drest.port={port}"])
    machine, more = resources("TM", folder)
    runner = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    started = java(runner, "--configDir", str(folder), *more, options=machine)
    serve("taskmanager", [*started, "-D", f"jobmanager.rpc.port={rpc}", "-D", "taskmanager.rpc.port={port}"])
    wait_for_slots(rest, slots)
    artifact = free_port()
    places = {"--flink-master": f"localhost:{rest}", "--job-port": "{port}", "--artifact-port": str(artifact)}
    places["--artifacts-dir"] = str(tmp_path_factory.mktemp("artifacts"))
    arguments = [
        f"{name}={places.get(name, value)}"
        for name, value in (word.split("=", 1) for word in container("job-server.yaml", "job-server")["args"])
    ]
    jobs = serve("job-server", java("org.apache.beam.runners.flink.FlinkJobServerDriver", *arguments))
    return [
        *("--runner=PortableRunner", f"--job_endpoint=localhost:{jobs}", f"--artifact_endpoint=localhost:{artifact}"),
        *(f"--parallelism={slots}", *external_workers),
    ]


def test_the_cluster_of_the_manifests_draws_the_same(
    cluster: list[str], digests: Digests, embedded: Mapping[str, dict[str, str]]
) -> None:
    """A Flink cluster with the manifests' configuration draws the sample that the default runner draws."""
    assert digests("split", cluster) == embedded["split"]


def test_the_options_in_the_document_are_those_of_the_manifests() -> None:
    """docs/engines.md names the services, ports and slots of manifests/flink."""
    text = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(beam:.*?)```", text, re.DOTALL)
    options = dict(option.removeprefix("--").split("=", 1) for option in yaml.safe_load(block)["beam"])
    service = yaml.safe_load((FLINK / "job-server-service.yaml").read_text(encoding="utf-8"))
    name, ports = service["metadata"]["name"], {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert options["job_endpoint"] == f"{name}:{ports['jobs']}"
    assert options["artifact_endpoint"] == f"{name}:{ports['artifacts']}"
    (pool,) = container("taskmanager.yaml", "worker-pool")["ports"]
    assert options["environment_config"] == f"localhost:{pool['containerPort']}"
    settings = yaml.safe_load((FLINK / "config.yaml").read_text(encoding="utf-8"))
    assert int(options["parallelism"]) == settings["taskmanager.numberOfTaskSlots"]
