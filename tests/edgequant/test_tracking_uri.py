"""Which MLflow a step talks to: one that is there on a cluster, by a URI that holds no secret."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgequant.champion.step import fetch_champion
from edgequant.errors import ConfigError, TrackingError
from edgequant.pinning.step import pin
from edgequant.resolution.step import resolve
from edgequant.tracking_uri import check_tracking_uri, tracking_uri, without_credentials

Step = Callable[[str, Path], object]
# What runs before hours of work, with nothing that needs MLflow.
STEPS: dict[str, Step] = {
    "pin": lambda uri, model: pin(str(model), "", uri),
    "resolve": lambda uri, model: resolve(str(model), uri, model.parent / "resolved"),
    "champion": lambda uri, model: fetch_champion("", uri, model.parent / "champion"),
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begins without MLflow's settings of the machine, and outside of a cluster, in a folder of its own."""
    for name in ("MLFLOW_TRACKING_URI", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model by path."""
    folder = tmp_path / "saved_model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_the_first_steps_need_a_server_on_a_cluster(
    step: Step, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a URI a step fails before the work, whatever the model, and makes no database in the pod; with one it works."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(
        TrackingError, match=r"^tracking\.uri is empty and MLFLOW_TRACKING_URI is not set; on a cluster"
    ):
        step("", model)
    assert [path.name for path in tmp_path.iterdir()] == ["saved_model"]
    given = f"sqlite:///{tmp_path}/mlflow.db"
    step(given, model)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    step("", model)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_the_first_steps_need_no_server_on_a_laptop(step: Step, model: Path, tmp_path: Path) -> None:
    """A model by path needs no MLflow, and none is made."""
    step("", model)
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_the_first_steps_refuse_a_password(step: Step, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last step refuses, the first ones do: a password, of the configuration or of the environment."""
    uri = "https://me:planted@mlflow.example.com"
    with pytest.raises(ConfigError, match=r"^tracking\.uri: holds a password; give credentials in MLFLOW_") as first:
        step(uri, model)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ConfigError, match=r"^MLFLOW_TRACKING_URI: holds a password; give credentials in ") as second:
        step("", model)
    assert "planted" not in f"{first.value}{second.value}"


def test_the_server_to_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The configured one, else the environment's, else a database in the working directory."""
    assert tracking_uri("") == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    assert tracking_uri("") == "https://mlflow.example.com"
    assert tracking_uri("https://other.example.com") == "https://other.example.com"


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:planted@mlflow.example.com",
        "http://me:planted@127.0.0.1:99999",
        "http://:planted@h",
        "http://me:plan/ted@h:5000/path",
        "http://me:plan@ted@h",
        "http://me@example.com:plan/ted@h",
        "http://me:planted@[::1",
        "http://me:plan ted@h",
        "postgresql+psycopg2://me:planted/@db/mlflow",
    ],
)
def test_passwords_are_refused_and_not_repeated(uri: str) -> None:
    """However it is written: also with characters that a URI should have quoted."""
    with pytest.raises(ConfigError, match=r"^--tracking-uri: holds a password; give credentials in ") as caught:
        check_tracking_uri("--tracking-uri", uri)
    assert "plan" not in str(caught.value)
    assert "ted@" not in str(caught.value)


_IN_QUERIES = [
    "postgresql://host/db?user=bob&password=planted",
    "postgresql+psycopg2://bob@host/db?sslmode=require&sslpassword=planted",
    "mysql+pymysql://host/db?passwd=planted",
    "mysql+pymysql://host/db?user=bob;pwd=planted",
    "mssql+pyodbc:///?odbc_connect=Driver%3DODBC%3BUID%3Dbob%3BPWD%3Dplanted",
    "http://h:5000/?token=planted",
    "http://h:5000?access_token=planted",
    "https://h/mlflow?a=b&Access-Key=planted",
    "https://h/mlflow?accessKey=planted",
    "https://h/mlflow?x-api-key=planted",
    "https://h/mlflow?key=planted",
    "https://h/mlflow?sv=1&sig=planted",
    "https://h/mlflow#secret=planted",
    "https://h/mlflow?jwt=planted",
    "https://h/mlflow?code=planted",
    "https://h/mlflow?SharedAccessSignature=sr%3Dplanted",
    "https://h/mlflow?x-amz-signature=planted",
    "https://h/mlflow?auth=planted",
    "postgresql://host/db?pass%77ord=planted",
    "postgresql://host/db?pass=planted",
]


