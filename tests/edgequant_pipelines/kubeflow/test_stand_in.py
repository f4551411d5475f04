"""The stand-in for KFP's API server answers as KFP 2.17.0 was seen to: its answers are the facts that the client is built on."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kfp_server_api as api
import pytest
import yaml
from tests.kfp_server import KfpServer
from tests.kfp_server.authorization import denying

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import Connection, submit

Call = Callable[[], Any]


def refusal(call: Call) -> tuple[int, Any]:
    """Returns the status and the body that a call is refused with: JSON where it is JSON, else text."""
    with pytest.raises(api.ApiException) as raised:
        call()
    try:
        return raised.value.status, json.loads(raised.value.body)
    except ValueError:
        return raised.value.status, raised.value.body


@pytest.fixture
def run(server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline) -> dict[str, Any]:
    """A run, and so a pipeline with a version and an experiment."""
    submit(connection, config, run_name="flowers-1", compiled=compiled)
    return server.all("run")[0]


@pytest.fixture
def create(connection: Connection, run: dict[str, Any]) -> Callable[..., Any]:
    """Makes another run like it, but for what is given."""
    kept = ("experiment_id", "display_name", "pipeline_version_reference", "runtime_config")

    def call(**changes: Any) -> Any:
        body = {**{key: run[key] for key in kept}, **changes}
        return connection.client.runs.run_service_create_run(run=body)

    return call


def listed(connection: Connection, name: str, **query: Any) -> list[str]:
    """Returns the names of the runs that the server lists for a name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    page = connection.client.runs.run_service_list_runs(filter=json.dumps({"predicates": [predicate]}), **query)
    return [item.display_name for item in page.runs or []]


@pytest.mark.parametrize(
    ("name", "equal"),
    [("FLOWERS-1", True), ("flówers-1", True), ("flowers-1  ", True), (" flowers-1", False), ("flowers-10", False)],
)
def test_names_are_compared_as_the_database_does(
    connection: Connection, run: dict[str, Any], name: str, equal: bool
) -> None:
    """Without case, accents and blanks at the end."""
    assert listed(connection, name) == [run["display_name"]] * equal


@pytest.mark.parametrize("name", ["flowers", "FLOWERS", "Flówers", "flowers "])
@pytest.mark.usefixtures("run")
def test_names_that_exist(connection: Connection, name: str) -> None:
    """An experiment, a pipeline and a version of a name exist once; 409 is the answer in the gateway's form, without `error`."""
    client = connection.client
    status, body = refusal(
        lambda: client.experiments.experiment_service_create_experiment(experiment={"display_name": name})
    )
    assert (status, sorted(body), body["code"]) == (409, ["code", "details", "message"], 6)
    pipeline = name.replace("flowers", "quantize-model").replace("FLOWERS", "QUANTIZE-MODEL")
    if pipeline.casefold().strip() == "quantize-model":
        body = {"display_name": pipeline, "name": pipeline}
        assert refusal(lambda: client.pipelines.pipeline_service_create_pipeline(pipeline=body))[0] == 409


def test_runs_and_recurring_runs_of_a_name(
    server: KfpServer, create: Callable[..., Any], connection: Connection
) -> None:
    """There may be two of each."""
    create()
    assert [body["display_name"] for body in server.all("run")] == ["flowers-1"] * 2
    first = server.all("run")[0]
    for _ in range(2):
        recurring(connection, first)
    assert len(server.all("recurring run")) == 2


