"""`download` from a real server gives the right file or a clear error, and never half a file."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import filelock
import numpy as np
import pytest
from backend_process import WITHOUT_BACKEND
from small_disk import files_of_at_most

from keras_cabvit.weights import download as module
from keras_cabvit.weights.cache import weights_path
from keras_cabvit.weights.download import WeightsDownloadError, download, fetch_text

CONTENT = np.random.default_rng(1).bytes(200_000)
OTHER = np.random.default_rng(2).bytes(200_000)  # another file of the same size
HALF = 100_000


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def destination(tmp_path):
    """The file's path; after every test it holds a complete file, or none."""
    path = tmp_path / "cache" / "weights.h5"
    yield path
    assert not path.exists() or path.read_bytes() == CONTENT


@pytest.fixture
def fetch(destination):
    """A function that downloads CONTENT to the destination, quickly and silently."""

    def fetch(url, **options):
        options = {"sha256": sha256(CONTENT), "timeout": 5, "progress": False} | options
        return download(url, destination, **options)

    return fetch


def partial_of(destination):
    return destination.with_name(destination.name + ".partial")


def assert_placed(destination):
    """Asserts that only the file and its lock are there."""
    assert destination.read_bytes() == CONTENT
    names = {path.name for path in destination.parent.iterdir()}
    assert names == {destination.name, destination.name + ".lock"}


def assert_nothing_kept(destination):
    assert not destination.exists()
    assert not partial_of(destination).exists()


def leave_half(file_server, fetch, destination, content=CONTENT, path="/weights.h5", **options):
    """Leaves the first half of `content` as the partial file of an earlier, failed call."""
    url = file_server.serve(path, content, cuts=[HALF], ending="close", **options)
    with pytest.raises(WeightsDownloadError):
        fetch(url, retries=0)
    assert partial_of(destination).read_bytes() == content[:HALF]
    assert not destination.exists()
    file_server.requests.clear()
    return url


def test_good_file_is_placed(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT)
    assert fetch(url, size=len(CONTENT)) == destination
    assert_placed(destination)
    assert file_server.ranges() == [None]


def test_upper_case_hash_is_the_same_hash(file_server, fetch, destination):
    fetch(file_server.serve("/weights.h5", CONTENT), sha256=sha256(CONTENT).upper())
    assert_placed(destination)


def test_existing_file_is_not_fetched_again(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT)
    fetch(url)
    fetch(url)
    assert len(file_server.requests) == 1


def test_existing_file_may_be_in_an_unwritable_folder(file_server):
    there = Path("/proc/version")  # a file of the kernel, in a folder where no lock can be created
    if not there.is_file():
        pytest.skip("This system has no /proc.")
    url = file_server.serve("/weights.h5", CONTENT)
    assert download(url, there, sha256(there.read_bytes()), progress=False) == there
    assert not file_server.requests


def test_other_file_at_the_destination_is_replaced(file_server, fetch, destination):
    destination.parent.mkdir()
    destination.write_bytes(OTHER)
    fetch(file_server.serve("/weights.h5", CONTENT))
    assert_placed(destination)


