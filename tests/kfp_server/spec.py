"""Reads uploaded pipelines with KFP's protocol buffers, and holds the arguments of runs against them."""

import json
import re
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tests.kfp_server.refusals import RefusedError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SCHEMA = "2.1.0"
_KINDS = {
    "NUMBER_DOUBLE": ("double or integer", (int, float)),
    "NUMBER_INTEGER": ("double or integer", (int, float)),
    "STRING": ("string", (str,)),
    "BOOLEAN": ("bool", (bool,)),
    "LIST": ("list", (list,)),
    "STRUCT": ("struct", (dict,)),
}


def read_pipeline(text: bytes) -> dict[str, Any]:
    """Returns what is stored of an upload, as JSON: the pipeline spec; with a platform spec, both, each under its name.

    Raises:
        RefusedError: It is none.
    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError as error:
        raise RefusedError(400, f"invalid pipeline spec: unable to decode yaml document: {error}") from error
    specs = [document for document in documents if isinstance(document, dict) and "pipelineInfo" in document]
    if len(specs) != 1:
        word = "multiple pipeline specs provided" if specs else "no pipeline spec is provided"
        raise RefusedError(400, f"invalid pipeline spec: {word}")
    try:
        spec = json_format.ParseDict(specs[0], pipeline_spec_pb2.PipelineSpec())
        for executor in specs[0].get("deploymentSpec", {}).get("executors", {}).values():
            json_format.ParseDict(executor, pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec())
        # Of several others the first counts.
        platforms = [
            json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec())
            for document in [document for document in documents if document is not specs[0]][:1]
        ]
    except json_format.ParseError as error:
        raise RefusedError(400, f"invalid pipeline spec: invalid v2 pipeline spec: {error}") from error
    if spec.schema_version != _SCHEMA:
        raise RefusedError(
            400, f"KFP only supports schema version 2.1.0, but the pipeline spec has {spec.schema_version}"
        )
    if not _NAME.fullmatch(spec.pipeline_info.name):
        raise RefusedError(400, "invalid v2 pipeline spec: name should consist of lower case alphanumeric characters")
    stored = dict(json.loads(json_format.MessageToJson(spec)))
    if not platforms:
        return stored
    return {"pipeline_spec": stored, "platform_spec": json.loads(json_format.MessageToJson(platforms[0]))}


def pipeline_of(stored: dict[str, Any]) -> dict[str, Any]:
    """Returns the pipeline spec of what is stored."""
    return dict(stored.get("pipeline_spec", stored))


def check_arguments(stored: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Checks the arguments of a run of what is stored.

    Raises:
        RefusedError: One is missing, of another type, or not the pipeline's.
    """
    parameters = pipeline_of(stored)["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, parameter in parameters.items():
        if name not in arguments:
            if not parameter.get("isOptional") and "defaultValue" not in parameter:
                raise RefusedError(
                    400,
                    f"invalid pipeline job inputs: parameter {name} is not optional, yet has neither default value nor user provided value",
                )
            continue
        word, types = _KINDS[parameter["parameterType"]]
        value = arguments[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise RefusedError(
                400,
                f"invalid pipeline job inputs: input parameter {name} requires type {word}, but the parameter value is not of {word} value type",
            )
    extra = [name for name in arguments if name not in parameters]
    if extra:
        raise RefusedError(
            400, f"invalid pipeline job inputs: parameter(s) provided are not required by pipeline: {', '.join(extra)}"
        )
