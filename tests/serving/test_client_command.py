"""`cabvit client`: nothing that a server answered is lost."""

import base64
import json
import signal
import subprocess
import sys
import threading

import pytest
import tiny_models
from backend_process import WITHOUT_BACKEND
from stand_ins import FILES, VERSIONS, Service, grpc_server, http_server

from keras_cabvit.cli import main
from keras_cabvit.serving import (
    Answer,
    FileAnswer,
    RestClient,
    Target,
    classify_files,
    classify_over_rest,
)


@pytest.fixture
def images(tmp_path):
    for number, file in enumerate(FILES):
        (tmp_path / f"{number}.jpg").write_bytes(file)
    return [str(tmp_path / f"{number}.jpg") for number in range(3)]


@pytest.fixture
def folder(tmp_path):
    """A folder of images; each file holds its number."""
    for number in range(25):
        path = tmp_path / "photos" / f"class_{number // 10}" / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode())
    return tmp_path / "photos"


def numbers_in(request):
    """Returns the numbers in the files of a request."""

    return [int(base64.b64decode(row["image_bytes"]["b64"])) for row in request["instances"]]


def answer(request):
    """Returns the number in each file as its class."""
    return 200, {
        "predictions": [
            {"classes": [n], "labels": [f"label {n}"], "scores": [0.5], "status": ""}
            for n in numbers_in(request)
        ]
    }


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def classes(rows):
    """Returns the class of each row, and None for those without one."""
    return [row["classes"][0]["number"] if row["classes"] else None for row in rows]


def test_a_few_images_have_a_table_and_unreadable_files_are_named(rest, images, capsys):
    (first, _, third) = classify_over_rest(FILES, rest)
    status = main(["client", *images, "--rest", rest, "--top", "2"])
    printed = capsys.readouterr()

    assert status == 1
    assert printed.err == f"{images[1]}: The bytes are not a JPEG, PNG, WebP, GIF or BMP file.\n"
    rows = [line.split() for line in printed.out.splitlines()[2:]]
    assert rows[0] == [images[0], first.labels[0], f"{100 * first.scores[0]:.1f}", "%"]
    assert rows[1] == [first.labels[1], f"{100 * first.scores[1]:.1f}", "%"]
    assert rows[2] == [images[1], "(not", "read)"]
    assert rows[3][:2] == [images[2], third.labels[0]]


