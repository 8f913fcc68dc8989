"""sweep(..., store="s3://..."): a server that speaks S3's language, where moto[server] and s3fs are installed."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import optax
import pytest
from fsspec.config import conf
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.store import _remote as remote
from lrsweep.store._folder import LOCK, Folder
from tests import store_kills
from tests.conftest import Run
from tests.kills import environment

s3fs: Any = pytest.importorskip("s3fs")
moto: Any = pytest.importorskip("moto.moto_server.werkzeug_app")
serving: Any = pytest.importorskip("werkzeug.serving")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

LINE = lrsweep.problems.line()
GRID = lrsweep.grid(learning_rate=[0.1, 0.02, 0.5], seed=range(4))
OPTIONS: dict[str, Any] = {"steps": 20, "block_width": 4, "shard_size": 4, "progress": False}

# A driver that waits, once it has begun, until it is killed.
WAITS = """
import sys
from lrsweep.store._folder import Folder
with Folder(sys.argv[1]).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def busy() -> list[int]:
    """How many of the next objects that are put the server is too busy for, three for each that it takes."""
    return [0]


@pytest.fixture(scope="module")
def bucket(busy: list[int]) -> Iterator[str]:
    """The URL of a bucket on a server of this process, which its children reach too."""
    service = moto.DomainDispatcherApplication(moto.create_backend_app)

    def answer(request: Any, start: Any) -> Any:
        if request["REQUEST_METHOD"] == "PUT" and busy[0] > 0:
            busy[0] -= 1
            if busy[0] % 4:
                request["wsgi.input"].read(int(request["CONTENT_LENGTH"]))
                start("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate</Message></Error>"]
        return service(request, start)

    server = serving.make_server("127.0.0.1", 0, answer, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    told = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "FSSPEC_S3_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "NO_PROXY": "127.0.0.1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        # fsspec has read its environment when it was loaded.
        patch.setitem(conf, "s3", {"endpoint_url": told["FSSPEC_S3_ENDPOINT_URL"]})
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
        s3fs.S3FileSystem.clear_instance_cache()
    server.shutdown()
    server.server_close()
    thread.join()


def into(store: str | Path, **options: Any) -> lrsweep.Sweep:
    return lrsweep.sweep(LINE, optax.sgd, GRID, store=store, **{**OPTIONS, **options})


@pytest.mark.parametrize("executor", [None, "processes:2"])
def test_the_table_and_the_shards_are_those_of_a_disk(bucket: str, tmp_path: Path, executor: str | None) -> None:
    url, whole = f"{bucket}/runs/{executor}", into(tmp_path)
    with jax.default_device(None):
        assert_frame_equal(into(url, executor=executor).table, whole.table, check_exact=True)
    names = sorted(path.name for path in tmp_path.iterdir() if path.name != LOCK)
    assert sorted(Folder(url).names("")) == names
    for name in names[1:]:
        assert Folder(url).read(name) == (tmp_path / name).read_bytes()
    Folder(url).remove(names[2])
    assert lrsweep.open_store(url).dataset.count_rows() == 8
    assert_frame_equal(into(url).table, whole.table, check_exact=True)


def test_a_put_that_fails_for_a_moment_is_tried_again(bucket: str, busy: list[int], tmp_path: Path) -> None:
    busy[0] = 12
    assert_frame_equal(into(f"{bucket}/runs/busy").table, into(tmp_path).table, check_exact=True)
    assert busy == [0]


def test_a_second_driver_is_refused_and_takes_over_once_the_first_is_killed(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, pipe = f"{bucket}/runs/two", subprocess.PIPE
    words = [sys.executable, "-c", WAITS, url]
    with subprocess.Popen(words, env=environment(tmp_path), stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with (
            pytest.warns(UserWarning, match="has locked"),
            pytest.raises(lrsweep.InputError, match=rf"process {process.pid} on .* is computing into '{url}'"),
        ):
            into(url)
        process.kill()
    monkeypatch.setattr(remote, "NOBODYS", 2.0)
    with pytest.warns(UserWarning, match=f"process {process.pid} on .* has locked"):
        into(url)
    assert LOCK not in Folder(url).names()


def test_what_the_service_refuses_is_one_sentence_on_the_command_line(
    bucket: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("run", "--store", "s3://nobucket/edge")
    assert (said.code, said.out) == (2, "")
    assert "the folder 's3://nobucket/edge' cannot be written to: The specified bucket does not exist" in said.err
    said = run("status", f"{bucket}/none")
    assert said.err == f"lrsweep: there is no folder '{bucket}/none'\n"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3fs.S3FileSystem.clear_instance_cache()
    said = run("run", "--store", f"{bucket}/none")
    s3fs.S3FileSystem.clear_instance_cache()
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "cannot be written to: NoCredentialsError: Unable to locate credentials" in said.err


def test_sweeps_that_are_killed_go_on_with_the_same_bits(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "NOBODYS", store_kills.NOBODYS)
    with pytest.warns(UserWarning, match="has locked"):
        counts = store_kills.count("shards", runs=2, seed=1, at=f"{bucket}/kills")
    assert not [what for what in counts if what.startswith("wrong")]
