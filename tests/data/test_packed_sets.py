"""CIFAR-10, Kuzushiji-MNIST and USPS, from small files of the same formats; torchvision reads the same values."""

import bz2
import dataclasses
import gzip
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from hpsearch.config.data import Data, TaskChoice
from hpsearch.data.datasets import find_source
from hpsearch.data.download import DamagedError, Digest, Mirrors, NoMirrorError
from hpsearch.data.packed_sets import CIFAR10, KMNIST, PACKED_SETS, USPS, parse_cifar
from hpsearch.data.seal import Claim, load_development, seal
from hpsearch.errors import DataError
from tests.data.test_mnist import mirror, send
from tests.data.tiny_idx import idx_bytes

DRAW = np.random.default_rng(0)


def cifar_batch(n: int) -> bytes:
    """A batch as Python 2 wrote it: a pickle of protocol 2, whose texts are bytes."""
    data = DRAW.integers(0, 256, (n, 3072), np.uint8)
    return pickle.dumps({"data": data, "labels": [int(label) for label in np.arange(n) % 10]}, protocol=2)


def idx_images(n: int) -> bytes:
    return gzip.compress(idx_bytes(DRAW.integers(0, 256, (n, 28, 28))))


def usps_lines(n: int) -> bytes:
    values = DRAW.integers(-1000, 1001, (n, 256)) / 1000
    lines = (" ".join(f"{at}:{value:g}" for at, value in enumerate(row, start=1)) for row in values)
    return bz2.compress("".join(f"{label % 10 + 1} {line}\n" for label, line in enumerate(lines)).encode())


