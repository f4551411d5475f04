"""Trains the small models of the trust benchmark, and writes their data, once into a folder.

Each is trained with Keras as a user would, from fixed seeds; the digits are scikit-learn's, the others are drawn. Run as
``python trust_models.py FOLDER``; TensorFlow is imported here only.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 17
READY = ".ready"
POOL, EVALUATION = 300, 900
# Colours times patterns.
TILE_CLASSES = 6
_TILE = 16
_SENSORS = 8
_BOXES = 3
Arrays = dict[str, NDArray[Any]]


def main(folder: Path) -> None:
    """Trains every model and writes ``FOLDER/NAME/model`` and ``FOLDER/NAME/data.npz``."""
    import tensorflow as tf

    keras = tf.keras
    keras.utils.set_random_seed(SEED)
    for name, build in {"digits": _digits, "tiles": _tiles, "boiler": _boiler}.items():
        data = _DRAWN[name](np.random.default_rng(SEED))
        _write(folder / name / "data.npz", data)
        model = build(keras, data)
        untrained = keras.models.clone_model(model)
        for tag, saved in {"model": model, "untrained": untrained, "dead": _dead(keras, model)}.items():
            saved.export(str(folder / name / tag), verbose=False)
        # The same graph and file sizes, other variables: what a training job leaves that overwrites its model.
        scrambled = keras.models.clone_model(model)
        scrambled.set_weights(
            [np.random.default_rng(SEED).permutation(w.ravel()).reshape(w.shape) for w in model.get_weights()]
        )
        scrambled.export(str(folder / name / "scrambled"), verbose=False)
    _detector(tf, folder / "detector")
    _stream(tf, folder / "stream")
    (folder / READY).touch()


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, allow_pickle=False, **arrays)


def _digits_data(rng: np.random.Generator) -> Arrays:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    return {"x": images.reshape(-1, 8, 8, 1).astype(np.float32)[order], "y": labels.astype(np.int64)[order]}


def _tiles_data(rng: np.random.Generator) -> Arrays:
    """Coloured stripes and checks, pixels 0 to 255, [N, 16, 16, 3]: which colour and which pattern."""
    count = 2400
    labels = rng.integers(0, TILE_CLASSES, count)
    colours = np.array([[200, 60, 40], [60, 180, 60], [50, 70, 190]], np.float64)
    rows, columns = np.indices((_TILE, _TILE))
    patterns = np.stack([(rows // 4) % 2, (rows // 4 + columns // 4) % 2]).astype(np.float64)
    shade = 0.35 + 0.65 * patterns[labels % 2]
    images = shade[..., None] * colours[labels // 2][:, None, None, :] * rng.uniform(0.5, 1.2, (count, 1, 1, 1))
    images += rng.normal(0, 22, images.shape)
    return {"x": images.clip(0, 255).astype(np.float32), "y": labels.astype(np.int64)}


def _boiler_data(rng: np.random.Generator) -> Arrays:
    """Eight sensor readings of like ranges, [N, 8], and three numbers that hang on them, [N, 3]."""
    readings = rng.uniform(10, 90, (2400, _SENSORS))
    scaled = (readings - 50) / 40
    targets = np.stack(
        [
            scaled[:, 0] + 0.5 * scaled[:, 1] * scaled[:, 2],
            np.sin(2 * scaled[:, 3]) + 0.4 * scaled[:, 4],
            np.abs(scaled[:, 5]) - 0.6 * scaled[:, 6] + 0.2 * scaled[:, 7],
        ],
        axis=1,
    )
    noisy = targets + rng.normal(0, 0.1, targets.shape)
    return {"x": readings.astype(np.float32), "y": noisy.astype(np.float32)}


_DRAWN = {"digits": _digits_data, "tiles": _tiles_data, "boiler": _boiler_data}


def _fit(keras: Any, model: Any, data: Arrays, loss: str, epochs: int) -> Any:
    """Returns a model trained on the examples that neither the calibration nor the evaluation uses."""
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss=loss)
    cut = POOL + EVALUATION
    model.fit(data["x"][cut:], data["y"][cut:], epochs=epochs, batch_size=32, verbose=0)
    return model


def _image_model(keras: Any, shape: tuple[int, int, int], top: float, classes: int) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape, name="x"),
            layers.Rescaling(1 / top),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(32, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def _digits(keras: Any, data: Arrays) -> Any:
    return _fit(keras, _image_model(keras, (8, 8, 1), 16, 10), data, "sparse_categorical_crossentropy", 60)


def _tiles(keras: Any, data: Arrays) -> Any:
    model = _image_model(keras, (_TILE, _TILE, 3), 255, TILE_CLASSES)
    return _fit(keras, model, data, "sparse_categorical_crossentropy", 12)


def _boiler(keras: Any, data: Arrays) -> Any:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((_SENSORS,), name="x"),
            layers.Rescaling(1 / 40, offset=-1.25),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(3),
        ]
    )
    return _fit(keras, model, data, "mse", 60)


def _dead(keras: Any, model: Any) -> Any:
    """Returns the model with a last layer that ignores its input: one answer whatever comes in."""
    dead = keras.models.clone_model(model)
    dead.set_weights(model.get_weights())
    kernel, bias = dead.layers[-1].get_weights()
    dead.layers[-1].set_weights([np.zeros_like(kernel), bias])
    return dead


def _detector(tf: Any, folder: Path) -> None:
    """Writes a model with one output of boxes (0 to 640) beside scores (0 to 1): [N, boxes, 4 numbers and a score]."""
    rng = np.random.default_rng(SEED)
    inputs = rng.uniform(0, 1, (POOL + EVALUATION, 16)).astype(np.float32)
    kernel = tf.Variable(rng.normal(0, 0.6, (16, _BOXES * 5)).astype(np.float32))

    class Detector(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None, 16], tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def serve(self, x: Any) -> dict[str, Any]:
            values = tf.reshape(tf.sigmoid(tf.matmul(x, self.kernel)), [-1, _BOXES, 5])
            return {"found": values * tf.constant([640.0, 640, 640, 640, 1])}

    module = Detector()
    module.kernel = kernel
    tf.saved_model.save(module, str(folder / "model"), signatures={"serving_default": module.serve})
    _write(folder / "data.npz", {"x": inputs, "y": np.zeros(len(inputs), np.int64)})


def _stream(tf: Any, folder: Path) -> None:
    """Writes a model that adds what it has seen before to its input; its labels are of the input alone."""
    rng = np.random.default_rng(SEED)
    inputs = rng.normal(0, 1, (POOL + EVALUATION, 1, _SENSORS)).astype(np.float32)

    class Stream(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([1, 1, _SENSORS], tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def serve(self, x: Any) -> dict[str, Any]:
            seen = self.state + tf.reduce_sum(x, axis=1)
            self.state.assign(seen)
            total = tf.reduce_sum(seen, axis=1, keepdims=True)
            return {"side": tf.nn.softmax(tf.concat([-total, total], axis=1))}

    module = Stream()
    module.state = tf.Variable(tf.zeros([1, _SENSORS]))
    tf.saved_model.save(module, str(folder / "model"), signatures={"serving_default": module.serve})
    _write(folder / "data.npz", {"x": inputs, "y": (inputs.sum((1, 2)) > 0).astype(np.int64)})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
