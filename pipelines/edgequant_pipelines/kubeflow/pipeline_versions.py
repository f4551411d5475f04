"""Uploads a compiled pipeline once, as a version named after its digest."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api as api

from edgequant_pipelines.compilation import CompiledPipeline, CompileOptions, compile_pipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow.connection import Connection, request_errors
from edgequant_pipelines.kubeflow.names import check_name, check_other, each, exactly, named
from edgequant_pipelines.kubeflow.once import create_once


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A pipeline version at the server.

    Attributes:
        pipeline_id: The pipeline.
        version_id: The version.
        version: The version's name.
        new: Whether this call uploaded it.
    """

    pipeline_id: str
    version_id: str
    version: str
    new: bool

    def reference(self) -> Any:
        """Returns the reference to this version for a run."""
        return api.V2beta1PipelineVersionReference(pipeline_id=self.pipeline_id, pipeline_version_id=self.version_id)


def compile_for(config: Config, *, image_prefix: str = "", tag: str = "") -> CompiledPipeline:
    """Returns the pipeline for a configuration.

    Args:
        config: The configuration.
        image_prefix: The prefix of image names; "" for the configuration's.
        tag: The images' tag; "" for the configuration's.

    Raises:
        ConfigError: The prefix or the tag is invalid.
    """
    options = CompileOptions(config=config, image_prefix=image_prefix or None, tag=tag or None, defaults=False)
    return compile_pipeline(options)


def upload(connection: Connection, compiled: CompiledPipeline) -> Uploaded:
    """Returns the version of this pipeline; uploads it if it does not exist.

    Raises:
        ConfigError: The server does not allow its name.
        SameNameError: A pipeline or a version exists whose name the server's database considers equal.
        KubeflowError: The server cannot be reached, or refuses.
    """
    check_name("pipeline", compiled.name)
    check_name("pipeline version", compiled.version)
    pipeline_id = _find_pipeline(connection, compiled.name) or create_once(
        connection,
        lambda: _find_pipeline(connection, compiled.name),
        lambda: _create_pipeline(connection, compiled.name),
    )
    version = compiled.version
    existing = _find_version(connection, pipeline_id, version)
    version_id = existing or create_once(
        connection,
        lambda: _find_version(connection, pipeline_id, version),
        lambda: _create_version(connection, pipeline_id, version, compiled),
    )
    return Uploaded(pipeline_id=pipeline_id, version_id=version_id, version=version, new=existing is None)


def find_uploaded(connection: Connection, compiled: CompiledPipeline) -> str | None:
    """Returns the identifier of this pipeline's version, or None if it was never uploaded."""
    pipeline_id = _find_pipeline(connection, compiled.name)
    return _find_version(connection, pipeline_id, compiled.version) if pipeline_id else None


def _find_pipeline(connection: Connection, name: str) -> str | None:
    list_page = connection.client.pipelines.pipeline_service_list_pipelines
    what = f"the pipeline {name!r} cannot be looked up"
    pages = each(connection, what, list_page, "pipelines", filter=named(name), **connection.where())
    pipeline, other = exactly(pages, name)
    check_other(connection, "pipeline", name, other)
    return str(pipeline.pipeline_id) if pipeline else None


def _create_pipeline(connection: Connection, name: str) -> str:
    """Creates a pipeline without a version: an upload would name the first version after the pipeline."""
    body = api.V2beta1Pipeline(display_name=name, name=name, namespace=connection.namespace or None)
    with request_errors(f"the pipeline {name!r} cannot be made", connection.host):
        made = connection.client.pipelines.pipeline_service_create_pipeline(pipeline=body, **connection.request())
    return str(made.pipeline_id)


def _find_version(connection: Connection, pipeline_id: str, version: str) -> str | None:
    list_page = connection.client.pipelines.pipeline_service_list_pipeline_versions
    what = f"the pipeline version {version!r} cannot be looked up"
    pages = each(connection, what, list_page, "pipeline_versions", filter=named(version), pipeline_id=pipeline_id)
    existing, other = exactly(pages, version)
    check_other(connection, "pipeline version", version, other)
    return str(existing.pipeline_version_id) if existing else None


def _create_version(connection: Connection, pipeline_id: str, version: str, compiled: CompiledPipeline) -> str:
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        path = Path(folder) / "pipeline.yaml"
        compiled.write(path)
        with request_errors(f"the pipeline version {version!r} cannot be uploaded", connection.host):
            made = connection.client.pipeline_uploads.upload_pipeline_version(
                str(path), name=version, pipelineid=pipeline_id, **connection.request()
            )
    return str(made.pipeline_version_id)
