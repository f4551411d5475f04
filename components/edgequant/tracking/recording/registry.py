"""Registers a result's blessed variants as model versions, each once, and moves the alias to the best one."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException

from edgequant.artifacts.result import BEST, EVERY_BLESSED, LoadedResult
from edgequant.tracking import mlflow_names, tags
from edgequant.tracking.markdown import literal
from edgequant.tracking.recording import source_model, summary
from edgequant.tracking.recording.experiments import ALREADY_THERE
from edgequant.tracking.recording.previous_versions import NOT_THERE, History

# The prefixes of the tags that record which aliases a version received or was refused.
_OF_ALIASES = (tags.ALIASED, tags.NOT_ALIASED, tags.FORCED)
# More versions than can receive the alias during one recording.
_LOOKED_AT = 100


class Registry:
    """The registered versions of a result.

    Args:
        client: MLflow's client.
        result: The result.
        source_run: The run that trained the source model; "" if unknown.
    """

    def __init__(self, client: MlflowClient, result: LoadedResult, source_run: str) -> None:
        self._client = client
        self._result = result
        self._settings = result.content.settings
        self._source_run = source_run

    def register(self, runs: Mapping[str, Run], models: Mapping[str, LoggedModel]) -> summary.Registered:
        """Returns the version of each variant to register: its existing one, an earlier one of the same file, or a new one.

        Args:
            runs: The run of each variant.
            models: The logged model of each variant that has one.
        """
        wanted = self._wanted()
        if not wanted:
            return summary.Registered()
        existing = self.existing()
        missing = {variant: runs[variant] for variant in wanted if variant not in existing}
        history = History(self._client, self._result) if missing else None
        earlier = {
            variant: same for variant, run in missing.items() if history and (same := history.same(variant, run))
        }
        versions = {
            variant: existing.get(variant)
            or earlier.get(variant)
            or self._create(variant, str(runs[variant].info.run_id), models[variant])
            for variant in wanted
        }
        if missing.keys() - earlier.keys():
            # A concurrent recording of this result, or a request of ours that timed out, may have created one with a lower
            # number. All recordings keep the lowest, so that no alias is moved to a version that will be deleted.
            existing = self.existing()
            versions |= {variant: existing[variant] for variant in wanted if variant in existing}
        best, holder = self._result.verdict.best, None
        if best in versions and self._settings.alias:
            holder = self._settle_alias(versions[best], history if best in earlier else None)
        return summary.Registered(
            versions={variant: str(version.version) for variant, version in versions.items()},
            earlier=frozenset(earlier),
            holder=holder,
        )

    def _wanted(self) -> list[str]:
        """Returns the variants to register, the best one last, so that its version is the newest."""
        if not self._settings.registered_model:
            return []
        blessed = summary.blessed(self._result)
        return {BEST: blessed[-1:] if self._result.verdict.best else [], EVERY_BLESSED: blessed}.get(
            self._settings.register, []
        )

    def existing(self) -> dict[str, Any]:
        """Returns the existing versions of this result, by variant.

        Of duplicates the one with the lowest number is kept: later duplicates have higher numbers, so every recording keeps the
        same one. It takes over the aliases of the others before they are deleted.
        """
        if not self._settings.registered_model:
            return {}
        kept: dict[str, Any] = {}
        others = []
        for version in sorted(self._search(), key=lambda version: int(version.version)):
            first = kept.setdefault(version.tags.get(tags.VARIANT, ""), version)
            if first is not version:
                others.append((version, first))
        if not others:
            return kept
        self._replace(others)
        # Read again, with the tags that were just set.
        return self.existing()

    def kept(self) -> list[Any]:
        """Returns the versions of this result's key without duplicates, including those of other registered models."""
        self.existing()
        return self._of_key()

    def _search(self) -> list[Any]:
        # A concurrent result with the same key is refused, but may have created versions before; they are not duplicates.
        digest = self._result.digest
        versions = self._of_key(f"name = '{self._settings.registered_model}' AND ")
        return [version for version in versions if version.tags.get(tags.RESULT_DIGEST, digest) == digest]

    def _of_key(self, name_filter: str = "") -> list[Any]:
        query = f"{name_filter}tags.`{tags.KEY}` = '{tags.key(self._result)}'"
        return list(self._client.search_model_versions(query))

    def _replace(self, others: list[tuple[Any, Any]]) -> None:
        """Deletes duplicate versions, after their aliases and the tags about these were copied to the version that is kept."""
        aliases = self._client.get_registered_model(self._settings.registered_model).aliases
        for version, kept in others:
            for alias, number in aliases.items():
                if str(number) == str(version.version):
                    self._client.set_registered_model_alias(kept.name, alias, kept.version)
            for name, value in version.tags.items():
                if name not in kept.tags and name.startswith(_OF_ALIASES):
                    self._tag(kept, name, value)
            try:
                self._client.delete_model_version(version.name, version.version)
            except MlflowException as error:  # A concurrent recording deleted it.
                if error.error_code != NOT_THERE:
                    raise

    def _create(self, variant: str, run_id: str, model: LoggedModel) -> Any:
        try:
            return self._version(variant, run_id, model)
        except MlflowException as error:
            if error.error_code != NOT_THERE:
                raise
        try:
            self._client.create_registered_model(self._settings.registered_model)
        except MlflowException as error:  # A concurrent pipeline run created it.
            if error.error_code != ALREADY_THERE:
                raise
        return self._version(variant, run_id, model)

    def _version(self, variant: str, run_id: str, model: LoggedModel) -> Any:
        return self._client.create_model_version(
            self._settings.registered_model,
            source=model.artifact_location,
            run_id=run_id,
            tags=tags.version_tags(self._result, variant, self._source_run),
            model_id=model.model_id,
            description=description(self._result, variant),
            await_creation_for=0,
        )

    def _settle_alias(self, version: Any, history: History | None) -> summary.Holder | None:
        """Moves the alias to the best variant's version if it is due; returns the version that holds it instead, or None.

        Args:
            version: The version.
            history: The earlier versions, if an earlier pipeline run registered this one; else None.
        """
        if not self._is_due(version, history):
            return self._newer_holder(self._on_alias())
        aliased_before, alias = self._aliased_before, self._settings.alias
        # Read last, to keep the time short in which another recording may move it.
        on = self._on_alias()
        holder = self._newer_holder(on)
        if holder is not None:
            self._tag(version, tags.NOT_ALIASED, summary.stays(alias, holder))
        elif on is not None and self._is_later(on, version):
            self._tag(version, tags.NOT_ALIASED, f"{alias} stays on version {on.version}, which was given it later")
        else:
            holder = self._give_alias(version, aliased_before)
        return holder

    def _give_alias(self, version: Any, aliased_before: frozenset[str]) -> summary.Holder | None:
        """Moves the alias, unless a variant of a newer source model received it meanwhile; returns that version, or None.

        Two concurrent recordings may move the alias. The older one checks after it moved the alias, the newer one after it wrote
        the tag that it did: in any order of the requests, one of them sees the other.
        """
        self._move_alias(str(version.version))
        meanwhile = [each for each in self._aliased() if str(each.version) not in aliased_before]
        newer = next((holder for each in meanwhile if (holder := self._newer_holder(each))), None)
        if newer is not None:
            self._move_alias(newer.version)
            self._tag(version, tags.NOT_ALIASED, summary.stays(self._settings.alias, newer))
            return newer
        self._tag(version, tags.ALIASED, self._settings.alias)
        on = self._on_alias()
        if on is not None and source_model.is_newer(self._settings.model_uri, on.tags.get(tags.SOURCE_MODEL, "")):
            self._move_alias(str(version.version))
        return None

    def _move_alias(self, number: str) -> None:
        self._client.set_registered_model_alias(self._settings.registered_model, self._settings.alias, number)

    def _aliased(self) -> list[Any]:
        """Returns the newest versions that received the alias when they were registered."""
        query = f"name = '{self._settings.registered_model}' AND tags.`{tags.ALIASED}` = '{self._settings.alias}'"
        newest_first = ["version_number DESC"]
        return list(self._client.search_model_versions(query, max_results=_LOOKED_AT, order_by=newest_first))

    @cached_property
    def _aliased_before(self) -> frozenset[str]:
        """The numbers of the versions that had received the alias before this recording reached this point."""
        return frozenset(str(version.version) for version in self._aliased())

    def _is_later(self, on: Any, version: Any) -> bool:
        """Returns whether a version of a later result received the alias: this recording was interrupted before its tag."""
        return int(on.version) > int(version.version) and on.tags.get(tags.ALIASED) == self._settings.alias

    def _is_due(self, version: Any, history: History | None) -> bool:
        """Returns whether a version is to get the alias: recording a result again does not take it back from a later one."""
        if history is not None:
            return history.leaves_alias_to(version)
        return not {tags.ALIASED, tags.NOT_ALIASED} & set(version.tags)

    def _on_alias(self) -> Any:
        """Returns the version that has the alias, or None."""
        number = self.alias_version()
        if number is None:
            return None
        try:
            return self._client.get_model_version(self._settings.registered_model, number)
        except MlflowException as error:  # It was deleted in between.
            if error.error_code != NOT_THERE:
                raise
            return None

    def _newer_holder(self, version: Any) -> summary.Holder | None:
        """Returns a version as the holder of the alias if its source is a newer version of the same model; else None."""
        made_of = version.tags.get(tags.SOURCE_MODEL, "") if version is not None else ""
        is_newer = source_model.is_newer(made_of, self._settings.model_uri)
        return summary.Holder(version=str(version.version), source=made_of) if is_newer else None

    def _tag(self, version: Any, name: str, value: str) -> None:
        self._client.set_model_version_tag(version.name, version.version, name, value)

    def alias_version(self) -> str | None:
        """Returns the version that currently has the alias: possibly one of a later result."""
        name, alias = self._settings.registered_model, self._settings.alias
        if not (name and alias):
            return None
        try:
            aliases = self._client.get_registered_model(name).aliases
        except MlflowException as error:  # The registered model does not exist.
            if error.error_code != NOT_THERE:
                raise
            return None
        return str(aliases[alias]) if alias in aliases else None


def description(result: LoadedResult, variant: str) -> str:
    """Returns the description of a variant's version, in Markdown: the reasons of its verdict."""
    verdict = result.verdict
    sentence = verdict.why if variant == verdict.best else "; ".join(verdict.variants[variant].reasons)
    return mlflow_names.cut(literal(sentence), mlflow_names.DESCRIPTION_CHARACTERS)
