"""The shipped role at a real Kubernetes API, which the stand-in for KFP asks about every request as KFP does."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.kfp_server import KfpServer, served
from tests.kfp_server.authorization import Access
from tests.kfp_server.refusals import RefusedError
from tests.kubernetes.api_server import KubernetesApi
from tests.kubernetes.reviews import AUDIENCE, Reviews
from tests.manifests.deployed_watch import DeployedWatch, deploy, register, role_rights

from edgequant_pipelines.cli import main
from edgequant_pipelines.compilation import CompiledPipeline, CompileOptions, compile_pipeline
from edgequant_pipelines.kubeflow import pipeline_versions
from edgequant_pipelines.kubeflow.credentials import TOKEN, TOKEN_PATH
from kubernetes import client

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(120)]

ACCOUNT = ROLE = "edgequant-watch"
RIGHTS = sorted(role_rights())
# What Kubernetes issues when nobody names an audience: a token for its own API.
OWN_AUDIENCE = "https://kubernetes.default.svc"
Submit = Callable[[str], Result]


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """Compiles a pipeline once, and not in every test."""
    made: dict[str, CompiledPipeline] = {}

    def compile_once(options: CompileOptions) -> CompiledPipeline:
        key = repr((options.config.kubeflow if options.config else None, options.image_prefix, options.tag))
        if key not in made:
            made[key] = compile_pipeline(options)
        return made[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline_versions, "compile_pipeline", compile_once)
        yield


@pytest.fixture(scope="module")
def token(api: KubernetesApi, profile: str) -> str:
    """The account's token as its pod gets it."""
    return api.token(ACCOUNT, profile, AUDIENCE, timedelta(hours=2))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an MLflow with a version that the shipped rules select."""
    folder = tmp_path_factory.mktemp("registry")
    register(f"sqlite:///{folder}/mlflow.db", folder)
    return folder / "mlflow.db"


@pytest.fixture
def reviews(api: KubernetesApi) -> Reviews:
    """What KFP asks Kubernetes."""
    return Reviews(api)


@pytest.fixture
def server(tmp_path: Path, profile: str, reviews: Reviews) -> Iterator[KfpServer]:
    """A KFP that knows an account's rights from Kubernetes."""
    with served(tmp_path / "kfp.db", namespaces=(profile,), authorizer=reviews) as found:
        yield found


@pytest.fixture
def watch(
    tmp_path: Path, registry: Path, server: KfpServer, token: str, monkeypatch: pytest.MonkeyPatch
) -> DeployedWatch:
    """The CronJob's watch, with a registry of its own."""
    database = shutil.copyfile(registry, tmp_path / "mlflow.db")
    deployed = deploy(tmp_path, f"sqlite:///{database}", server.url, monkeypatch)
    deployed.token.write_text(token, encoding="utf-8")
    return deployed


@pytest.fixture
def submit(tmp_path: Path, profile: str, server: KfpServer) -> Submit:
    """Runs `edgequant submit --wait` with a token, for a run that fails at once."""
    config = tmp_path / "digits.yaml"
    config.write_text(
        "name: digits\nmodel: models:/digits@champion\nexamples: {calibration: s3://bucket/train-*, label: digit}\n"
        "tracking: {uri: https://mlflow.example.com}\n",
        encoding="utf-8",
    )

    def run(token: str) -> Result:
        options = ("--host", server.url, "--namespace", profile, "--run-name", "first")
        arguments = ["submit", str(config), *options, "--wait", "--poll-seconds", "0.1"]
        with failing(server):
            return CliRunner().invoke(main, arguments, env={TOKEN: token, TOKEN_PATH: None})

    return run


@contextmanager
def failing(server: KfpServer) -> Iterator[None]:
    """Lets every run fail that is started meanwhile."""
    over = threading.Event()

    def fail() -> None:
        while not over.wait(0.05):
            for run in server.all("run"):
                server.set_run(run["run_id"], "FAILED", error="no nodes")

    thread = threading.Thread(target=fail)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def without(api: KubernetesApi, namespace: str, right: tuple[str, str]) -> Iterator[None]:
    """Takes a right from the role for a while."""
    roles = client.RbacAuthorizationV1Api(api.administrator())
    role = roles.read_namespaced_role(ROLE, namespace)
    rules = deepcopy(role.rules)
    (rule,) = (rule for rule in rules if right[0] in rule.resources)
    rule.verbs.remove(right[1])
    try:
        replace(api, role, rules)
        wait_for(api, namespace, right, allowed=False)
        yield
    finally:
        replace(api, roles.read_namespaced_role(ROLE, namespace), role.rules)
        wait_for(api, namespace, right, allowed=True)


def replace(api: KubernetesApi, role: client.V1Role, rules: list[client.V1PolicyRule]) -> None:
    """Gives a role other rules."""
    changed = client.V1Role(metadata=role.metadata, rules=rules)
    client.RbacAuthorizationV1Api(api.administrator()).replace_namespaced_role(ROLE, role.metadata.namespace, changed)


