"""Rules that ask for what nothing has: a warning with the nearest that there is, once for each change."""

from typing import Any

import pytest


@pytest.fixture
def three(scene: Any) -> Any:
    """Three versions of one model with a tag, a metric and an alias, and one that a quantization made."""
    scene.version(tags={"stage": "production", "site": "north"}, metrics={"accuracy": 0.95, "loss": 0.1})
    scene.version(tags={"stage": "test"}, metrics={"accuracy": 0.9})
    scene.version(status="RUNNING", tags={"owner": "vision"}, metrics={"acuracy": 1.0})
    scene.version("digits-lite", tags={"edgequant.variant": "float16", "stge": "production"})
    scene.client.set_registered_model_alias("digits-cnn", "candidate", "1")
    return scene


@pytest.mark.parametrize(
    ("rule", "config", "texts"),
    [
        ({"tags": {"stge": "production"}}, {}, ["no version of its models has a tag 'stge'; the nearest are stage, site"]),
        ({"tags": {"zzz": "1"}}, {}, ["no version of its models has a tag 'zzz'; there are owner, site, stage"]),
        (
            {"tags": {"stage": "prodution"}},
            {},
            ["no version of its models has the tag stage: 'prodution'; the nearest are production"],
        ),
        # What MLflow's filter cannot say is looked for here.
        ({"tags": {"stage": "it's"}}, {}, ["no version of its models has the tag stage: \"it's\"; the nearest are test"]),
        (
            {"tags": {"site": "nord", "stage": "tset"}},
            {},
            [
                "no version of its models has the tag site: 'nord'; the nearest are north",
                "no version of its models has the tag stage: 'tset'; the nearest are test",
            ],
        ),
        (
            {"tags": {"site": "north", "stage": "test"}},
            {},
            ["no version of its models has all of the tags site, stage as asked for"],
        ),
        (
            {},
            {"tracking": {"experiment": "{tags.sites}"}},
            ["no version of its models has a tag 'sites', which config.yaml asks for; the nearest are site, stage"],
        ),
        ({"alias": "candidat"}, {}, ["no version of its models has the alias 'candidat'; the nearest are candidate"]),
        (
            {"metrics": {"acuracy": {"at_least": 0.9}}},
            {},
            ["no finished run that was looked at has a metric 'acuracy'; the nearest are accuracy"],
        ),
        (
            {"metrics": {"f1": {"at_least": 0.9}, "loss": {"at_most": 0.01}}},
            {},
            ["no finished run that was looked at has a metric 'f1'; there are accuracy, loss"],
        ),
        ({"registered_model": "digit_cnn", "tags": {"no": "such"}, "alias": "no"}, {}, ["no registered model matches 'digit_cnn'; the nearest are digits-cnn, digits-lite"]),
        (
            {"tags": {"stage": "test"}},
            {"tracking": {"experiment": "{tags.site}"}},
            ["no version of its models has all of the tags site, stage as asked for"],
        ),
        # Something has each of these, though nothing is selected.
        ({"metrics": {"accuracy": {"at_least": 2.0}}}, {}, []),
        ({"tags": {"stage": "test"}, "alias": "candidate"}, {}, []),
        ({"tags": {"owner": "vision"}, "metrics": {"f1": {"at_least": 0.9}}}, {}, []),
        ({"created_after": "2099-01-01"}, {}, []),
    ],
)  # fmt: skip
def test_what_nothing_has_is_warned_of_once(
    three: Any, rule: dict[str, Any], config: dict[str, Any], texts: list[str]
) -> None:
    """The nearest of what the rule's models have, without what quantizations made; not again at other looks and sweeps."""
    watcher = three.watcher(three.rules(rule, config=config))
    for _ in range(6):
        watcher.poll()
        three.now += 300
    assert [line for line in three.said if line.startswith("warning")] == [
        f"warning: rule digits: {text}" for text in texts
    ]


def test_a_change_is_warned_of(three: Any) -> None:
    """What comes, goes and comes back is told of as it does; other rules are told of anew."""
    watcher = three.watcher(three.rules({"tags": {"go": "on"}, "alias": "champion"}))

    def look() -> list[str]:
        three.said.clear()
        three.now += 600
        watcher.poll()
        return [line.partition("digits: ")[2] for line in three.said if line.startswith("warning")]

    no_tag = "no version of its models has a tag 'go'; there are owner, site, stage"
    no_alias = "no version of its models has the alias 'champion'; there are candidate"
    assert look() == [no_alias, no_tag]
    assert look() == []
    three.client.set_model_version_tag("digits-cnn", "2", "goo", "on")
    assert look() == ["no version of its models has a tag 'go'; the nearest are goo"]
    three.client.set_model_version_tag("digits-cnn", "2", "go", "on")
    three.client.set_registered_model_alias("digits-cnn", "champion", "1")
    assert look() == []
    three.client.delete_registered_model_alias("digits-cnn", "champion")
    assert look() == [no_alias]
    three.rules({"tags": {"go": "on"}, "alias": "champion", "retries": 1})
    assert look() == [no_alias]


def test_what_somebody_wrote_into_a_tag_stays_a_part_of_one_line(scene: Any) -> None:
    """As much of it as a line takes, without its line breaks."""
    for value in ("x" * 5000, "a\nedgequant: watch: all is well", "plain"):
        scene.version(tags={"schema": value})
    scene.watcher(scene.rules({"tags": {"schema": "zzz"}})).poll()
    start = "warning: rule digits: no version of its models has the tag schema: 'zzz'; there are "
    assert scene.said == [f"{start}'a\\nedgequant: watch: all is well', plain, '{'x' * 60}'…"]


def test_a_metric_of_a_run_that_ends_later(scene: Any) -> None:
    """Nothing is said while a run may still log it, nor once one has."""
    scene.version(status="RUNNING")
    watcher = scene.watcher(scene.rules({"metrics": {"accuracy": {"at_least": 0.9}}}))
    watcher.poll()
    run_id = scene.client.get_model_version("digits-cnn", "1").run_id
    scene.client.log_metric(run_id, "accuracy", 0.5)
    scene.client.set_terminated(run_id, "FINISHED")
    watcher.poll()
    scene.version(metrics={"loss": 1.0})
    watcher.poll()
    assert scene.said == []


def test_warnings_cost_a_request_at_a_sweep(three: Any, requests: list[str]) -> None:
    """For a rule that is about no model, all models are asked for at each sweep, and never between."""
    watcher = three.watcher(three.rules({"tags": {"no": "such"}}, {"name": "b", "registered_model": "zzz"}))
    watcher.poll()
    requests.clear()
    for _ in range(19):
        three.now += 30
        watcher.poll()
    assert requests == ["search_model_versions"] * 19
    requests.clear()
    three.now += 30
    watcher.poll()
    assert sorted(requests) == ["search_model_versions"] * 3 + ["search_registered_models"]
