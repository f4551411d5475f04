"""The v2beta1 API."""

import re
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import JSONResponse
from tests.kfp_server.authorization import Authorizer, add_authorization
from tests.kfp_server.listing import page
from tests.kfp_server.refusals import RefusedError
from tests.kfp_server.spec import check_arguments, read_pipeline
from tests.kfp_server.store import Body, Store

_API = "/apis/v2beta1"
_LONGEST_PIPELINE, _LONGEST_VERSION = 128, 127
_MOST_AT_ONCE = 10
# Five fields count as six without the last: robfig/cron reads them as seconds first all the same.
_CRON = re.compile(r"[-0-9A-Za-z*/,?]+( [-0-9A-Za-z*/,?]+){4,5}")


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
    async def refused(request: Request, error: RefusedError) -> JSONResponse:
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


def _namespace(rules: Rules, given: str | None) -> str:
    if not rules.namespaces:
        return given or ""
    if not given:
        raise RefusedError(400, "Invalid input error: In multi-user mode, namespace must be specified")
    if given not in rules.namespaces:
        raise RefusedError(403, f"User is not authorized (request: Namespace:{given}): Unauthorized access")
    return given


def _there(store: Store, kind: str, identifier: str) -> Body:
    found = store.get(kind, identifier)
    if found is None:
        raise RefusedError(404, f"ResourceNotFoundError: {kind} {identifier} not found")
    return found


def _unique(found: list[Body], kind: str, **values: Any) -> None:
    if any(all(body.get(key) == value for key, value in values.items()) for body in found):
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
        namespace = _namespace(rules, body.get("namespace"))
        if not body.get("display_name"):
            raise RefusedError(
                400, "Invalid input error: Experiment name is empty. Please specify a valid experiment name"
            )
        _unique(store.all("experiment"), "experiment", display_name=body["display_name"], namespace=namespace)
        return store.add("experiment", "experiment_id", {**body, "namespace": namespace, "storage_state": "AVAILABLE"})


def _add_pipeline(store: Store, name: str, namespace: str) -> Body:
    if not name or len(name) > _LONGEST_PIPELINE:
        raise RefusedError(400, f"Invalid input error: pipeline name {name!r} is empty or too long")
    _unique(store.all("pipeline"), "pipeline", display_name=name, namespace=namespace)
    return store.add("pipeline", "pipeline_id", {"display_name": name, "name": name, "namespace": namespace})


def _add_version(store: Store, pipeline_id: str, name: str, spec: Body) -> Body:
    if not name or len(name) > _LONGEST_VERSION:
        raise RefusedError(400, f"Invalid input error: pipeline version name {name!r} is empty or too long")
    _unique(store.all("version"), "pipeline version", display_name=name, pipeline_id=pipeline_id)
    body = {"pipeline_id": pipeline_id, "display_name": name, "name": name, "pipeline_spec": spec}
    return store.add("version", "pipeline_version_id", body)


def _uploads(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.post(f"{_API}/pipelines/upload")
    async def upload(uploadfile: UploadFile, name: str = "", namespace: str = "") -> Body:
        spec = read_pipeline(await uploadfile.read())
        pipeline = _add_pipeline(store, name or spec["pipelineInfo"]["name"], _namespace(rules, namespace))
        _add_version(store, pipeline["pipeline_id"], pipeline["display_name"], spec)
        return pipeline

    @application.post(f"{_API}/pipelines/upload_version")
    async def upload_version(uploadfile: UploadFile, pipelineid: str, name: str = "") -> Body:
        _there(store, "pipeline", pipelineid)
        return _add_version(store, pipelineid, name, read_pipeline(await uploadfile.read()))


def _pipelines(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.get(f"{_API}/pipelines")
    async def list_pipelines(request: Request) -> Body:
        namespace = request.query_params.get("namespace") or ""
        return page(request, [b for b in store.all("pipeline") if b["namespace"] == namespace], "pipelines")

    @application.post(f"{_API}/pipelines")
    async def create_pipeline(request: Request) -> Body:
        body = await request.json()
        namespace = _namespace(rules, body.get("namespace"))
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


def _checked(store: Store, body: Body) -> Body:
    """Returns what a run or a recurring run is made of, once its experiment, pipeline and arguments hold."""
    if not body.get("display_name"):
        raise RefusedError(400, "Invalid input error: The name is empty. Please specify a valid name")
    experiment = _there(store, "experiment", body.get("experiment_id") or "")
    reference = body.get("pipeline_version_reference") or {}
    version = _there(store, "version", reference.get("pipeline_version_id") or "")
    if version["pipeline_id"] != reference.get("pipeline_id"):
        raise RefusedError(400, "Invalid input error: the pipeline version is of another pipeline")
    check_arguments(version["pipeline_spec"], (body.get("runtime_config") or {}).get("parameters") or {})
    return {**body, "namespace": experiment["namespace"]}


def _within(store: Store, rules: Rules, kind: str, request: Request) -> list[Body]:
    """Returns the runs of the experiment or the namespace that a request names."""
    experiment = request.query_params.get("experiment_id")
    if experiment:
        _there(store, "experiment", experiment)
        return [body for body in store.all(kind) if body["experiment_id"] == experiment]
    namespace = _namespace(rules, request.query_params.get("namespace"))
    return [body for body in store.all(kind) if body["namespace"] == namespace]


def _runs(application: FastAPI, store: Store, rules: Rules) -> None:
    @application.post(f"{_API}/runs")
    async def create_run(request: Request) -> Body:
        body = _checked(store, await request.json())
        return store.add("run", "run_id", {**body, "state": "PENDING", "storage_state": "AVAILABLE"})

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
        body = _checked(store, await request.json())
        cron = ((body.get("trigger") or {}).get("cron_schedule") or {}).get("cron", "")
        if not _CRON.fullmatch(cron):
            raise RefusedError(
                400, f"Invalid input error: Schedule cron is not a supported format(robfig/cron). Error: {cron!r}"
            )
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