CONTENTS = {
    "cifar10": {each.name: cifar_batch(20) for each in (*CIFAR10.train, *CIFAR10.test)},
    "kmnist": {
        **{f"{part}-images-idx3-ubyte.gz": idx_images(20) for part in ("train", "t10k")},
        **{f"{part}-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(np.arange(20) % 10)) for part in ("train", "t10k")},
    },
    "usps": {"usps.bz2": usps_lines(20), "usps.t.bz2": usps_lines(20)},
}


def tiny(kind: str, url: str | None = None):
    """The set with the digests of the small files, and its own mirror, if any."""
    packed, contents = PACKED_SETS[kind], CONTENTS[kind]

    def own(files: tuple[Digest, ...]) -> tuple[Digest, ...]:
        return tuple(dataclasses.replace(each, hexdigest=each.of(contents[each.name])) for each in files)

    archive = packed.archive and dataclasses.replace(packed.archive, hexdigest=packed.archive.of(TARBALL))
    mirrors = Mirrors(lambda: (url,) if url else ())
    return dataclasses.replace(packed, train=own(packed.train), test=own(packed.test), mirrors=mirrors, archive=archive)


def tarball() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in CONTENTS["cifar10"].items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


TARBALL = tarball()


def write(kind: str, root, *names: str):
    folder = root / PACKED_SETS[kind].folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or CONTENTS[kind]:
        (folder / name).write_bytes(CONTENTS[kind][name])
    return folder


def find(kind, root, url=None):
    data = Data(kind=kind, task=TaskChoice.AUTO, limit=None)
    return find_source(data, packed_sets={kind: tiny(kind, url)}, root=root)


KINDS = ("cifar10", "kmnist", "usps")
TRAIN = {"cifar10": 100, "kmnist": 20, "usps": 20}
SHAPES = {"cifar10": (3, 32, 32), "kmnist": (1, 28, 28), "usps": (1, 16, 16)}


@pytest.mark.parametrize("kind", KINDS)
def test_development_rows_need_no_file_of_the_test_set(kind, tmp_path):
    write(kind, tmp_path, *(each.name for each in PACKED_SETS[kind].train))
    source = find(kind, tmp_path)
    development = load_development(source.data, source=source)
    assert development.inputs.shape == (TRAIN[kind], *SHAPES[kind])
    assert development.inputs.dtype == np.uint8
    assert development.targets.tolist() == [at % 20 % 10 for at in range(TRAIN[kind])]
    assert len(development.class_names) == development.classes == 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_official_test_rows_are_sealed(kind, tmp_path):
    write(kind, tmp_path)
    source = find(kind, tmp_path)
    sealed = seal(source.data, source=source)
    rows = sealed.open(Claim(sealed.digest, 1, "me", "now", "to look"))
    packed = tiny(kind)
    images, classes = packed.parse([CONTENTS[kind][each.name] for each in packed.test])
    assert sealed.size == rows.n == 20
    np.testing.assert_array_equal(rows.inputs, images)
    np.testing.assert_array_equal(rows.targets, classes)


@pytest.mark.slow  # imports torchvision
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("train", [True, False])
def test_values_are_those_of_torchvision(kind, train, tmp_path, monkeypatch):
    from torchvision import datasets  # noqa: PLC0415 - takes seconds

    folder = write(kind, tmp_path)
    theirs = {"cifar10": datasets.CIFAR10, "kmnist": datasets.KMNIST, "usps": datasets.USPS}[kind]
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr(datasets.CIFAR10, "_load_meta", lambda _: None)
    if kind == "kmnist":
        for name in CONTENTS[kind]:
            (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(CONTENTS[kind][name]))
    loaded = theirs(folder if kind == "usps" else tmp_path, train=train)
    packed = tiny(kind)
    files = packed.train if train else packed.test
    images, classes = packed.parse([CONTENTS[kind][each.name] for each in files])
    values = np.asarray(loaded.data)
    np.testing.assert_array_equal(images, values.transpose(0, 3, 1, 2) if values.ndim == 4 else values[:, None])
    assert classes.tolist() == list(map(int, loaded.targets))


@pytest.mark.slow  # imports torchvision
def test_digests_folders_and_mirrors_are_those_of_torchvision():
    from torchvision import datasets  # noqa: PLC0415 - takes seconds

    def md5s(files):
        return {each.name: each.hexdigest for each in files if each.algorithm == "md5"}

    assert md5s(KMNIST.train + KMNIST.test) == dict(datasets.KMNIST.resources)
    assert KMNIST.class_names == tuple(datasets.KMNIST.classes)
    assert KMNIST.mirrors.urls() == tuple(datasets.KMNIST.mirrors)
    usps = datasets.USPS.split_list
    assert md5s(USPS.train + USPS.test) == {name: md5 for _, name, md5 in usps.values()}
    assert {USPS.mirrors.urls()[0] + name for name in md5s(USPS.train + USPS.test)} == {
        url for url, *_ in usps.values()
    }
    assert md5s(CIFAR10.train) == dict(map(tuple, datasets.CIFAR10.train_list))
    assert md5s(CIFAR10.test) == dict(map(tuple, datasets.CIFAR10.test_list))
    assert md5s([CIFAR10.archive]) == {datasets.CIFAR10.filename: datasets.CIFAR10.tgz_md5}
    assert CIFAR10.folder == datasets.CIFAR10.base_folder
    assert CIFAR10.mirrors.urls()[0] + CIFAR10.archive.name == datasets.CIFAR10.url


@pytest.mark.parametrize("kind", ["kmnist", "usps"])
def test_a_missing_file_is_downloaded_as_it_is(kind, tmp_path):
    with mirror(lambda handler, path: send(handler, CONTENTS[kind][path.lstrip("/")])) as (url, _):
        assert find(kind, tmp_path, url).read().n == 20
    for each in PACKED_SETS[kind].train:
        assert (tmp_path / PACKED_SETS[kind].folder / each.name).read_bytes() == CONTENTS[kind][each.name]


def test_missing_batches_come_from_the_archive_which_is_downloaded_once(tmp_path):
    with mirror(lambda handler, _: send(handler, TARBALL)) as (url, asked):
        source = find("cifar10", tmp_path, url)
        assert source.read().n == 100
        assert seal(source.data, source=source).size == 20
    assert asked == ["/cifar-10-python.tar.gz"]


@pytest.mark.parametrize("content", [b"no archive", TARBALL[: len(TARBALL) // 2]])
def test_a_damaged_archive_is_refused(tmp_path, content):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    with pytest.raises(
        DamagedError, match=r"cifar-10-python\.tar\.gz is damaged .*; delete it, and it is fetched again"
    ):
        find("cifar10", tmp_path).read()


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_before_it_is_read(kind, tmp_path):
    folder = write(kind, tmp_path)
    name = PACKED_SETS[kind].train[0].name
    (folder / name).write_bytes(b"something else")
    with pytest.raises(DamagedError, match=rf"{name} is damaged: expected MD5 .*, found .*; delete it"):
        find(kind, tmp_path).read()


@pytest.mark.parametrize("kind", KINDS)
def test_without_files_and_mirrors_the_way_out_is_told(kind, tmp_path):
    with pytest.raises(
        NoMirrorError, match=r"is missing and no mirror gave it .*: put it there, or choose another data"
    ):
        find(kind, tmp_path).read()


class _Harmful:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("batch", "name"), [({"data": _Harmful()}, r"posix\.system"), ({"data": DRAW, "labels": []}, r"numpy\.random")]
)
def test_a_batch_calls_no_code(batch, name):
    with pytest.raises(DataError, match=rf"a batch refers to {name}.*, and may hold arrays and texts alone"):
        parse_cifar([pickle.dumps(batch, protocol=2)])


def test_a_batch_of_python_2_is_read():
    """Opcodes as Python 2 wrote them: byte strings without a codec, and NumPy's old module."""
    pixels = bytes(range(256)) * 12
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87R"
        b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T\x00\x0c\x00\x00" + pixels + b"tb"
    )
    batch = b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x07eu."
    images, classes = parse_cifar([batch])
    np.testing.assert_array_equal(images[0].ravel(), np.frombuffer(pixels, np.uint8))
    assert classes.tolist() == [7]
