"""The figures of a variant as MLflow's metrics: which there are, what they are called, and in which units."""

import re
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.utils import validation

from edgequant.artifacts.benchmark import Latency, Ratio
from edgequant.artifacts.comparison import (
    ChannelDrift,
    Constants,
    Drop,
    Flips,
    Measured,
    OutputDrift,
    Slice,
    SliceValue,
)
from edgequant.artifacts.verdict import VariantVerdict
from edgequant.tracking.mlflow_names import OWN, metric_names
from edgequant.tracking.recording.metrics import main_figures, metrics

_EVERYTHING = VariantVerdict(
    status="converted",
    verdict="blessed",
    size_bytes=1000,
    examples=50,
    metrics={"accuracy": 0.875, "auc": 0.5, "log_loss": 0.25},
    measures={
        # The main metric's are recorded without its name.
        "accuracy": Measured(value=0.875, interval=(0.75, 0.9375), drop=Drop(points=0.5, interval=(-0.25, 1.25))),
        "auc": Measured(value=0.5, interval=(0.25, 0.75), drop=Drop(points=1.5, interval=(-1.0, 2.0))),
        "log_loss": Measured(value=0.25, interval=(0.125, 0.5), higher_is_better=False, drop=Drop(points=-4.0)),
    },
    metric_interval=(0.75, 0.9375),
    drop_points=0.5,
    drop_interval_points=(-0.25, 1.25),
    agreement=0.5,
    agreement_interval=(0.375, 0.625),
    versus_champion=Drop(points=-0.5, interval=(-1.5, 0.25)),
    flips=Flips(changed=4, right_to_wrong=2, wrong_to_right=1),
    drift={
        "a": OutputDrift(
            sqnr_db=30.0,
            cosine=1.0,
            largest_error=0.5,
            agreement=0.75,
            worst=ChannelDrift(number=4, axis=-1, channels=7, spread=0.5, sqnr_db=0.0, cosine=0.5, agreement=0.25),
            constants=Constants(axis=-1, channels=7, lost=3, lost_numbers="4 to 6"),
        ),
        "b": OutputDrift(sqnr_db=None, cosine=1.0, largest_error=0.0),
    },
    divergence_nats=0.125,
    slices=(
        Slice(name="site", total=1, values=(), worst_interval_points=(8.0, 9.0)),
        Slice(
            name="class",
            total=1,
            values=(
                SliceValue(
                    value="7", examples=9, reference=1.0, variant=0.75, drop_points=25.0, drop_interval_points=None
                ),
            ),
            worst_interval_points=(-2.0, 40.0),
        ),
    ),
    latency=Latency(
        p50_ms=1.0,
        p90_ms=2.0,
        p99_ms=3.0,
        runs=9,
        ratio=Ratio(value=0.5, low=0.25, high=0.75, confidence=0.95, noisy=False, trials=8),
    ),
    peak_memory_bytes=600_000,
)
_MAIN = {
    "accuracy_percent": 87.5,
    "accuracy_low_percent": 75.0,
    "accuracy_high_percent": 93.75,
    "auc_percent": 50.0,
    "log_loss": 0.25,
    "drop_vs_champion_points": -0.5,
    "right_to_wrong": 2.0,
    "wrong_to_right": 1.0,
    "sqnr_db": 30.0,
    "cosine": 1.0,
    "divergence_nats": 0.125,
    "drop_points": 0.5,
    "drop_low_points": -0.25,
    "drop_high_points": 1.25,
    "agreement_percent": 50.0,
    "agreement_low_percent": 37.5,
    "agreement_high_percent": 62.5,
    "size_bytes": 1000.0,
    "peak_memory_bytes": 600_000.0,
    "examples": 50.0,
    "worst_class_drop_points": 25.0,
    "latency_ratio": 0.5,
    "latency_p50_ms": 1.0,
    "latency_p90_ms": 2.0,
    "latency_p99_ms": 3.0,
}
_DETAILS = {
    "auc_low_percent": 25.0,
    "auc_high_percent": 75.0,
    "auc_drop_points": 1.5,
    "auc_drop_low_points": -1.0,
    "auc_drop_high_points": 2.0,
    "log_loss_low": 0.125,
    "log_loss_high": 0.5,
    "log_loss_drop_points": -4.0,
    "drop_vs_champion_low_points": -1.5,
    "drop_vs_champion_high_points": 0.25,
    "worst_class_drop_low_points": -2.0,
    "worst_class_drop_high_points": 40.0,
    "latency_ratio_low": 0.25,
    "latency_ratio_high": 0.75,
    "flips": 4.0,
    "largest_error": 0.5,
    "worst_channel_sqnr_db": 0.0,
    "worst_channel_cosine": 0.5,
    "worst_channel_agreement_percent": 25.0,
    "constant_channels": 3.0,
}
# With several outputs, those of each.
_OUTPUTS = {
    "output/a/sqnr_db": 30.0,
    "output/a/cosine": 1.0,
    "output/a/agreement_percent": 75.0,
    "output/b/cosine": 1.0,
}


def test_every_figure_is_recorded_in_units_that_charts_show() -> None:
    """Shares become percent, every metric, drop and ratio has the ends of its interval, and every name has its unit."""
    assert metrics(_EVERYTHING, "accuracy") == _MAIN | _DETAILS | _OUTPUTS
    assert main_figures(_EVERYTHING, "accuracy") == _MAIN


