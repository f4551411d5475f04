"""The versions that earlier pipeline runs of a quantization registered: an unchanged variant is not registered again."""

from functools import cached_property
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from edgequant.artifacts.result import LoadedResult
from edgequant.tracking import tags

NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
# Two versions are the same if these tags are equal: file, source model, evaluation set, kernels, main metric and gate.
_SAME = (
    tags.TFLITE_SHA256,
    tags.SOURCE_MODEL,
    tags.MODEL_SHA256,
    tags.EVALUATION_DIGEST,
    tags.RESOLVER,
    tags.MAIN_METRIC,
    tags.GATE,
)
# A pipeline run registers at most one version of each variant, so the last of each is among these.
_LOOKED_AT = 100


class History:
    """The newest versions of a quantization.

    Args:
        client: MLflow's client.
        result: The result that is being recorded.
    """

    def __init__(self, client: MlflowClient, result: LoadedResult) -> None:
        self._client = client
        self._result = result
        self._settings = result.content.settings

    def same(self, variant: str, run: Run) -> Any:
        """Returns an earlier version that is the same as a variant, so that it need not be registered; None without one.

        It is the last version of this variant; if an alias goes to the best variant, no later version may have received it. The
        version is stored in a tag of the run, so that recording the result again gives the same version.

        Args:
            variant: The variant.
            run: The variant's run.
        """
        if remembered := self._remembered(run):
            return remembered
        last = next((version for version in self._versions if version.tags.get(tags.VARIANT) == variant), None)
        if last is None or not self._is_same(variant, last):
            return None
        is_best = variant == self._result.verdict.best
        if is_best and self._last_aliased and int(self._last_aliased.version) > int(last.version):
            return None
        self._client.set_tag(run.info.run_id, tags.EARLIER_VERSION, f"{last.name}/{last.version}")
        return last

    def leaves_alias_to(self, version: Any) -> bool:
        """Returns whether an earlier version may get the alias: it never had it, and nobody moved the alias since."""
        alias = self._settings.alias
        if not alias or version.tags.get(tags.ALIASED) == alias:
            return False
        on = self._client.get_registered_model(version.name).aliases.get(alias)
        left = self._last_aliased.version if self._last_aliased else None
        return (on and str(on)) == (left and str(left))

    def _is_same(self, variant: str, version: Any) -> bool:
        expected = tags.version_tags(self._result, variant)
        return all(version.tags.get(name) == expected[name] for name in _SAME)

    def _remembered(self, run: Run) -> Any:
        """Returns the version that an earlier recording stored in the run's tag, or None."""
        name, _, number = run.data.tags.get(tags.EARLIER_VERSION, "").rpartition("/")
        if name != self._settings.registered_model:
            return None
        try:
            return self._client.get_model_version(name, number)
        except MlflowException as error:
            if error.error_code != NOT_THERE:
                raise
            return None

    @cached_property
    def _versions(self) -> list[Any]:
        """The newest versions of other results of the quantization, the newest first."""
        versions = self._client.search_model_versions(
            f"name = '{self._settings.registered_model}' AND tags.`{tags.NAME}` = '{self._result.verdict.name}'",
            max_results=_LOOKED_AT,
            order_by=["version_number DESC"],
        )
        # Versions that a concurrent recording of this result created are not earlier ones.
        others = [version for version in versions if version.tags.get(tags.KEY) != tags.key(self._result)]
        return sorted(others, key=lambda version: int(version.version), reverse=True)

    @cached_property
    def _last_aliased(self) -> Any:
        """The last version that received the alias when it was registered, or None."""
        alias = self._settings.alias
        return next((version for version in self._versions if alias and version.tags.get(tags.ALIASED) == alias), None)
