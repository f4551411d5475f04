"""Who may do what: each request needs the rights that the API server of a multi-user installation checks for it.

The table is that of KFP's `backend/src/apiserver/server`: `experiment_server.go`, `pipeline_server.go`, `pipeline_upload_server.go`,
`run_server.go` and `job_server.go`, where recurring runs are `jobs`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from tests.kfp_server.refusals import RefusedError, UploadRefusedError
from tests.kfp_server.store import Body, Store

_API = "/apis/v2beta1/"
_VERBS = {"GET": "get", "DELETE": "delete"}
# The resource of the rights, and what the store calls the things, by the first part of the path.
_RESOURCES = {
    "experiments": ("experiments", "experiment"),
    "pipelines": ("pipelines", "pipeline"),
    "runs": ("runs", "run"),
    "recurringruns": ("jobs", "recurring run"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A right on `pipelines.kubeflow.org` that a request needs.

    Attributes:
        resource: The resource.
        verb: The verb.
        namespace: The namespace.
    """

    resource: str
    verb: str
    namespace: str


# Is given the bearer token and the right, and raises RefusedError.
Authorizer = Callable[[str, Access], None]


def denial(namespace: str, right: str) -> str:
    """Returns what KFP says of a right that is missing.

    Args:
        namespace: The namespace.
        right: The verb and the resource, as "create pipelines".
    """
    verb, _, resource = right.partition(" ")
    return (
        "PermissionDenied: User 'system:serviceaccount:team:default-editor' is not authorized with reason:  (request: "
        f"&ResourceAttributes{{Namespace:{namespace},Verb:{verb},Group:pipelines.kubeflow.org,Resource:{resource},}}): Unauthorized access"
    )


def denying(*rights: str) -> Authorizer:
    """Returns what denies these rights, as "create pipelines", and no other."""

    def decide(_token: str, access: Access) -> None:
        right = f"{access.verb} {access.resource}"
        if right in rights:
            raise RefusedError(403, denial(access.namespace, right))

    return decide


def add_authorization(application: FastAPI, store: Store, authorizer: Callable[[], Authorizer | None]) -> None:
    """Checks every request but those for the server's health before an application carries it out.

    Args:
        application: The application.
        store: Its store, which says in which namespace things are.
        authorizer: Returns what decides; None where everybody may do everything.
    """

    @application.middleware("http")
    async def check(request: Request, call_next: Any) -> Response:
        decide = authorizer()
        if decide is not None:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            try:
                for access in required(request, await _body(request), store):
                    decide(token, access)
            except RefusedError as error:
                if "/pipelines/upload" not in request.url.path:
                    return error.response()
                return UploadRefusedError(400, f"Authorization Failure: {error.message}").response()
        answer: Response = await call_next(request)
        return answer


def required(request: Request, body: Body, store: Store) -> Iterator[Access]:
    """Yields the rights that a request needs, in the order in which the server checks them.

    Args:
        request: The request.
        body: What it sends, where that is JSON.
        store: Says in which namespace things are.
    """
    kind, *rest = request.url.path.removeprefix(_API).split("/")
    if kind not in _RESOURCES:
        return
    resource, stored = _RESOURCES[kind]
    query = request.query_params
    if rest and rest[0] in ("upload", "upload_version"):
        pipeline = _namespace(store, "pipeline", query.get("pipelineid", ""))
        yield from _access("pipelines", "create", pipeline or query.get("namespace", ""))
    elif rest:
        identifier, _, action = rest[0].partition(":")
        verb = "list" if rest[-1] == "versions" else action or _VERBS[request.method]
        yield from _access(resource, verb, _namespace(store, stored, identifier))
    else:
        given: Mapping[str, Any] = body if request.method == "POST" else query
        of_experiment = _namespace(store, "experiment", given.get("experiment_id") or "")
        verb = "create" if request.method == "POST" else "list"
        yield from _access(resource, verb, of_experiment or given.get("namespace") or "")
        reference = body.get("pipeline_version_reference") or {}
        # Whoever starts a run must be able to read its pipeline.
        yield from _access("pipelines", "get", _namespace(store, "pipeline", reference.get("pipeline_id") or ""))


def _access(resource: str, verb: str, namespace: str) -> Iterator[Access]:
    """Yields a right; none where there is no namespace, as of pipelines that all share."""
    if namespace:
        yield Access(resource=resource, verb=verb, namespace=namespace)


def _namespace(store: Store, kind: str, identifier: str) -> str:
    item = store.get(kind, identifier)
    return str(item.get("namespace") or "") if item else ""


async def _body(request: Request) -> Body:
    if request.method != "POST" or "json" not in request.headers.get("content-type", ""):
        return {}
    body: Body = json.loads(await request.body() or "{}")
    return body