def recurring(connection: Connection, run: dict[str, Any], cron: str = "0 0 2 * * *", **changes: Any) -> Any:
    """Makes a recurring run of what a run is of."""
    body = {key: run[key] for key in ("experiment_id", "display_name", "pipeline_version_reference", "runtime_config")}
    values = {"trigger": {"cron_schedule": {"cron": cron}}, "max_concurrency": "1", "mode": "ENABLE"}
    return connection.client.recurring_runs.recurring_run_service_create_recurring_run(
        recurring_run={**body, **values, **changes}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"display_name": ""},
        {"display_name": "x" * 256},
        {"display_name": "flowers 🌷"},
        {"pipeline_version_reference": {"pipeline_id": "other", "pipeline_version_id": "version"}},
        {"pipeline_version_reference": {"pipeline_id": "pipeline", "pipeline_version_id": "unknown"}},
    ],
    ids=str,
)
def test_runs_that_are_errors_of_the_server(
    server: KfpServer, create: Callable[..., Any], changes: dict[str, Any]
) -> None:
    """What the database or the lookup of the version refuses is 500, code 13."""
    (version,) = server.all("version")
    text = json.dumps(changes).replace('"version"', json.dumps(version["pipeline_version_id"]))
    status, body = refusal(lambda: create(**json.loads(text.replace('"pipeline"', json.dumps(version["pipeline_id"])))))
    assert (status, body["code"]) == (500, 13)
    create(display_name="x" * 255)


@pytest.mark.parametrize(("kind", "longest"), [("experiment", 128), ("pipeline", 128)])
def test_names_that_are_too_long_or_empty(connection: Connection, kind: str, longest: int) -> None:
    """They are errors of the server, too."""
    service = getattr(connection.client, f"{kind}s")
    create = getattr(service, f"{kind}_service_create_{kind}")

    def call(name: str) -> Any:
        return create(**{kind: {"display_name": name, "name": name} if kind == "pipeline" else {"display_name": name}})

    for name in ("x" * (longest + 1), ""):
        status, body = refusal(lambda name=name: call(name))  # type: ignore[misc]
        assert (status, body["code"]) == (500, 13)
    call("x" * longest)


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("seed", 17.0, True),
        ("seed", "17", False),
        ("seed", None, False),
        ("name", 17, False),
        ("gate", "{}", False),
        ("variants", "[]", False),
        ("stability", 1, False),
    ],
)
def test_arguments(
    server: KfpServer, create: Callable[..., Any], run: dict[str, Any], key: str, value: Any, accepted: bool
) -> None:
    """A float for an integer is taken; a list as a string, null, and an integer for a string or a boolean are not."""
    arguments = run["runtime_config"]["parameters"]
    if key == "stability":
        key = next(name for name, given in arguments.items() if isinstance(given, bool))
    changed = {"runtime_config": {"parameters": {**arguments, key: value}}}
    if accepted:
        create(**changed)
        assert len(server.all("run")) == 2
    else:
        assert refusal(lambda: create(**changed))[0] == 400


def test_a_run_without_an_experiment(server: KfpServer, create: Callable[..., Any]) -> None:
    """It goes to Default, whichever it is the first or the second."""
    for _ in range(2):
        create(experiment_id="")
    default = [body["experiment_id"] for body in server.all("experiment") if body["display_name"] == "Default"]
    assert [body["experiment_id"] for body in server.all("run")][1:] == default * 2
    assert len(default) == 1


def test_a_run_that_has_not_ended(connection: Connection, run: dict[str, Any]) -> None:
    """An unset time is that of 1970; there are the states so far and the plugins' output, and no `error`."""
    answer = connection.client.runs.run_service_get_run(run["run_id"])
    assert answer.finished_at.year == 1970
    assert [item.state for item in answer.state_history] == ["PENDING"]
    assert run["plugins_output"] == {}
    assert "error" not in run


def test_pages(connection: Connection, create: Callable[..., Any]) -> None:
    """A page's token is base64; what is none is refused."""
    for _ in range(4):
        create()
    names, token = 0, ""
    while True:
        page = connection.client.runs.run_service_list_runs(page_size=2, page_token=token)
        names += len(page.runs)
        token = page.next_page_token
        if not token:
            break
        assert json.loads(base64.b64decode(token))
    assert names == 5
    assert refusal(lambda: connection.client.runs.run_service_list_runs(page_token="2"))[0] == 400  # noqa: S106


