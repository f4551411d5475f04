"""The launchers that rules name, each created on first use."""

import os
from pathlib import Path

from edgequant.errors import ConfigError
from edgequant_pipelines.watching.launchers.base import Launcher, LauncherError
from edgequant_pipelines.watching.launchers.local import LocalLauncher
from edgequant_pipelines.watching.rules.rules import KUBEFLOW, LOCAL, KubeflowServer, RulesFile


class LauncherPool:
    """Launchers by name.

    Args:
        rules: The rules, which hold Kubeflow's address.
        directory: The directory of local runs.
        tracking_uri: The MLflow server of configurations without one.
    """

    def __init__(self, rules: RulesFile, directory: Path, tracking_uri: str) -> None:
        self._rules = rules
        self._tracking_uri = tracking_uri
        self._local = LocalLauncher(directory, tracking_uri)
        self._kubeflow: tuple[KubeflowServer, Launcher] | None = None

    def launcher(self, name: str) -> Launcher:
        """Returns a launcher.

        Raises:
            LauncherError: It is unavailable, or does not exist.
        """
        if name == LOCAL:
            return self._local
        if name != KUBEFLOW:
            raise LauncherError(f"there is no launcher {name!r}; {LOCAL} and {KUBEFLOW} are there")
        where = self._rules.rules.kubeflow
        if self._kubeflow is None or self._kubeflow[0] != where:
            try:
                self._kubeflow = (where, self._connected(where))
            except ConfigError as error:
                raise LauncherError(str(error)) from error
        return self._kubeflow[1]

    def check(self) -> None:
        """Checks the settings of the launchers that the rules need; an unavailable server is no error.

        Raises:
            ConfigError: A setting is invalid.
        """
        if KUBEFLOW in self._rules.rules.launchers():
            try:
                where = self._rules.rules.kubeflow
                self._kubeflow = (where, self._connected(where))
            except LauncherError:
                return

    def close(self) -> None:
        """Ends the runs that cannot continue without the watcher."""
        self._local.close()

    def _connected(self, where: KubeflowServer) -> Launcher:
        from edgequant_pipelines.watching.launchers.kubeflow import KubeflowLauncher

        try:
            return KubeflowLauncher(where, self._tracking_uri)
        except ConfigError as error:
            raise ConfigError(self._named(str(error), where)) from error

    def _named(self, text: str, where: KubeflowServer) -> str:
        """Returns an error message about the address with the rules' keys: `watch` has no command-line options for it."""
        from edgequant_pipelines.kubeflow.kfp_client import ENDPOINT

        key, colon, rest = text.partition(":")
        if key == "host" and not where.host and os.environ.get(ENDPOINT):
            return f"{ENDPOINT}{colon}{rest}"
        if key in KubeflowServer.model_fields:
            return f"{self._rules.path}: kubeflow.{key}{colon}{rest.replace('give --', 'give kubeflow.')}"
        return text
