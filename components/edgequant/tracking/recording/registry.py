"""Registers a result's blessed variants as versions of a model, each once, and moves the alias to the best."""

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

# The tags of a version that tell which aliases it was given, or not.
_OF_ALIASES = (tags.ALIASED, tags.NOT_ALIASED, tags.FORCED)
# No more are made while one recording asks for the alias.
_LOOKED_AT = 100


class Registry:
    """The versions of a result.

    Args:
        client: MLflow's client.
        result: The result.
        source_run: The run that trained the source model; "" where it is not known.
    """

    def __init__(self, client: MlflowClient, result: LoadedResult, source_run: str) -> None:
        self._client = client
        self._result = result
        self._settings = result.content.settings
        self._source_run = source_run

    def register(self, runs: Mapping[str, Run], models: Mapping[str, LoggedModel]) -> summary.Registered:
        """Returns the version of each variant that is to have one: the one there is, an earlier one of the same, or a new one.

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
            # Another recording of this result, or a request of ours that was given up, may have made a lower one meanwhile:
            # from now on all go by that, so that no alias is ever given to one that goes.
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
        """Returns the variants to register, the best one last: its version is then the newest."""
        if not self._settings.registered_model:
            return []
        blessed = summary.blessed(self._result)
        return {BEST: blessed[-1:] if self._result.verdict.best else [], EVERY_BLESSED: blessed}.get(
            self._settings.register, []
        )

    def existing(self) -> dict[str, Any]:
        """Returns the versions that this result has, by variant.

        Of those that were made twice the one of the lowest number is kept, which none that comes later can have: whoever looks
        keeps the same. It takes over the others' aliases before they go.
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
        # With the tags that they have now.
        return self.existing()

    def kept(self) -> list[Any]:
        """Returns the versions of this result's key, once each, also those of a registered model that it went to before."""
        self.existing()
        return self._of_key()

    def _search(self) -> list[Any]:
        # Another result that was begun under this key at once is refused, and may have made its own by then: no doubles.
        digest = self._result.digest
        versions = self._of_key(f"name = '{self._settings.registered_model}' AND ")
        return [version for version in versions if version.tags.get(tags.RESULT_DIGEST, digest) == digest]

    def _of_key(self, besides: str = "") -> list[Any]:
        query = f"{besides}tags.`{tags.KEY}` = '{tags.key(self._result)}'"
        return list(self._client.search_model_versions(query))

    def _replace(self, others: list[tuple[Any, Any]]) -> None:
        """Removes versions once the one that is kept in the place of each has its aliases, and the tags that tell of them."""
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
            except MlflowException as error:  # Another recording was faster.
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
        except MlflowException as error:  # Another pipeline run made it in between.
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
        """Gives the alias to the best variant's version if it is due; returns the version that keeps it from that one, or None.

        Args:
            version: The version.
            history: Those before it, where an earlier pipeline run made it; else None.
        """
        if not self._is_due(version, history):
            return self._newer_holder(self._on_alias())
        aliased_before, alias = self._aliased_before, self._settings.alias
        # Asked for last: another recording has but this moment to move it.
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
        """Moves the alias, unless the quantization of a newer source was given it meanwhile; returns that version, or None.

        The request may have taken its time. The older one looks after it has moved the alias, the newer one after it has said
        that it did: whichever request was first, one of them sees the other.
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
        """Returns the newest versions that were given the alias when they were made."""
        query = f"name = '{self._settings.registered_model}' AND tags.`{tags.ALIASED}` = '{self._settings.alias}'"
        newest_first = ["version_number DESC"]
        return list(self._client.search_model_versions(query, max_results=_LOOKED_AT, order_by=newest_first))

    @cached_property
    def _aliased_before(self) -> frozenset[str]:
        """The numbers of those that were given it before this recording came to that: somebody may have moved it since."""
        return frozenset(str(version.version) for version in self._aliased())

    def _is_later(self, on: Any, version: Any) -> bool:
        """Tells whether a version of a later result was given the alias, so that this one's was stopped before it said so."""
        return int(on.version) > int(version.version) and on.tags.get(tags.ALIASED) == self._settings.alias

    def _is_due(self, version: Any, history: History | None) -> bool:
        """Tells whether a version is to get the alias: recorded again, a result takes none back from a later one."""
        if history is not None:
            return history.leaves_alias_to(version)
        return not {tags.ALIASED, tags.NOT_ALIASED} & set(version.tags)

    def _on_alias(self) -> Any:
        """Returns the version that the alias is on, or None."""
        number = self.alias_version()
        if number is None:
            return None
        try:
            return self._client.get_model_version(self._settings.registered_model, number)
        except MlflowException as error:  # Somebody deleted it in between.
            if error.error_code != NOT_THERE:
                raise
            return None

    def _newer_holder(self, version: Any) -> summary.Holder | None:
        """Returns a version as one that keeps the alias, if what it was made of is a newer version of the same source model."""
        made_of = version.tags.get(tags.SOURCE_MODEL, "") if version is not None else ""
        is_newer = source_model.is_newer(made_of, self._settings.model_uri)
        return summary.Holder(version=str(version.version), source=made_of) if is_newer else None

    def _tag(self, version: Any, name: str, value: str) -> None:
        self._client.set_model_version_tag(version.name, version.version, name, value)

    def alias_version(self) -> str | None:
        """Returns the version that the alias is on now: a later result may have taken it."""
        name, alias = self._settings.registered_model, self._settings.alias
        if not (name and alias):
            return None
        try:
            aliases = self._client.get_registered_model(name).aliases
        except MlflowException as error:  # Nothing was ever registered.
            if error.error_code != NOT_THERE:
                raise
            return None
        return str(aliases[alias]) if alias in aliases else None


def description(result: LoadedResult, variant: str) -> str:
    """Returns the description of a variant's version, which MLflow shows as Markdown: why it is what it is."""
    verdict = result.verdict
    sentence = verdict.why if variant == verdict.best else "; ".join(verdict.variants[variant].reasons)
    return mlflow_names.cut(literal(sentence), mlflow_names.DESCRIPTION_CHARACTERS)