@pytest.mark.parametrize("uri", _IN_QUERIES)
def test_secrets_among_options_are_refused_and_not_repeated(
    uri: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password or a token in a query is one: at once, of the configuration or the environment, and in no message."""
    messages = []
    for step in STEPS.values():
        with pytest.raises(ConfigError, match=r"^tracking\.uri: holds a password or a token, .*; give cred") as caught:
            step(uri, model)
        messages.append(str(caught.value))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ConfigError, match=r"^MLFLOW_TRACKING_URI: holds a password or a token, ") as caught:
        tracking_uri("")
    messages += [str(caught.value), without_credentials(f"cannot open {uri} (refused)")]
    assert "planted" not in "".join(messages)
    assert messages[-1].startswith("cannot open ")
    assert messages[-1].endswith(" (refused)")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "databricks",
        "databricks://profile",
        "http://127.0.0.1:5000",
        "http://h:5000/a@b",
        "https://h/a:b@c",
        "sqlite:////home/me/x:y@z/mlflow.db",
        "sqlite:///mlflow.db",
        "postgresql://me@db/mlflow",
        "/home/x:y@z",
        "postgresql://me@db/mlflow?sslmode=verify-full&sslkey=/run/tls.key&passfile=/run/pgpass",
        "mysql+pymysql://me@db/mlflow?ssl_key=/run/tls.key&charset=utf8mb4&read_default_file=/run/my.cnf",
        "mssql+pyodbc://me@db/mlflow?driver=ODBC+Driver+18+for+SQL+Server",
        "sqlite:////srv/mlflow.db?mode=ro",
        "postgresql://me@db/mlflow?require_auth=scram-sha-256",
        "mysql+mysqlconnector://me@db/mlflow?auth_plugin=caching_sha2_password",
        "mssql+pyodbc://me@db/mlflow?authentication=ActiveDirectoryMsi",
        "http://h:5000/?workspace=keys&password=",
    ],
)
def test_what_holds_no_password_is_taken(uri: str) -> None:
    """A port, a path and the user of a database are none."""
    assert check_tracking_uri("tracking.uri", uri) == uri


@pytest.mark.parametrize("uri", ["https://planted@mlflow.example.com", "HTTP://planted@h:5000/a@b"])
def test_a_user_on_the_web_is_refused(uri: str) -> None:
    """Some servers take a token for one."""
    with pytest.raises(ConfigError, match=r"^tracking\.uri: holds a user, which may be a token; give") as caught:
        check_tracking_uri("tracking.uri", uri)
    assert "planted" not in str(caught.value)


def test_what_is_no_uri_is_shown_without_its_user() -> None:
    """A user may be a token."""
    with pytest.raises(ConfigError, match=r"^tracking\.uri: 'http://\[::1' is not a URI \(Invalid IPv6 URL\)"):
        check_tracking_uri("tracking.uri", "http://planted@[::1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Invalid url: http://me:s3cret@h:99999/api/2.0/x?a=b", "Invalid url: http://h:99999/api/2.0/x?a=b"),
        ("no http://me:s3/cr@et@h and postgresql://token@db/x", "no http://h and postgresql://db/x"),
        ("http://h:5000/a does not know me@example.com", "http://h:5000/a does not know me@example.com"),
        ("http://h:5000/a@b", "http://h:5000/a@b"),
        ("no postgresql://h/x?user=bob&password=s3cret: gone", "no postgresql://h/x?user=bob&password=*** gone"),
        ("GET 'https://h/x?page=2&token=s3cret' failed; key=a", "GET 'https://h/x?page=2&token=***' failed; key=a"),
        ("models:/small@champion at sqlite:////tmp/a@b", "models:/small@champion at sqlite:////tmp/a@b"),
    ],
)
def test_credentials_are_taken_out_of_messages(text: str, expected: str) -> None:
    """Users and passwords of URLs go; addresses, ports and aliases stay."""
    assert without_credentials(text) == expected
