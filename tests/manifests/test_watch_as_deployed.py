"""Watch, started as the CronJob of the overlay with profiles starts it, against a real MLflow and a stand-in for KFP."""

from pathlib import Path

import pytest
from tests.kfp_server import served
from tests.kfp_server.authorization import Access
from tests.kfp_server.refusals import RefusedError
from tests.manifests.deployed_watch import NAMESPACE, deploy, register, role_rights

ACCOUNT_TOKEN = "of-the-account"  # noqa: S105 - of a server in this process


def test_a_version_becomes_a_run_in_the_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mounted token and namespace, and no right that the role does not give, one version becomes one run."""
    needed = set()

    def allow(token: str, access: Access) -> None:
        if (token, access.namespace) != (ACCOUNT_TOKEN, NAMESPACE):
            raise RefusedError(403, f"not with {token!r} in {access.namespace!r}")
        needed.add((access.resource, access.verb))

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    register(uri, tmp_path)
    with served(tmp_path / "kfp.db", namespaces=(NAMESPACE,), authorizer=allow) as server:
        watch = deploy(tmp_path, uri, server.url, monkeypatch)
        watch.token.write_text(ACCOUNT_TOKEN, encoding="utf-8")
        for _ in range(2):
            done = watch.look()
            assert done.exit_code == 0, done.output
        (run,) = server.all("run")
        (experiment,) = server.all("experiment")
    assert (experiment["display_name"], experiment["namespace"]) == ("edgequant", NAMESPACE)
    assert run["experiment_id"] == experiment["experiment_id"]
    assert run["runtime_config"]["parameters"]["model"] == "models:/digits-cnn/1"
    assert needed == role_rights()