def test_json_lines_have_the_form_of_predict(signatures, images, capsys):
    with grpc_server(Service(signatures)) as address:
        assert main(["client", *images, "--grpc", address, "--json"]) == 1
        assert main(["client", images[0], "--grpc", address, "--json", "--top", "2"]) == 0
    first, second, third, shorter = lines(capsys.readouterr().out)

    assert first["file"] == images[0]
    assert first["error"] is None
    assert sorted(found["class"] for found in first["classes"]) == tiny_models.LABELS
    probabilities = [found["probability"] for found in first["classes"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(len(str(probability)) <= 12 for probability in probabilities)
    assert tiny_models.LABELS[first["classes"][0]["number"]] == first["classes"][0]["class"]
    assert second["classes"] == []
    assert second["error"].startswith("The bytes are not a JPEG")
    assert third["file"] == images[2]
    assert [found["number"] for found in shorter["classes"]] == [
        found["number"] for found in first["classes"][:2]
    ]


def test_images_of_a_folder_are_printed_as_lines_in_order(folder, capsys):
    with http_server(lambda _, request: answer(request)) as url:
        assert main(["client", str(folder), "--rest", url, "--concurrency", "3"]) == 0
    printed = capsys.readouterr()
    rows = lines(printed.out)

    assert classes(rows) == list(range(25))
    assert [row["file"] for row in rows] == sorted(map(str, folder.rglob("*.jpg")))


def failing(number):
    """Returns a server's function that fails for the request with a file."""

    def answer_or_fail(_, request):
        if number in numbers_in(request):
            return 500, {"error": "out of memory"}
        return answer(request)

    return answer_or_fail


@pytest.mark.parametrize("concurrency", ["1", "2"])
def test_answers_before_a_failed_request_are_printed(folder, capsys, concurrency):
    options = ["--batch-size", "5", "--concurrency", concurrency]
    with http_server(failing(12)) as url:
        assert main(["client", str(folder), "--rest", url, *options]) == 1
    printed = capsys.readouterr()
    answered = classes(lines(printed.out))

    assert answered[:10] == list(range(10))
    # A request that was under way is answered; no more are sent.
    assert answered[10:] == list(range(15, 5 + len(answered)))
    assert concurrency == "2" or len(answered) == 10
    assert f"{len(answered)} of 25 files were answered." in printed.err
    last = printed.err.splitlines()[-1]
    assert last.startswith(f"cabvit client: The request for {folder}/class_1/010.jpg and 4 more ")
    assert last.endswith("failed. The server answered with status 500: out of memory")


def test_table_of_answers_before_a_failed_request_is_printed(folder, capsys):
    with http_server(failing(12)) as url:
        assert main(["client", f"{folder}/class_1", "--rest", url, "--batch-size", "1"]) == 1
    printed = capsys.readouterr()
    assert [line.split()[2] for line in printed.out.splitlines()[2:]] == ["10", "11"]
    assert "2 of 10 files were answered." in printed.err


def test_failed_request_becomes_rows_when_asked_to_continue(folder, capsys, tmp_path):
    output = tmp_path / "answers.jsonl"
    arguments = ["client", str(folder), "--batch-size", "5", "--output", str(output)]
    with http_server(failing(12)) as url:
        assert main([*arguments, "--rest", url, "--continue"]) == 1
    printed = capsys.readouterr()
    rows = lines(output.read_text())

    expected = [None if 10 <= number < 15 else number for number in range(25)]
    assert classes(rows) == expected
    assert rows[10]["error"] == "The server answered with status 500: out of memory"
    assert f"{folder}/class_1/014.jpg: The server answered with status 500" in printed.err
    assert "5 of 25 files have no classes." in printed.err
    assert printed.out == f"{output} (20 files classified)\n"
    assert list(tmp_path.glob("answers*")) == [output]


def test_answers_are_in_the_file_before_the_next_request_is_answered(folder, tmp_path):
    output = tmp_path / "answers.jsonl"
    found = []

    def answer_and_look(_, request):
        if 20 in numbers_in(request):
            found.extend(classes(lines((tmp_path / "answers.incomplete.jsonl").read_text())))
        return answer(request)

    arguments = ["client", str(folder), "--batch-size", "5", "--output", str(output)]
    with http_server(answer_and_look) as url:
        assert main([*arguments, "--rest", url]) == 0
    # The last request is sent while the answer to the one before it is written, line by line.
    assert found in [list(range(count)) for count in range(15, 21)]


def test_incomplete_file_is_named_and_the_earlier_one_kept(folder, tmp_path, capsys):
    output = tmp_path / "answers.jsonl"
    output.write_text("earlier\n")
    arguments = ["client", str(folder), "--batch-size", "5", "--output", str(output)]
    with http_server(failing(12)) as url:
        assert main([*arguments, "--rest", url]) == 1
    incomplete = tmp_path / "answers.incomplete.jsonl"

    assert classes(lines(incomplete.read_text())) == list(range(10))
    assert f"10 of 25 files were answered. {incomplete} has them." in capsys.readouterr().err
    assert output.read_text() == "earlier\n"


def test_full_disk_is_named(folder, tmp_path, capsys, monkeypatch):
    (tmp_path / "answers.incomplete.jsonl").symlink_to("/dev/full")
    with http_server(lambda _, request: answer(request)) as url:
        arguments = ["client", str(folder), "--rest", url]
        assert main([*arguments, "--output", str(tmp_path / "answers.jsonl")]) == 1
        to_file = capsys.readouterr().err
        with open("/dev/full", "w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert main(arguments) == 1
            to_output = capsys.readouterr().err
            monkeypatch.undo()
    assert "answers.incomplete.jsonl cannot be written: No space left on device." in to_file
    assert "Standard output cannot be written: [Errno 28] No space left on device." in to_output


def test_as_many_requests_are_sent_at_once_as_asked(folder):
    together = threading.Barrier(3, timeout=60)

    def answer_together(_, request):
        if max(numbers_in(request)) < 3:
            together.wait()
        return answer(request)

    with http_server(answer_together) as url:
        options = ["--concurrency", "3", "--batch-size", "1"]
        assert main(["client", f"{folder}/class_0", "--rest", url, *options]) == 0


class CountingClient:
    """A client that counts the threads in each request, and gives every file the same answer."""

    def __init__(self):
        self.threads = []

    def classify(self, files):
        self.threads.append(threading.active_count())
        return [Answer((0,), ("label 0",), (0.5,), "") for _ in files]


def test_no_more_threads_are_started_than_requests(folder):
    client, before = CountingClient(), threading.active_count()
    paths = sorted((folder / "class_0").iterdir())[:3]
    rows = list(classify_files(client, paths, batch_size=1, concurrency=300))

    assert [row.path for row in rows] == paths
    assert max(client.threads) <= before + 3


def test_more_requests_at_once_than_threads_can_be_started_give_a_clear_error(folder, monkeypatch):
    start, started = threading.Thread.start, []

    def start_two(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(OSError, match="No more than 2 threads can be started here: ask for fewer"):
        list(classify_files(CountingClient(), folder.rglob("*.jpg"), batch_size=1, concurrency=300))
    for thread in started:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_paths_are_taken_as_they_are_needed(folder, tmp_path):
    taken, answered = [], []

    def paths():
        for number in range(400):
            taken.append(number)
            yield folder / "class_0" / f"{number % 10:03}.jpg"

    with http_server(lambda _, request: answer(request)) as url, RestClient(Target(url)) as client:
        for row in classify_files(client, paths(), batch_size=5, concurrency=2):
            answered.append(row.answer.classes[0])
            assert len(taken) - len(answered) <= 5 * (4 * 2 + 1)
    assert answered == [number % 10 for number in range(400)]


def test_vanished_file_does_not_affect_the_others(folder):
    paths = [folder / "class_0" / name for name in ("000.jpg", "none.jpg", "none.jpg", "001.jpg")]
    with http_server(lambda _, request: answer(request)) as url, RestClient(Target(url)) as client:
        rows = list(classify_files(client, paths))
    assert [row.answer and row.answer.classes[0] for row in rows] == [0, None, None, 1]
    reason = "The file cannot be read: No such file or directory."
    assert rows[1] == FileAnswer(paths[1], None, reason)


def test_versions_are_printed(rest, capsys):
    assert main(["client", "--status", "--rest", rest]) == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [[str(cell) for cell in version if cell] for version in VERSIONS]
    assert main(["client", "--status", "--rest", rest, "--version", "4"]) == 1


def test_token_is_read_from_a_variable_or_a_file(images, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TOKEN_FOR_TEST", "s3cret-token")
    (tmp_path / "token").write_text("s3cret-token\n")
    received = {}
    with http_server(lambda *_: (403, {"error": "s3cret-token?"}), received) as url:
        for option in (
            ["--token-variable", "TOKEN_FOR_TEST"],
            ["--token-file", str(tmp_path / "token")],
        ):
            received.clear()
            options = [*option, "--header", "X-Tenant: 47"]
            assert main(["client", images[0], "--rest", url, *options]) == 1
            assert received["Authorization"] == "Bearer s3cret-token"
            assert received["X-Tenant"] == "47"
            assert "s3cret" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Name image files or folders, or ask for --status."),
        (["--status", "a.jpg"], "--status takes no image files"),
        (["none.jpg"], "There is no image at none.jpg."),
        ([__file__, "--token-variable", "UNSET_FOR_TEST"], "UNSET_FOR_TEST holds no token"),
        ([__file__, "--token-file", "none"], "There is no file of a token at none."),
        ([__file__, "--tls"], "TLS over REST needs an address that begins with https://"),
        ([__file__, "--output", "a.csv"], "`output` must end in .jsonl or .ndjson"),
        (["{empty}"], "There are no images in"),
    ],
)
def test_impossible_options_give_a_clear_error(options, sentence, capsys, tmp_path):
    options = [option.format(empty=tmp_path) for option in options]
    assert main(["client", *options, "--rest", "http://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.startswith("cabvit client: ")
    assert main(["client", *options, "--rest", "http://127.0.0.1:9"]) == 1
    assert sentence in capsys.readouterr().err


def test_interrupted_command_reports_it_and_prints_what_was_answered(folder):
    silent = threading.Event()
    asked, others_answered = threading.Event(), threading.Event()

    def answer_others(_, request):
        if 10 in numbers_in(request):
            asked.set()
            silent.wait(60)
        if 20 in numbers_in(request):  # sent after the answer to the one before it
            others_answered.set()
        return answer(request)

    with http_server(answer_others) as url:
        options = ["--rest", url, "--batch-size", "5", "--concurrency", "2"]
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_cabvit", "client", str(folder), *options],
            env=WITHOUT_BACKEND,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asked.wait(60)
        assert others_answered.wait(60)
        first = [process.stdout.readline() for _ in range(10)]
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        silent.set()

    assert process.returncode == 130
    assert classes(lines("".join(first))) == list(range(10))
    assert classes(lines(output)) in (list(range(15, 20)), list(range(15, 25)))
    assert errors.endswith("cabvit client: interrupted.\n")
    assert "Traceback" not in errors


def test_files_that_vanish_while_it_runs_are_not_counted(folder, tmp_path, capsys, monkeypatch):
    def connected(options):
        next(folder.rglob("*.jpg")).unlink()
        return RestClient(Target(options.rest))

    monkeypatch.setattr("keras_cabvit.commands.client.connected", connected)
    output = tmp_path / "answers.jsonl"
    with http_server(lambda path, request: answer(request)) as url:
        assert main(["client", str(folder), "--rest", url, "--output", str(output)]) == 0

    printed, errors = capsys.readouterr()
    assert len(lines(output.read_text())) == 24
    assert printed == f"{output} (24 files classified)\n"
    assert "held 25 files at the start, and 24 were found." in errors


def test_place_that_cannot_be_written_is_named(folder, capsys):
    with http_server(lambda path, request: answer(request)) as url:
        output = ["--output", "/proc/answers.jsonl"]
        assert main(["client", str(folder), "--rest", url, *output]) == 1
    assert "/proc/answers.jsonl cannot be written" in capsys.readouterr().err
