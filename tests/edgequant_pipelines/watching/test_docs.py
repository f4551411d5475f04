"""What docs/watching.md shows is what works."""

import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from prometheus_client import generate_latest

from edgequant_pipelines.cli import main
from edgequant_pipelines.watching.claims import tag_key
from edgequant_pipelines.watching.prometheus import Measures
from edgequant_pipelines.watching.rules.rules import KubeflowServer, Rule, load_rules

TEXT = (Path(__file__).parents[3] / "docs" / "watching.md").read_text(encoding="utf-8")


def test_the_rules_and_the_configuration_load(tmp_path: Path) -> None:
    """As they are written."""
    rules, config = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[:2]
    (tmp_path / "RULES.yaml").write_text(rules)
    (tmp_path / "digits.yaml").write_text(config)
    loaded = load_rules(tmp_path / "RULES.yaml")
    assert loaded.rules["digits"].metrics["loss"].at_most == 0.4
    assert loaded.concurrency == 2


def test_the_query_for_what_was_given_up_finds_it(scene: Any) -> None:
    """As it is written, with the rule and the digest of the version's tag."""
    for site in ("north", "south pole"):
        scene.version(tags={"site": site})
    scene.watcher(scene.rules({}, config={"name": "{tags.site}"})).poll()
    (query,) = re.findall(r'search_model_versions\("""(.*)"""\)', TEXT)
    (claim,) = scene.claims(version="2")
    versions = scene.client.search_model_versions(query.replace(tag_key("RULE", "DIGEST"), claim.tag))
    assert [str(version.version) for version in versions] == ["2"]
    assert any("given up after" in line for line in scene.said)


def test_every_key_option_and_metric_is_documented() -> None:
    """With a row of its own, or in one."""
    keys = [
        *Rule.model_fields,
        "rules",
        "concurrency",
        "sweep_seconds",
        *(f"kubeflow.{key}" for key in KubeflowServer.model_fields),
    ]
    assert [key for key in keys if f"| `{key}` |" not in TEXT] == []
    shown = CliRunner().invoke(main, ["watch", "--help"]).output
    options = set(re.findall(r"(--[a-z-]+)", shown)) - {"--help"}
    assert [option for option in options if f"| `{option}` |" not in TEXT] == []
    metrics = set(re.findall(r"# TYPE (edgequant_\w+)", generate_latest(Measures().registry).decode()))
    assert [name for name in metrics if not name.endswith("_created") and f"`{name}" not in TEXT] == []
    assert f"`{tag_key('RULE', 'DIGEST')}`" in TEXT