def test_wrong_hash_error_names_both_hashes_and_keeps_nothing(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", OTHER)
    with pytest.raises(WeightsDownloadError) as raised:
        fetch(url)
    for part in (url, sha256(OTHER), sha256(CONTENT)):
        assert part in str(raised.value)
    assert len(file_server.requests) == 1  # a file that arrived in one piece is not requested again
    assert_nothing_kept(destination)


def test_wrong_size_is_refused_before_the_body(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT[:-1])
    with pytest.raises(WeightsDownloadError, match="has 199999 bytes where 200000 were expected"):
        fetch(url, size=len(CONTENT))
    assert_nothing_kept(destination)


def test_truncated_file_is_kept_as_partial_and_resumed_by_the_next_call(
    file_server, fetch, destination
):
    url = file_server.serve("/weights.h5", CONTENT, cuts=[HALF], ending="close")
    message = f"{url} could not be downloaded: .*{HALF} of {len(CONTENT)} bytes .* resumes there"
    with pytest.raises(WeightsDownloadError, match=message):
        fetch(url, retries=0)
    assert not destination.exists()
    assert partial_of(destination).read_bytes() == CONTENT[:HALF]
    inode = partial_of(destination).stat().st_ino
    fetch(url)
    assert_placed(destination)
    assert file_server.ranges() == [None, f"bytes={HALF}-"]
    assert destination.stat().st_ino == inode  # renamed in one step, not copied


def test_reset_connection_tells_what_is_kept(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, cuts=[HALF], ending="reset")
    with pytest.raises(WeightsDownloadError, match="resumes there") as raised:
        fetch(url, retries=0)
    kept = partial_of(destination).stat().st_size
    assert f"{kept} of {len(CONTENT)} bytes are kept" in str(raised.value)


def test_stalled_connection_tells_how_long_it_was_waited_for(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, cuts=[HALF], ending="stall")
    message = f"sent nothing for 0.2 seconds; {HALF} of {len(CONTENT)} bytes are kept"
    with pytest.raises(WeightsDownloadError, match=message):
        fetch(url, timeout=0.2, retries=0)


def test_longer_file_of_unknown_length_is_not_read_to_its_end(
    file_server, fetch, destination, monkeypatch
):
    monkeypatch.setattr(module, "_CHUNK_BYTES", 1000)
    written = []
    monkeypatch.setattr(module.Progbar, "update", lambda self, have: written.append(have))
    url = file_server.serve("/weights.h5", CONTENT + OTHER, length=None)
    with pytest.raises(WeightsDownloadError, match="more than the expected 200000 bytes"):
        fetch(url, size=len(CONTENT), retries=0)
    assert written[-1] <= len(CONTENT) + 1000
    assert_nothing_kept(destination)


def test_server_that_never_sends_the_rest(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, cuts=[HALF, 0, 0], ending="close")
    with pytest.raises(WeightsDownloadError, match=f"{HALF} of {len(CONTENT)} bytes"):
        fetch(url, retries=2)
    assert file_server.ranges() == [None, f"bytes={HALF}-", f"bytes={HALF}-"]
    assert not destination.exists()


def test_dropped_connection_resumes_with_a_request_for_the_rest(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, cuts=[HALF, 50_000])
    fetch(url)
    assert_placed(destination)
    first, *others = file_server.ranges()
    assert first is None
    begins = [int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) for asked in others]
    # A reset may overtake sent bytes, so the second request may begin below the cut.
    assert len(begins) == 2
    assert 0 < begins[0] <= HALF
    assert begins[0] < begins[1] <= begins[0] + 50_000


def test_bytes_before_a_stall_are_kept(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, cuts=[HALF], ending="stall")
    fetch(url, timeout=0.2)
    assert_placed(destination)
    assert file_server.ranges() == [None, f"bytes={HALF}-"]


def test_length_that_is_not_a_number_is_ignored(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, length="unknown")
    fetch(url, retries=0)
    assert_placed(destination)


def test_file_that_changed_in_between_is_fetched_afresh(file_server, fetch, destination):
    url = leave_half(file_server, fetch, destination, OTHER)
    file_server.serve("/weights.h5", CONTENT)
    fetch(url)
    assert_placed(destination)
    assert file_server.ranges() == [f"bytes={HALF}-", None]


def test_wrong_hash_after_resuming_is_fetched_exactly_once_more(file_server, fetch, destination):
    url = leave_half(file_server, fetch, destination)
    # The fresh download is interrupted and resumed as well, which must not earn another one.
    file_server.serve("/weights.h5", OTHER, cuts=[HALF, HALF], ending="close")
    with pytest.raises(WeightsDownloadError, match=sha256(OTHER)):
        fetch(url)
    assert file_server.ranges() == [f"bytes={HALF}-", None, f"bytes={HALF}-"]
    assert_nothing_kept(destination)


@pytest.mark.parametrize("partial", [OTHER[:HALF], OTHER, OTHER + b"more"])
def test_partial_of_another_version_costs_no_retry(file_server, fetch, destination, partial):
    destination.parent.mkdir()
    partial_of(destination).write_bytes(partial)
    fetch(file_server.serve("/weights.h5", CONTENT), size=len(CONTENT), retries=0)
    assert_placed(destination)
    assert file_server.ranges() == [f"bytes={len(partial)}-", None]