def wait_for(api: KubernetesApi, namespace: str, right: tuple[str, str], *, allowed: bool) -> None:
    """Returns when Kubernetes has taken note of a change of the role."""
    token = api.token(ACCOUNT, namespace, AUDIENCE)
    limit = time.monotonic() + 30
    while may(api, token, namespace, right) != allowed:
        assert time.monotonic() < limit
        time.sleep(0.02)


def may(api: KubernetesApi, token: str, namespace: str, right: tuple[str, str]) -> bool:
    """Tells whether the account has a right."""
    resource, verb = right
    try:
        Reviews(api)(token, Access(resource=resource, verb=verb, namespace=namespace))
    except RefusedError:
        return False
    return True


def check_named(done: Result, right: tuple[str, str]) -> None:
    """Asserts that a command failed, and said which right is missing."""
    resource, verb = right
    assert done.exit_code == 1, done.output
    assert "the account may not (403)" in done.output
    assert f"Verb:{verb}," in done.output
    assert f"Resource:{resource}," in done.output
    assert "Traceback" not in done.output


def test_watch_needs_the_role_and_no_more(
    watch: DeployedWatch, server: KfpServer, reviews: Reviews, profile: str
) -> None:
    """With the rights of the role alone a version becomes a run, which is followed; each of the rights is needed."""
    for _ in range(2):
        done = watch.look()
        assert done.exit_code == 0, done.output
    (run,) = server.all("run")
    assert run["namespace"] == profile
    assert sorted(reviews.needed) == RIGHTS


def test_submit_needs_the_role_and_no_more(submit: Submit, server: KfpServer, reviews: Reviews, token: str) -> None:
    """With the same rights a run is started and waited for, until it fails for a reason of its own."""
    done = submit(token)
    assert (done.exit_code, len(server.all("run"))) == (1, 1), done.output
    assert "no nodes" in done.output
    assert sorted(reviews.needed) == RIGHTS


@pytest.mark.parametrize("right", RIGHTS, ids=" ".join)
def test_watch_says_which_right_is_missing(
    api: KubernetesApi, profile: str, watch: DeployedWatch, right: tuple[str, str]
) -> None:
    """Each right of the role, when it is taken away, is named by the watcher."""
    if right == ("runs", "get"):
        # Only a run that was started is read.
        assert watch.look().exit_code == 0
    with without(api, profile, right):
        check_named(watch.look(), right)


@pytest.mark.parametrize("right", RIGHTS, ids=" ".join)
def test_submit_says_which_right_is_missing(
    api: KubernetesApi, profile: str, submit: Submit, token: str, right: tuple[str, str]
) -> None:
    """Each right of the role, when it is taken away, is named by `submit`."""
    with without(api, profile, right):
        check_named(submit(token), right)


def test_a_refused_upload_names_the_right(
    api: KubernetesApi, profile: str, submit: Submit, server: KfpServer, token: str
) -> None:
    """KFP refuses a version with 400, in words of its own: they are kept, where the pipeline is there and its version is not."""
    name = compile_pipeline(CompileOptions(defaults=False)).name
    server.add("pipeline", "pipeline_id", {"name": name, "display_name": name, "namespace": profile})
    with without(api, profile, ("pipelines", "create")):
        done = submit(token)
    assert done.exit_code == 1
    assert server.requests("POST") == ["POST /apis/v2beta1/pipelines/upload_version"]
    for text in ("Verb:create,", "Resource:pipelines,", "Unauthorized access"):
        assert text in done.output


@pytest.fixture(params=["another audience", "expired", "no token of this cluster"])
def refused_token(request: pytest.FixtureRequest, api: KubernetesApi, profile: str, token: str) -> str:
    """A token that Kubernetes does not take for KFP."""
    kinds: dict[str, Callable[[], str]] = {
        "another audience": lambda: api.token(ACCOUNT, profile, OWN_AUDIENCE),
        "expired": lambda: api.signed(token, timedelta(days=-1)),
        "no token of this cluster": lambda: "of-another-cluster",
    }
    return kinds[request.param]()


def test_a_refused_token_is_an_error_in_words(
    refused_token: str, watch: DeployedWatch, submit: Submit, server: KfpServer
) -> None:
    """A token of another audience, an expired one and one of another cluster are refused by both, and nothing is made."""
    watch.token.write_text(refused_token, encoding="utf-8")
    for done in (watch.look(), submit(refused_token)):
        assert done.exit_code == 1
        assert "refuses the credentials (401): the token is missing, expired or of another audience" in done.output
        assert refused_token not in done.output
        assert "Traceback" not in done.output
    assert server.all("pipeline") == server.all("experiment") == server.all("run") == []


def test_a_token_that_was_expired_differs_in_time_alone(api: KubernetesApi, profile: str) -> None:
    """What is signed anew for these tests is taken while it is valid: it is refused for its time, not for its signature."""
    token = api.token(ACCOUNT, profile, AUDIENCE)
    assert may(api, api.signed(token, timedelta(0)), profile, ("runs", "list"))
    assert not may(api, api.signed(token, timedelta(days=-1)), profile, ("runs", "list"))
