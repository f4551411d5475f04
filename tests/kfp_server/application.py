"""The v2beta1 API."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import Response
from tests.kfp_server import names
from tests.kfp_server.authorization import Authorizer, add_authorization, denial
from tests.kfp_server.cron import check_cron
from tests.kfp_server.listing import page
from tests.kfp_server.refusals import PlainRefusedError, RefusedError, UploadRefusedError
from tests.kfp_server.spec import check_arguments, pipeline_of, read_pipeline
from tests.kfp_server.store import Body, Store

_API = "/apis/v2beta1"
_MOST_AT_ONCE = 10
_UNSET = "1970-01-01T00:00:00Z"


@dataclass(kw_only=True)
class Rules:
    """Whom the server lets do what.

    Attributes:
        token: The bearer token that requests need; "" for none.
        namespaces: The namespaces of a multi-user installation that the account may use; empty: a single-user one.
        authorizer: What decides on each right that a request needs; None: everybody may do everything.
    """

    token: str = ""
    namespaces: tuple[str, ...] = ()
    authorizer: Authorizer | None = None


def make_application(store: Store, rules: Rules) -> FastAPI:
    """Returns the API over a store."""
    application = FastAPI()

    @application.middleware("http")
    async def authorized(request: Request, call_next: Any) -> Any:
        if rules.token and request.headers.get("authorization") != f"Bearer {rules.token}":
            return RefusedError(401, "Unauthenticated: token review failed").response()
        return await call_next(request)

    @application.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        del request
        return error.response()

    @application.get(f"{_API}/healthz")
    async def healthz() -> Body:
        return {"multi_user": bool(rules.namespaces)}

    add_authorization(application, store, lambda: rules.authorizer)
    _experiments(application, store, rules)
    _uploads(application, store, rules)
    _pipelines(application, store, rules)
    _runs(application, store, rules)
    _recurring_runs(application, store, rules)
    return application


def _namespace(rules: Rules, given: str | None, right: str = "") -> str:
    """Returns the namespace of a request: a single-user installation has none, whichever is given."""
    if not rules.namespaces:
        return ""
    if not given:
        raise RefusedError(400, "Invalid input error: In multi-user mode, namespace must be specified")
    if given not in rules.namespaces:
        raise RefusedError(403, denial(given, right))
    return given


def _check_name(name: str, longest: int, what: str) -> None:
    """Checks a name that the database is to hold; what it cannot is an error of the server."""
    if not name:
        raise RefusedError(500, f"InternalServerError: Failed to create {what}: Invalid input error: its name is empty")
    if len(name) > longest:
        raise RefusedError(500, f"InternalServerError: Failed to create {what}: Error 1406 (22001): Data too long")
    if not names.storable(name):
        raise RefusedError(
            500, f"InternalServerError: Failed to create {what}: Error 1366 (22007): Incorrect string value"
        )


def _there(store: Store, kind: str, identifier: str) -> Body:
    found = store.get(kind, identifier)
    if found is None:
        raise RefusedError(404, f"ResourceNotFoundError: {kind} {identifier} not found")
    return found


def _unique(found: list[Body], kind: str, **values: Any) -> None:
    if any(all(names.same(str(body.get(key)), value) for key, value in values.items()) for body in found):
        raise RefusedError(
            409, f"Already exist error: The {kind} {values['display_name']} already exist. Please specify a new name"
        )


def _experiments(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.get(f"{_API}/experiments")
    async def list_experiments(request: Request) -> Body:
        namespace = _namespace(rules, request.query_params.get("namespace"))
        return page(request, [b for b in store.all("experiment") if b["namespace"] == namespace], "experiments")

    @application.get(f"{_API}/experiments/{{identifier}}")
    async def get_experiment(identifier: str) -> Body:
        return _there(store, "experiment", identifier)

    @application.post(f"{_API}/experiments")
    async def create_experiment(request: Request) -> Body:
        body = await request.json()
        return _add_experiment(store, body, _namespace(rules, body.get("namespace"), "create experiments"))


def _add_experiment(store: Store, body: Body, namespace: str) -> Body:
    name = body.get("display_name") or ""
    _check_name(name, names.EXPERIMENT, "an experiment")
    _unique(store.all("experiment"), "experiment", display_name=name, namespace=namespace)
    return store.add("experiment", "experiment_id", {**body, "namespace": namespace, "storage_state": "AVAILABLE"})


def _add_pipeline(store: Store, name: str, namespace: str) -> Body:
    _check_name(name, names.PIPELINE, "a pipeline")
    _unique(store.all("pipeline"), "pipeline", display_name=name, namespace=namespace)
    return store.add("pipeline", "pipeline_id", {"display_name": name, "name": name, "namespace": namespace})


def _add_version(store: Store, pipeline_id: str, name: str, spec: Body) -> Body:
    _unique(store.all("version"), "pipeline version", display_name=name, pipeline_id=pipeline_id)
    body = {"pipeline_id": pipeline_id, "display_name": name, "name": name, "pipeline_spec": spec}
    return store.add("version", "pipeline_version_id", body)


@contextmanager
def _uploaded(what: str) -> Iterator[None]:
    """Answers as the upload endpoints do: 400 for whatever is wrong, but 409 for a name that exists."""
    try:
        yield
    except PlainRefusedError:
        raise
    except RefusedError as error:
        raise UploadRefusedError(409 if error.status == 409 else 400, f"{what}: {error.message}") from error


def _check_uploaded_name(kind: str, name: str, longest: int) -> None:
    if len(name) > longest:
        raise PlainRefusedError(400, f"Invalid input error: {kind}.Name length cannot exceed {longest}")


def _uploads(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.post(f"{_API}/pipelines/upload")
    async def upload(uploadfile: UploadFile, name: str = "", namespace: str = "") -> Body:
        with _uploaded("Failed to create a pipeline and a pipeline version"):
            where = _namespace(rules, namespace, "create pipelines")
            spec = read_pipeline(await uploadfile.read())
            name = name or pipeline_of(spec)["pipelineInfo"]["name"]
            _check_uploaded_name("Pipeline", name, names.UPLOADED)
            pipeline = _add_pipeline(store, name, where)
            _add_version(store, pipeline["pipeline_id"], pipeline["display_name"], spec)
            return pipeline

    @application.post(f"{_API}/pipelines/upload_version")
    async def upload_version(uploadfile: UploadFile, pipelineid: str, name: str = "") -> Body:
        with _uploaded("Failed to create a pipeline version"):
            _check_uploaded_name("PipelineVersion", name, names.VERSION)
            pipeline = _there(store, "pipeline", pipelineid)
            _namespace(rules, pipeline["namespace"], "create pipelines")
            spec = read_pipeline(await uploadfile.read())
            _check_name(name, names.VERSION, "a pipeline version")
            return _add_version(store, pipelineid, name, spec)


def _pipelines(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.get(f"{_API}/pipelines")
    async def list_pipelines(request: Request) -> Body:
        namespace = (request.query_params.get("namespace") or "") if rules.namespaces else ""
        return page(request, [b for b in store.all("pipeline") if b["namespace"] == namespace], "pipelines")

    @application.post(f"{_API}/pipelines")
    async def create_pipeline(request: Request) -> Body:
        body = await request.json()
        namespace = _namespace(rules, body.get("namespace"), "create pipelines")
        return _add_pipeline(store, body.get("name") or body.get("display_name") or "", namespace)

    @application.get(f"{_API}/pipelines/{{pipeline_id}}")
    async def get_pipeline(pipeline_id: str) -> Body:
        return _there(store, "pipeline", pipeline_id)

    @application.get(f"{_API}/pipelines/{{pipeline_id}}/versions")
    async def list_versions(pipeline_id: str, request: Request) -> Body:
        _there(store, "pipeline", pipeline_id)
        found = [b for b in store.all("version") if b["pipeline_id"] == pipeline_id]
        return page(request, found, "pipeline_versions")

    @application.get(f"{_API}/pipelines/{{pipeline_id}}/versions/{{version_id}}")
    async def get_version(pipeline_id: str, version_id: str) -> Body:
        _there(store, "pipeline", pipeline_id)
        return _there(store, "version", version_id)


def _checked(store: Store, rules: Rules, body: Body, what: str) -> Body:
    """Returns what a run or a recurring run is made of, once its experiment, pipeline and arguments hold."""
    _check_name(body.get("display_name") or "", names.RUN, f"a {what}")
    reference = body.get("pipeline_version_reference") or {}
    version = store.get("version", reference.get("pipeline_version_id") or "")
    if version is None or version["pipeline_id"] != reference.get("pipeline_id"):
        wrong = "ResourceNotFoundError: PipelineVersion not found" if version is None else "it is of another pipeline"
        raise RefusedError(500, f"InternalServerError: Failed to create a {what}: pipeline version: {wrong}")
    if body.get("experiment_id"):
        experiment = _there(store, "experiment", body["experiment_id"])
    else:
        experiment = _default_experiment(store, rules, body)
    _namespace(rules, experiment["namespace"], f"create {'runs' if what == 'run' else 'jobs'}")
    check_arguments(version["pipeline_spec"], (body.get("runtime_config") or {}).get("parameters") or {})
    return {**body, "experiment_id": experiment["experiment_id"], "namespace": experiment["namespace"]}


def _default_experiment(store: Store, rules: Rules, body: Body) -> Body:
    """Returns the experiment of what names none."""
    namespace = _namespace(rules, body.get("namespace"))
    for experiment in store.all("experiment"):
        if (experiment["display_name"], experiment["namespace"]) == ("Default", namespace):
            return experiment
    return _add_experiment(store, {"display_name": "Default"}, namespace)


def _within(store: Store, rules: Rules, kind: str, request: Request) -> list[Body]:
    """Returns the runs of the experiment or the namespace that a request names."""
    experiment = request.query_params.get("experiment_id")
    if experiment:
        _there(store, "experiment", experiment)
        return [body for body in store.all(kind) if body["experiment_id"] == experiment]
    namespace = _namespace(rules, request.query_params.get("namespace"))
    return [body for body in store.all(kind) if body["namespace"] == namespace]


def add_run(store: Store, body: Body) -> Body:
    """Returns a run that has begun."""
    times = {"scheduled_at": _UNSET, "finished_at": _UNSET}
    history = [{"update_time": datetime.now(UTC).isoformat(), "state": "PENDING"}]
    values = {"state": "PENDING", "storage_state": "AVAILABLE", "state_history": history, "plugins_output": {}}
    return store.add("run", "run_id", {**body, **times, **values})


def _runs(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.post(f"{_API}/runs")
    async def create_run(request: Request) -> Body:
        return add_run(store, _checked(store, rules, await request.json(), "run"))

    @application.get(f"{_API}/runs")
    async def list_runs(request: Request) -> Body:
        return page(request, _within(store, rules, "run", request), "runs")

    @application.get(f"{_API}/runs/{{run_id}}")
    async def get_run(run_id: str) -> Body:
        found = _there(store, "run", run_id)
        _namespace(rules, found["namespace"])
        return found


def _modes(enabled: bool) -> Body:
    return {"mode": "ENABLE", "status": "ENABLED"} if enabled else {"mode": "DISABLE", "status": "DISABLED"}


def _recurring_runs(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.post(f"{_API}/recurringruns")
    async def create_recurring_run(request: Request) -> Body:
        body = _checked(store, rules, await request.json(), "recurring run")
        trigger = body.get("trigger") or {}
        if "cron_schedule" in trigger:
            check_cron(trigger["cron_schedule"].get("cron", ""))
        if not 1 <= int(body.get("max_concurrency") or 0) <= _MOST_AT_ONCE:
            raise RefusedError(400, "Invalid input error: The max concurrency is out of range. Support 1-10")
        values = {"max_concurrency": str(body["max_concurrency"]), **_modes(body.get("mode") == "ENABLE")}
        return store.add("recurring run", "recurring_run_id", {**body, **values})

    @application.get(f"{_API}/recurringruns")
    async def list_recurring_runs(request: Request) -> Body:
        return page(request, _within(store, rules, "recurring run", request), "recurringRuns")

    @application.get(f"{_API}/recurringruns/{{identifier}}")
    async def get_recurring_run(identifier: str) -> Body:
        return _there(store, "recurring run", identifier)

    @application.post(f"{_API}/recurringruns/{{identifier}}:{{mode}}")
    async def change_mode(identifier: str, mode: str) -> Body:
        _there(store, "recurring run", identifier)
        store.change(identifier, **_modes(mode == "enable"))
        return {}

    @application.delete(f"{_API}/recurringruns/{{identifier}}")
    async def delete_recurring_run(identifier: str) -> Body:
        _there(store, "recurring run", identifier)
        store.delete(identifier)
        return {}
