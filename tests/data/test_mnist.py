"""IDX files: checked, unpacked and downloaded whole or not at all."""

import gzip
import multiprocessing
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from hpsearch.data.download import DamagedError, NoMirrorError
from hpsearch.data.mnist import FASHION, MNIST, cached, data_root, obtain, read_raw, read_rows
from hpsearch.errors import DataError

NAME = "train-labels-idx1-ubyte"


@contextmanager
def mirror(answer) -> Iterator[tuple[str, list[str]]]:
    """A local mirror; `answer(handler, path)` answers each request."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer(self, self.path)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # the client hangs up on purpose

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler, body: bytes, length: int | None = None, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def serve(contents):
    return lambda handler, path: send(handler, gzip.compress(contents[path[1:].removesuffix(".gz")]))


def fetch(tiny, root, *urls, **limits):
    idx_set = tiny.idx_set(lambda: urls, **limits)
    return obtain(idx_set, idx_set.train_labels, root)


def left(root: Path) -> set[str]:
    return {path.name for path in (root / "Tiny" / "raw").iterdir() if not path.name.endswith(".lock")}


def test_rows_are_the_images_and_labels_of_the_files(tiny, tmp_path):
    tiny.write(tmp_path)
    idx_set = tiny.idx_set()
    rows = read_rows(idx_set, idx_set.train_images, idx_set.train_labels, tmp_path)
    assert rows.inputs.shape == (40, 1, 4, 3)
    assert rows.inputs.dtype == np.uint8
    assert rows.targets.dtype == np.int64
    np.testing.assert_array_equal(rows.inputs[:, 0], tiny.images)
    np.testing.assert_array_equal(rows.targets, tiny.labels)


def test_rows_can_be_written_to_so_that_torch_takes_them_without_a_copy(tiny, tmp_path):
    tiny.write(tmp_path)
    idx_set = tiny.idx_set()
    assert read_rows(idx_set, idx_set.train_images, idx_set.train_labels, tmp_path).inputs.flags.writeable


def test_a_packed_file_is_unpacked_beside_itself(tiny, tmp_path):
    folder = tiny.write(tmp_path, NAME, packed=True)
    path = fetch(tiny, tmp_path)
    assert path == folder / NAME
    assert path.read_bytes() == tiny.contents[NAME]


@pytest.mark.parametrize("fault", ["truncated", "flipped", "empty", "longer"])
def test_a_damaged_file_is_refused_with_what_was_expected_and_found(tiny, tmp_path, fault):
    raw = tiny.contents[NAME]
    flipped = raw[:-1] + bytes([raw[-1] ^ 1])
    folder = tiny.write(tmp_path)
    damaged = {"truncated": raw[:-5], "flipped": flipped, "empty": b"", "longer": raw + b"x"}[fault]
    (folder / NAME).write_bytes(damaged)
    idx_set = tiny.idx_set()
    with pytest.raises(DamagedError) as caught:
        read_raw(idx_set, idx_set.train_labels, tmp_path)
    expected, found = {
        "truncated": ("48 bytes", "found 43"),
        "flipped": (idx_set.train_labels.hexdigest, "found"),
        "empty": ("48 bytes", "found 0"),
        "longer": ("48 bytes", "found more"),
    }[fault]
    for part in (str(folder / NAME), expected, found, "delete it, and it is fetched again"):
        assert part in str(caught.value)


@pytest.mark.parametrize("fault", ["truncated", "no gzip", "other content"])
def test_a_damaged_packed_file_leaves_nothing_behind(tiny, tmp_path, fault):
    folder = tiny.write(tmp_path, NAME, packed=True)
    packed = folder / f"{NAME}.gz"
    whole = packed.read_bytes()
    content = {"truncated": whole[:-20], "no gzip": b"<html>", "other content": gzip.compress(bytes(48))}[fault]
    packed.write_bytes(content)
    with pytest.raises(DamagedError, match=r"train-labels-idx1-ubyte\.gz is damaged"):
        fetch(tiny, tmp_path)
    assert left(tmp_path) == {f"{NAME}.gz"}


def test_a_missing_file_is_downloaded_whole(tiny, tmp_path):
    with mirror(serve(tiny.contents)) as (url, _):
        path = fetch(tiny, tmp_path, url)
    assert path.read_bytes() == tiny.contents[NAME]
    assert left(tmp_path) == {NAME}


def test_a_cached_file_is_not_downloaded(tiny, tmp_path):
    tiny.write(tmp_path)
    with mirror(serve(tiny.contents)) as (url, asked):
        fetch(tiny, tmp_path, url)
    assert asked == []


def test_the_next_mirror_is_tried_when_one_fails(tiny, tmp_path):
    with (
        mirror(lambda handler, _: send(handler, b"gone", status=404)) as (bad, _),
        mirror(serve(tiny.contents)) as (good, _),
    ):
        assert fetch(tiny, tmp_path, bad, good).read_bytes() == tiny.contents[NAME]


def cut_off(handler, _):
    send(handler, gzip.compress(bytes(48))[:12], length=1000)


def black_hole(*_):
    time.sleep(1)


def silent_midway(handler, _):
    send(handler, b"\x1f\x8b", length=1000)
    time.sleep(1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda handler, _: send(handler, b"no", status=500), "Internal Server Error"),
        (lambda handler, _: send(handler, b"<html>please log in</html>"), "expected a gzip file"),
        (lambda handler, _: send(handler, gzip.compress(bytes(48))), "expected SHA-256"),
        (lambda handler, _: send(handler, gzip.compress(bytes(10**6))), "found more"),
        (cut_off, "found"),
        (black_hole, "no byte for 0.3 s"),
        (silent_midway, "no byte for 0.3 s"),
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing_behind(tiny, tmp_path, answer, reason):
    with mirror(answer) as (url, _), pytest.raises(NoMirrorError) as caught:
        fetch(tiny, tmp_path, url)
    for part in (NAME, url, reason, "put it there"):
        assert part in str(caught.value)
    assert left(tmp_path) == set()


def test_a_download_that_drips_for_ever_is_given_up(tiny, tmp_path):
    def drip(handler, _):
        send(handler, b"", length=1000)
        for byte in gzip.compress(bytes(900))[:10] * 5:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)

    start = time.monotonic()
    with mirror(drip) as (url, _), pytest.raises(NoMirrorError, match=r"not complete after 0\.2 s"):
        fetch(tiny, tmp_path, url, total_s=0.2)
    assert time.monotonic() - start < 2


def test_a_refused_connection_is_decided_at_once(tiny, tmp_path):
    with socketserver.TCPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_address[1]
    start = time.monotonic()
    with pytest.raises(NoMirrorError, match="refused"):
        fetch(tiny, tmp_path, f"http://127.0.0.1:{port}/", idle_s=10)
    assert time.monotonic() - start < 2


def _fetch_in_process(tiny, root, url):
    fetch(tiny, root, url)


def test_processes_that_need_the_same_file_download_it_once(tiny, tmp_path):
    def slow(handler, path):
        time.sleep(0.1)
        serve(tiny.contents)(handler, path)

    context = multiprocessing.get_context("spawn")
    with mirror(slow) as (url, asked):
        jobs = [context.Process(target=_fetch_in_process, args=(tiny, tmp_path, url)) for _ in range(3)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    assert asked == [f"/{NAME}.gz"]
    assert left(tmp_path) == {NAME}


def test_a_folder_that_cannot_be_made_is_named(tiny, tmp_path):
    (tmp_path / "Tiny").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"raw cannot be written .* HPSEARCH_DATA"):
        fetch(tiny, tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_any_file_counts_as_cached(tiny, tmp_path, packed):
    assert not cached(tiny.idx_set(), tmp_path)
    tiny.write(tmp_path, "t10k-labels-idx1-ubyte", packed=packed)
    assert cached(tiny.idx_set(), tmp_path)


def test_the_data_root_is_set_by_the_environment(monkeypatch):
    monkeypatch.delenv("HPSEARCH_DATA", raising=False)
    assert data_root() == Path("data")
    monkeypatch.setenv("HPSEARCH_DATA", "/elsewhere")
    assert data_root() == Path("/elsewhere")


@pytest.mark.slow  # imports torchvision
@pytest.mark.parametrize("idx_set", [MNIST, FASHION])
def test_the_files_are_those_that_torchvision_downloads(idx_set):
    from torchvision import datasets  # noqa: PLC0415 - takes seconds

    theirs = {"mnist": datasets.MNIST, "fashion": datasets.FashionMNIST}[idx_set.name]
    assert {f"{file.name}.gz" for file in idx_set.files} == {name for name, _ in theirs.resources}
    assert idx_set.mirrors.urls() == tuple(theirs.mirrors)
    assert idx_set.folder == f"{theirs.__name__}/raw"