def test_partial_of_a_file_with_another_hash_is_harmless(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", OTHER, cuts=[HALF], ending="close")
    with pytest.raises(WeightsDownloadError):
        fetch(url, sha256=sha256(OTHER), retries=0)
    file_server.serve("/weights.h5", CONTENT)
    file_server.requests.clear()
    fetch(url)
    assert_placed(destination)
    assert file_server.ranges() == [f"bytes={HALF}-", None]


def test_server_without_ranges_sends_everything_again(file_server, fetch, destination):
    url = leave_half(file_server, fetch, destination, has_ranges=False)
    fetch(url)
    assert_placed(destination)
    assert file_server.ranges() == [f"bytes={HALF}-"]


def test_server_that_sends_another_range(file_server, fetch, destination):
    url = leave_half(file_server, fetch, destination, shift=10)
    fetch(url)
    assert_placed(destination)
    assert file_server.ranges() == [f"bytes={HALF}-", None]
    destination.unlink()
    leave_half(file_server, fetch, destination, shift=10)
    fetch(url, size=len(CONTENT), retries=0)
    assert_placed(destination)


@pytest.mark.parametrize(
    ("partial", "requests"),
    [
        (CONTENT, []),
        (CONTENT + b"more", [f"bytes={len(CONTENT) + 4}-", None]),
        (OTHER, [f"bytes={len(CONTENT)}-", None]),
    ],
    ids=["whole", "too long", "wrong"],
)
def test_range_not_satisfiable(file_server, fetch, destination, partial, requests):
    destination.parent.mkdir()
    partial_of(destination).write_bytes(partial)
    fetch(file_server.serve("/weights.h5", CONTENT))
    assert_placed(destination)
    assert file_server.ranges() == requests


def test_server_is_gone(fetch, destination):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/weights.h5"
    with pytest.raises(WeightsDownloadError, match=f"{url} could not be downloaded: .*refused"):
        fetch(url, retries=0)
    assert_nothing_kept(destination)


def test_missing_file_is_requested_only_once(file_server, fetch, destination):
    with pytest.raises(WeightsDownloadError, match=r"/none.h5 .* the server answered 404"):
        fetch(file_server.url("/none.h5"))
    assert len(file_server.requests) == 1
    assert_nothing_kept(destination)


def test_transient_server_error_is_retried(file_server, fetch, destination):
    fetch(file_server.serve("/weights.h5", CONTENT, statuses=[503, 429]))
    assert_placed(destination)
    assert len(file_server.requests) == 3


def test_persistent_server_error_ends_the_download(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, statuses=[503, 503, 503])
    with pytest.raises(WeightsDownloadError, match=f"{url} .* the server answered 503"):
        fetch(url, retries=1)
    assert len(file_server.requests) == 2
    assert_nothing_kept(destination)


def test_slow_server(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, pause=5)
    with pytest.raises(WeightsDownloadError, match=f"{url} .* sent nothing for 0.1 seconds"):
        fetch(url, timeout=0.1, retries=1)
    assert len(file_server.requests) == 2
    assert not destination.exists()


# Root may write anywhere except below a file and where the kernel itself refuses.
@pytest.mark.parametrize("folder", ["below a file", "/sys/kernel", "/sys/kernel/keras_cabvit"])
def test_unwritable_folder(file_server, tmp_path, folder):
    url = file_server.serve("/weights.h5", CONTENT)
    if folder.startswith("/sys") and not Path("/sys/kernel").is_dir():
        pytest.skip("This system has no /sys.")
    if folder == "below a file":
        (tmp_path / "file").write_bytes(b"")
        folder = tmp_path / "file" / "cache"
    with pytest.raises(WeightsDownloadError) as raised:
        download(url, Path(folder) / "weights.h5", sha256(CONTENT), progress=False)
    assert f"cannot be stored in {folder}: " in str(raised.value)
    assert "KERAS_CABVIT_HOME" in str(raised.value)
    assert not file_server.requests
    assert not os.path.exists(Path(folder) / "weights.h5")


def test_full_disk(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT)
    with files_of_at_most(HALF), pytest.raises(WeightsDownloadError) as raised:
        fetch(url)
    assert f"cannot be stored in {destination.parent}: " in str(raised.value)
    assert "KERAS_CABVIT_HOME" in str(raised.value)
    assert not destination.exists()
    fetch(url)
    assert_placed(destination)


def test_two_threads_download_once(file_server, fetch, destination):
    url = file_server.serve("/weights.h5", CONTENT, pause=0.02)
    errors = []

    def run():
        try:
            fetch(url)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert_placed(destination)
    assert file_server.ranges() == [None]


def test_waiting_for_another_process_is_reported(file_server, fetch, destination, capsys):
    url = file_server.serve("/weights.h5", CONTENT)
    destination.parent.mkdir()
    with filelock.FileLock(f"{destination}.lock"):
        waiting = [
            threading.Thread(target=fetch, args=(url,), kwargs={"progress": progress})
            for progress in (True, False)
        ]
        for thread in waiting:
            thread.start()
        shown, deadline = "", time.monotonic() + 20
        while "Waiting" not in shown and time.monotonic() < deadline:
            time.sleep(0.01)
            shown += capsys.readouterr().out
        assert shown == f"Waiting for another process that is downloading {destination}.\n"
    for thread in waiting:
        thread.join()
    assert_placed(destination)


def start_process(url, destination):
    """Starts another process that prints `ready` and then downloads."""
    script = (
        "import sys; from keras_cabvit.weights.download import download; print('ready', flush=True)"
        "; download(*sys.argv[1:4], progress=False)"
    )
    command = [sys.executable, "-c", script, url, str(destination), sha256(CONTENT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=WITHOUT_BACKEND)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_two_processes_download_once_and_one_takes_over_from_a_killed_one(
    file_server, fetch, destination
):
    url = file_server.serve("/weights.h5", CONTENT, pause=0.1)
    with start_process(url, destination) as other:
        partial = partial_of(destination)
        deadline = time.monotonic() + 20
        while not (partial.exists() and partial.stat().st_size):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        here = threading.Thread(target=fetch, args=(url,))
        here.start()
        time.sleep(0.2)
        assert file_server.ranges() == [None]  # this one waits
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert not destination.exists()
        here.join()
    assert_placed(destination)
    (asked,) = file_server.ranges()
    assert re.fullmatch(r"bytes=[1-9]\d*-", asked)


@pytest.mark.parametrize("url", ["ftp://host/file", "data:,text", "weights.h5", "/weights.h5", ""])
def test_other_schemes_are_refused(fetch, destination, url):
    with pytest.raises(ValueError, match="`url` must begin with one of https://, http://, file://"):
        fetch(url)
    assert not destination.parent.exists()


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_password_in_an_invalid_url_is_not_repeated(fetch, scheme):
    with pytest.raises(ValueError if scheme == "ftp" else WeightsDownloadError) as raised:
        fetch(f"{scheme}://ann:my secret@127.0.0.1/weights.h5")
    assert f"{scheme}://***@127.0.0.1/weights.h5" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_invalid_url(fetch, destination):
    with pytest.raises(WeightsDownloadError, match="not a valid address"):
        fetch("http://127.0.0.1:port/weights.h5")
    assert_nothing_kept(destination)


@pytest.mark.parametrize("wrong", ["", "abc", "g" * 64, "a" * 65, None])
def test_malformed_sha256(fetch, destination, wrong):
    with pytest.raises(ValueError, match="`sha256` must be 64 hexadecimal digits"):
        fetch("http://127.0.0.1/weights.h5", sha256=wrong)


def test_file_url(fetch, destination, tmp_path):
    source = tmp_path / "source.h5"
    source.write_bytes(CONTENT)
    fetch(source.as_uri())
    assert_placed(destination)


def test_missing_file_url(fetch, destination, tmp_path):
    with pytest.raises(WeightsDownloadError, match=r"none.h5 could not be .* No such file"):
        fetch((tmp_path / "none.h5").as_uri())
    assert_nothing_kept(destination)


def test_progress_is_shown_when_requested(file_server, fetch, destination, capsys):
    url = file_server.serve("/weights.h5", CONTENT)
    fetch(url, progress=False)
    assert capsys.readouterr().out == ""
    destination.unlink()
    fetch(url, progress=True)
    shown = capsys.readouterr().out
    assert url in shown
    assert "200000/200000" in shown


@pytest.mark.parametrize("ending", ["reset", "close"])
def test_text_is_fetched_completely(file_server, ending):
    url = file_server.serve("/sum", b"some text", statuses=[503], cuts=[4], ending=ending)
    assert fetch_text(url) == "some text"
    assert len(file_server.requests) == 3
    file_server.serve("/sum", b"some text", cuts=[4, 4], ending=ending)
    with pytest.raises(WeightsDownloadError, match=f"{url} could not be downloaded: .*"):
        fetch_text(url, retries=1)


def test_missing_text(file_server):
    with pytest.raises(WeightsDownloadError, match="the server answered 404"):
        fetch_text(file_server.url("/none"))


def test_text_is_cut_at_its_limit(file_server):
    assert fetch_text(file_server.serve("/sum", b"a" * 10_000), limit=100) == "a" * 100


def test_missing_home_folder_gives_a_clear_error(monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("KERAS_CABVIT_HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", home)

    with pytest.raises(OSError, match="set KERAS_CABVIT_HOME to a folder"):
        weights_path("CabViTH_T")
