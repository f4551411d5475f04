"""The statistics of a verdict: drops, their confidence intervals, and sample sizes."""

from edgequant.validation.statistics.bootstrap import (
    BootstrapDrop,
    Resampled,
    Resampling,
    one_by_one,
    paired_bootstrap_interval,
)
from edgequant.validation.statistics.classes import ClassDrop, ClassDrops, class_drops
from edgequant.validation.statistics.clusters import Clusters
from edgequant.validation.statistics.exact import exact_ends, examples_for_share
from edgequant.validation.statistics.means import mean_drop_interval
from edgequant.validation.statistics.proportions import paired_drop_interval, wilson_interval
from edgequant.validation.statistics.sample_size import POWER, examples_to_settle, right_or_wrong

__all__ = [
    "POWER",
    "BootstrapDrop",
    "ClassDrop",
    "ClassDrops",
    "Clusters",
    "Resampled",
    "Resampling",
    "class_drops",
    "exact_ends",
    "examples_for_share",
    "examples_to_settle",
    "mean_drop_interval",
    "one_by_one",
    "paired_bootstrap_interval",
    "paired_drop_interval",
    "right_or_wrong",
    "wilson_interval",
]