def test_the_metrics_of_outputs_are_bounded() -> None:
    """Of hundred outputs the eight that agree least have metrics of their own; two names that MLflow makes equal stay two."""
    drift = {
        f"head:{number}": OutputDrift(
            sqnr_db=1.0,
            cosine=1.0,
            largest_error=1.0,
            agreement=1.0,
            worst=ChannelDrift(
                number=0, axis=-1, channels=1, spread=1.0, sqnr_db=1.0, cosine=1.0, agreement=1 - number / 1000
            ),
        )
        for number in range(100)
    }
    drift["head_99"] = drift["head:99"]
    recorded = metrics(VariantVerdict(status="converted", verdict="blessed", drift=drift), "accuracy")
    outputs = {name.split("/")[1] for name in recorded if name.startswith("output/")}
    assert outputs == {"head_99", "head_99_2", *(f"head_{number}" for number in range(93, 99))}
    assert len([name for name in recorded if name.startswith("output/")]) == 24


def test_every_metric_is_documented() -> None:
    """docs/mlflow.md has a row for every metric, and for no other: METRIC stands for one of the task."""
    text = (Path(__file__).parents[4] / "docs" / "mlflow.md").read_text(encoding="utf-8")
    table = text.partition("| metric | ")[2].partition("\n\n")[0]
    documented = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert documented.count("METRIC") == 1
    of_a_task = metric_names(["METRIC"])["METRIC"].all
    assert sorted(documented) == sorted([*OWN, *of_a_task])
    assert set(OWN) == {name for name in _MAIN | _DETAILS if not name.startswith(("accuracy", "auc", "log_loss"))}


def test_what_is_not_known_is_left_out() -> None:
    """A failed variant has no numbers, and none that is not finite is sent."""
    assert metrics(VariantVerdict(status="failed", verdict="rejected"), "accuracy") == {}
    variant = VariantVerdict(status="converted", verdict="rejected", metrics={"loss": float("inf")}, agreement=1.0)
    assert metrics(variant, "loss") == {"agreement_percent": 100.0}


def test_metrics_have_the_digits_that_say_something() -> None:
    """Percent and points have four places, others six digits; a size keeps all of its own."""
    variant = VariantVerdict(
        status="converted",
        verdict="blessed",
        size_bytes=1_234_567_891,
        metrics={"accuracy": 0.913769123, "rmse": 1234.56789},
        metric_interval=(1200.123456, 1300.0),
        drop_points=0.333333333,
        divergence_nats=0.000123456789,
    )
    assert metrics(variant, "rmse") == {
        "accuracy_percent": 91.3769,
        "rmse": 1234.57,
        "rmse_low": 1200.12,
        "rmse_high": 1300.0,
        "drop_points": 0.3333,
        "divergence_nats": 0.000123457,
        "size_bytes": 1_234_567_891.0,
    }


# What a user's function may call its metrics, and what they are recorded under.
_NAMES = {
    "F1@0.5 (κ)": "F1_0.5 ___",
    "top-5/a.b": "top-5/a.b",
    "a//b": "a/b_2",
    "a/b": "a/b",
    "/x": "x",
    "../y": "y",
    "..z": "z",
    "w/../v/.": "w/v",
    "": "metric",
    "..": "metric_2",
    "size_bytes": "size_bytes_2",
    "drop_points": "drop_points_2",
    "accuracy": "accuracy_percent",
    "accuracy_low_percent": "accuracy_low_percent_2",
    "loss?": "loss__2",
    "loss_": "loss_",
    "l" * 300: "l" * 220,
    "l" * 301: "l" * 220 + "_2",
    "line\n": "line_",
}


def test_a_users_metrics_get_names_that_mlflow_allows() -> None:
    """What MLflow refuses is replaced or left out of a name, and no two are recorded as one; a good name stays."""
    names = metric_names(_NAMES)
    assert {metric: name.value for metric, name in names.items()} == _NAMES
    every = [each for name in names.values() for each in name.all]
    assert len(every) == len(set(every))
    assert not set(every) & set(OWN)


def test_a_server_takes_whatever_a_users_metrics_are_called(server: str) -> None:
    """Nothing is refused, lost or overwritten: every value is there, once."""
    values = {metric: 0.125 * number for number, metric in enumerate(_NAMES, 1)}
    measures = {
        metric: Measured(value=value, interval=(value - 1, value + 1), drop=Drop(points=value, interval=(-1.5, 2.5)))
        for metric, value in values.items()
    }
    variant = VariantVerdict(
        status="converted",
        verdict="blessed",
        metrics=values,
        measures=measures,
        size_bytes=1000,
        drop_points=0.0625,
        metric_interval=(-1.5, 2.5),
    )
    recorded = metrics(variant, "a//b")
    client = MlflowClient(tracking_uri=server)
    run_id = client.create_run(client.create_experiment("names")).info.run_id
    client.log_batch(run_id, metrics=[Metric(name, value, 0, 0) for name, value in recorded.items()])
    logged = client.get_run(run_id).data.metrics
    assert logged == recorded
    assert max(map(len, logged)) <= validation.MAX_ENTITY_KEY_LENGTH
    shown = {metric: logged[name] for metric, name in _NAMES.items()}
    assert shown == values | {"accuracy": 100 * values["accuracy"]}
    assert (logged["size_bytes"], logged["drop_points"]) == (1000.0, 0.0625)
    # The value and the ends of each, the drop and its ends of all but the main one, and the two that are not the task's.
    assert len(logged) == 6 * len(values) - 3 + 2