def test_a_namespace_on_a_single_user_installation(connection: Connection, run: dict[str, Any]) -> None:
    """It is ignored."""
    assert listed(connection, run["display_name"], namespace="any") == [run["display_name"]]
    page = connection.client.pipelines.pipeline_service_list_pipelines(namespace="any")
    assert [item.display_name for item in page.pipelines] == ["quantize-model"]


@pytest.mark.parametrize(
    "cron", ["0 0 2 * * *", "0 2 * * *", "@daily", "@every 1h", "@every 1h30m", "0 0 2 * * mon-fri", "0 0 2 * * ?"]
)
def test_cron_that_is_taken(server: KfpServer, connection: Connection, run: dict[str, Any], cron: str) -> None:
    """Five fields, descriptors and the names of days are."""
    recurring(connection, run, cron)
    assert len(server.all("recurring run")) == 1


@pytest.mark.parametrize(
    "cron",
    ["0 0 2 L * *", "0 0 2 * * 7", "TZ=UTC 0 2 * * *", "CRON_TZ=UTC 0 0 2 * * *", "0 2 * *", "0 0 2 * * * *",
     "@reboot", "@every day", "0 0 2 * * FRI#2", "0 0 22-2 * * *", "0 0 2 */0 * *", ""],
)  # fmt: skip
def test_cron_that_is_refused(connection: Connection, run: dict[str, Any], cron: str) -> None:
    """`L`, a Sunday of 7, zones, four and seven fields, and ranges that begin after their end are."""
    status, body = refusal(lambda: recurring(connection, run, cron))
    assert status == 400
    assert "Schedule cron is not a supported format" in body["message"]


@pytest.fixture
def uploading(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, tmp_path: Path
) -> Callable[..., Any]:
    """Uploads a version of the pipeline that is there."""
    submit(connection, config, run_name="flowers-1", compiled=compiled)
    (pipeline,) = server.all("pipeline")

    def call(text: str = compiled.text, name: str = "another", pipeline_id: str = pipeline["pipeline_id"]) -> Any:
        path = tmp_path / "pipeline.yaml"
        path.write_text(text)
        return connection.client.pipeline_uploads.upload_pipeline_version(str(path), name=name, pipelineid=pipeline_id)

    return call


def test_uploads_that_are_refused(server: KfpServer, uploading: Callable[..., Any], compiled: CompiledPipeline) -> None:
    """All are 400 with a message and details, or plain text; a name that exists is 409."""
    two = yaml.safe_dump_all([compiled.documents[0], compiled.documents[0]])
    (version,) = server.all("version")
    forms = ["error_details", "error_message"]
    for call, status, text in (
        (lambda: uploading("a: 1"), 400, "no pipeline spec is provided"),
        (lambda: uploading(two), 400, "multiple pipeline specs"),
        (lambda: uploading(pipeline_id="unknown"), 400, "not found"),
        (lambda: uploading(name=version["name"].upper()), 409, "already exist"),
    ):
        answered, body = refusal(call)
        assert (answered, sorted(body)) == (status, forms)
        assert text in body["error_message"]
    answered, body = refusal(lambda: uploading(name="x" * 128))
    assert (answered, body) == (400, "Invalid input error: PipelineVersion.Name length cannot exceed 127\n")
    server.rules.namespaces, server.rules.authorizer = ("team",), denying("create pipelines")
    answered, body = refusal(uploading)
    assert (answered, sorted(body)) == (400, forms)


def test_a_platform_spec_beside_the_pipeline(
    server: KfpServer, uploading: Callable[..., Any], compiled: CompiledPipeline
) -> None:
    """Both are stored, each under its name; a third document is ignored."""
    platform: dict[str, Any] = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {}}}}}
    uploading(yaml.safe_dump_all([compiled.documents[0], platform, {"any": "thing"}]))
    stored = server.all("version")[-1]["pipeline_spec"]
    assert sorted(stored) == ["pipeline_spec", "platform_spec"]
    assert stored["pipeline_spec"]["pipelineInfo"]["name"] == "quantize-model"
