"""Registers a result's blessed variants as versions of a model, each once, and moves the alias to the best."""

from collections.abc import Callable
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException

from edgequant.artifacts.result import BEST, EVERY_BLESSED, Result
from edgequant.tracking import entries, limits, source, summary
from edgequant.tracking.earlier import NOT_THERE, History

ALREADY_THERE = "RESOURCE_ALREADY_EXISTS"


class Registry:
    """The versions of a result.

    Args:
        client: MLflow's client.
        result: The result.
        source_run: The run that trained the source model; "" where it is not known.
    """

    def __init__(self, client: MlflowClient, result: Result, source_run: str) -> None:
        self._client = client
        self._result = result
        self._settings = result.content.settings
        self._source_run = source_run

    def register(self, runs: dict[str, Run], model: Callable[[str], LoggedModel]) -> summary.Registered:
        """Returns the version of each variant that is to have one: the one there is, an earlier one of the same, or a new one.

        Args:
            runs: The run of each variant.
            model: Gives the logged model of a variant.
        """
        wanted = self._wanted()
        if not wanted:
            return summary.Registered()
        found = self.found()
        missing = {variant: runs[variant] for variant in wanted if variant not in found}
        history = History(self._client, self._result) if missing else None
        earlier = {
            variant: same for variant, run in missing.items() if history and (same := history.same(variant, run))
        }
        versions = {
            variant: found.get(variant)
            or earlier.get(variant)
            or self._create(variant, str(runs[variant].info.run_id), model(variant))
            for variant in wanted
        }
        best, holder = self._result.verdict.best, None
        if best in versions and self._settings.alias:
            holder = self._settle_alias(versions[best], history if best in earlier else None)
        return summary.Registered(
            versions={variant: str(version.version) for variant, version in versions.items()},
            earlier=frozenset(earlier),
            holder=holder,
        )

    def _wanted(self) -> list[str]:
        """Returns the variants to register, the best one last: its version is then the newest."""
        if not self._settings.registered_model:
            return []
        blessed = summary.blessed(self._result)
        return {BEST: blessed[-1:] if self._result.verdict.best else [], EVERY_BLESSED: blessed}.get(
            self._settings.register, []
        )

    def found(self) -> dict[str, Any]:
        """Returns the versions that this result has, by variant; one made twice, since an answer was late, is kept once."""
        versions = self._client.search_model_versions(
            f"name = '{self._settings.registered_model}' AND tags.`{entries.KEY}` = '{entries.key(self._result)}'"
        )
        kept: dict[str, Any] = {}
        for version in sorted(versions, key=lambda version: int(version.version)):
            variant = version.tags.get(entries.VARIANT, "")
            if variant in kept:
                self._client.delete_model_version(version.name, version.version)
            else:
                kept[variant] = version
        return kept

    def _create(self, variant: str, run_id: str, model: LoggedModel) -> Any:
        try:
            return self._version(variant, run_id, model)
        except MlflowException as error:
            if error.error_code != NOT_THERE:
                raise
        try:
            self._client.create_registered_model(self._settings.registered_model)
        except MlflowException as error:  # Another pipeline run made it in between.
            if error.error_code != ALREADY_THERE:
                raise
        return self._version(variant, run_id, model)

    def _version(self, variant: str, run_id: str, model: LoggedModel) -> Any:
        return self._client.create_model_version(
            self._settings.registered_model,
            source=model.artifact_location,
            run_id=run_id,
            tags=entries.version_tags(self._result, variant, self._source_run),
            model_id=model.model_id,
            description=description(self._result, variant),
            await_creation_for=0,
        )

    def _settle_alias(self, version: Any, history: History | None) -> summary.Holder | None:
        """Gives the alias to the best variant's version if it is due; returns the version that keeps it from that one, or None.

        Args:
            version: The version.
            history: Those before it, where an earlier pipeline run made it; else None.
        """
        is_due = self._is_due(version, history)
        # Asked for last: another recording has but this moment to move it.
        holder = self._newer_holder()
        if is_due and holder is None:
            self._client.set_registered_model_alias(version.name, self._settings.alias, version.version)
            self._tag(version, entries.ALIASED, self._settings.alias)
        elif is_due and holder is not None:
            self._tag(version, entries.NOT_ALIASED, summary.stays(self._settings.alias, holder))
        return holder

    def _is_due(self, version: Any, history: History | None) -> bool:
        """Tells whether a version is to get the alias: recorded again, a result takes none back from a later one."""
        if history is not None:
            return history.leaves_alias_to(version)
        return not {entries.ALIASED, entries.NOT_ALIASED} & set(version.tags)

    def _newer_holder(self) -> summary.Holder | None:
        """Returns the version that the alias is on, if what it was made of is a newer version of the same source model."""
        number = self.alias_version()
        if number is None:
            return None
        try:
            tags = self._client.get_model_version(self._settings.registered_model, number).tags
        except MlflowException as error:  # Somebody deleted it in between.
            if error.error_code != NOT_THERE:
                raise
            return None
        made_of = tags.get(entries.SOURCE_MODEL, "")
        is_newer = source.is_newer(made_of, self._settings.model_uri)
        return summary.Holder(version=number, source=made_of) if is_newer else None

    def _tag(self, version: Any, name: str, value: str) -> None:
        self._client.set_model_version_tag(version.name, version.version, name, value)

    def alias_version(self) -> str | None:
        """Returns the version that the alias is on now: a later result may have taken it."""
        if not self._settings.alias:
            return None
        aliases = self._client.get_registered_model(self._settings.registered_model).aliases
        return str(aliases[self._settings.alias]) if self._settings.alias in aliases else None


def description(result: Result, variant: str) -> str:
    """Returns the description of a variant's version: why it is what it is."""
    verdict = result.verdict
    said = verdict.why if variant == verdict.best else "; ".join(verdict.variants[variant].reasons)
    return limits.cut(said, limits.DESCRIPTION_CHARACTERS)
