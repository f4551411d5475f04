"""Writes what the engines' tests draw from, with TensorFlow alone: a tiny SavedModel and TFRecord shards of points.

The training shards hold the points 0 to 1499, of four classes, plain and gzipped in turn; each repeats 30 points of
any shard. The test shards hold the points 1450 to 1949: 50 of them are in the training shards, too. The first 500 points
carry 70 KB of padding each, so that the first two shards are large enough to be read apart from the rest.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

TRAINING = 6
TESTING = 2
SHARD = 250
REPEATED = 30
PADDED = 500
PADDING_BYTES = 70_000
FIRST_TEST = 1450


class _Model(tf.Module):  # type: ignore[misc]
    """x, float32 [N, 2] → scores, float32 [N, 4]."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": tf.nn.softmax(tf.concat([x, -x], axis=1))}


def point(number: int) -> bytes:
    """Returns a point as a serialized example."""
    features = {
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=[number, -number])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 4])),
    }
    if number < PADDED:
        padding = np.random.default_rng(number).bytes(PADDING_BYTES)
        features["padding"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[padding]))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def write(path: Path, numbers: Iterable[int]) -> None:
    """Writes points to a shard, gzipped when its name ends in .gz."""
    compression = "GZIP" if path.suffix == ".gz" else ""
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for number in numbers:
            writer.write(point(number))


def main(folder: Path) -> None:
    """Writes everything."""
    model = _Model()
    tf.saved_model.save(model, str(folder / "model"), signatures={"serving_default": model.serve})
    pick = np.random.default_rng(1)
    for shard in range(TRAINING):
        repeated = map(int, pick.choice(TRAINING * SHARD, REPEATED, replace=False))
        name = f"train-{shard}.tfrecord{'.gz' if shard % 2 else ''}"
        write(folder / name, [*range(shard * SHARD, (shard + 1) * SHARD), *repeated])
    for shard in range(TESTING):
        first = FIRST_TEST + shard * SHARD
        write(folder / f"test-{shard}.tfrecord", range(first, first + SHARD))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
