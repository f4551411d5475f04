"""What KFP's refusals mean, and the reasons that they give."""

import json
from dataclasses import replace

import pytest
from kfp_server_api import ApiException
from tests.kfp_server import Fault, KfpServer
from tests.kfp_server.authorization import denying

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import Connection, KubeflowError, submit
from edgequant_pipelines.kubeflow.refusals import read_refusal

DENIED = (
    "Failed to create a pipeline version. Authorization error: Authorization Failure: PermissionDenied: User 'x' is not "
    "authorized with reason:  (request: &ResourceAttributes{Namespace:team,Verb:create,}): Unauthorized access"
)
DATABASE = "Failed to create a pipeline version: InternalServerError: Failed to add version: dial tcp 10.0.0.7:3306: connect: refused"


def uploaded(message: str, details: str = "") -> str:
    """Returns the body of an upload's refusal."""
    return json.dumps({"error_message": message, "error_details": details})


def gateway(message: str, code: int) -> str:
    """Returns the body of a refusal by KFP's gateway."""
    return json.dumps({"code": code, "message": message, "details": []})


@pytest.mark.parametrize(
    ("answered", "body", "status", "reason"),
    [
        (400, uploaded(DENIED, f"{DENIED}\ngithub.com/kubeflow"), 403, DENIED),
        (400, uploaded('pipeline upload denied: permission to create pipelines is required'), 403, "pipeline upload denied: permission to create pipelines is required"),
        (400, uploaded("Authorization Failure: Unauthenticated: there is no user identity"), 401, "Authorization Failure: Unauthenticated: there is no user identity"),
        (400, uploaded("invalid pipeline spec: no pipeline spec is provided"), 400, "invalid pipeline spec: no pipeline spec is provided"),
        (400, "Invalid input error: Pipeline.Name length cannot exceed 127\n", 400, "Invalid input error: Pipeline.Name length cannot exceed 127"),
        (400, uploaded(DATABASE), 503, DATABASE),
        (400, uploaded("Failed to create SubjectAccessReview for user 'x': timeout"), 503, "Failed to create SubjectAccessReview for user 'x': timeout"),
        (400, uploaded("Failed to create a pipeline version", "Failed to create a pipeline version: disk full\nmain.go:7"), 503, "Failed to create a pipeline version: disk full"),
        (400, uploaded("Failed to create", "disk full\nmain.go:7"), 503, "Failed to create: disk full"),
        (400, uploaded("", "disk full\nmain.go:7"), 503, "disk full"),
        (400, "<html><h1>Bad Request</h1></html>", 503, "Bad Request"),
        (400, gateway("parameter name is not optional", 3), 400, "parameter name is not optional"),
        (403, gateway("PermissionDenied", 7), 403, "PermissionDenied"),
        (403, "RBAC: access denied", 403, "RBAC: access denied"),
        (500, gateway("InternalServerError: Failed to add run: connection lost", 13), 500, "InternalServerError: Failed to add run: connection lost"),
        (500, gateway("InternalServerError: Data too long for column", 13), 400, "InternalServerError: Data too long for column"),
        (500, gateway("ResourceNotFoundError: PipelineVersion x not found", 13), 400, "ResourceNotFoundError: PipelineVersion x not found"),
        (500, "Data too long", 500, "Data too long"),
        (502, "<html>", 502, "Bad Request"),
        (500, "null", 500, "null"),
        (500, "[1]", 500, "[1]"),
        (500, json.dumps({"code": "x", "message": "odd"}), 500, "odd"),
        (500, "", 500, "Bad Request"),
    ],
)  # fmt: skip
def test_what_an_answer_means(answered: int, body: str, status: int, reason: str) -> None:
    """An upload's 400 is told by its sentence; a reason is found in every form that KFP answers in."""
    error = ApiException(status=answered, reason="Bad Request")
    error.body = body
    refusal = read_refusal(error)
    assert (refusal.status, refusal.answered, refusal.reason) == (status, answered, " ".join(reason.split()))


def test_a_character_that_the_database_cannot_hold() -> None:
    """It may be in an argument: that it is one is said in words."""
    error = ApiException(status=500, reason="Internal Server Error")
    error.body = gateway(r"InternalServerError: Error 1366: Incorrect string value: '\xF0\x9F' for column", 13)
    refusal = read_refusal(error)
    assert refusal.status == 400
    assert refusal.reason.startswith(
        "the server's database cannot hold a character of what was sent, such as an emoji: "
    )


def test_a_right_to_upload_that_is_missing(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """It is told as one, with the reason, and not retried."""
    submit(connection, config, compiled=compiled)
    server.rules.namespaces, server.rules.authorizer = ("team",), denying("create pipelines")
    server.add("pipeline", "pipeline_id", {"display_name": compiled.name, "namespace": "team"})
    with pytest.raises(
        KubeflowError, match=r"cannot be uploaded: the account may not \(400\): .*Verb:create"
    ) as raised:
        submit(replace(connection, namespace="team"), config, compiled=compiled)
    assert raised.value.forbidden
    assert sum(path.endswith("/upload_version") for path in server.requests("POST")) == 2


def test_an_upload_during_trouble_that_passes(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """The database is away for a moment, which is 400 as well: it is retried."""
    server.fail(Fault(method="POST", path="/upload_version$", status=400, upload=DATABASE, times=2))
    submit(connection, config, compiled=compiled)
    assert len(server.all("version")) == len(server.all("run")) == 1


@pytest.mark.parametrize(
    "fault", [{"upload": "invalid pipeline spec: odd"}, {"text": "Invalid input error: Name length cannot exceed 127"}]
)
def test_a_pipeline_that_is_refused(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, fault: dict[str, str]
) -> None:
    """It is no better the next time, and so sent once; the reason is said."""
    server.fail(Fault(method="POST", path="/upload_version$", status=400, times=9, **fault))  # type: ignore[arg-type]
    with pytest.raises(KubeflowError, match=f"cannot be uploaded \\(400\\): {next(iter(fault.values()))}"):
        submit(connection, config, compiled=compiled)
    assert sum(path.endswith("/upload_version") for path in server.requests("POST")) == 1


def test_an_error_of_the_server_that_is_of_what_was_sent(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """Such a 500 is not waited for."""
    message = "InternalServerError: Failed to create a run: ResourceNotFoundError: PipelineVersion x not found"
    server.fail(Fault(method="POST", path="/runs$", status=500, message=message, times=9))
    with pytest.raises(KubeflowError, match=r"cannot be created \(500\): .*PipelineVersion x not found"):
        submit(connection, config, compiled=compiled)
    assert server.requests("POST").count("POST /apis/v2beta1/runs") == 1
