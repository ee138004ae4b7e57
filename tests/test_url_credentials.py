"""User names, passwords and tokens of URLs are in no file and no message."""

import pytest

from keras_cabvit.url_credentials import without_credentials


@pytest.mark.parametrize("password", ["a", "s p a c e", "p@ss w@rd", "a'b\"c", "1/2", "1 2", "#?&"])
def test_any_password_is_hidden_with_its_user(password):
    assert without_credentials(f"mysql://ann:{password}@host:1/db") == "mysql://***@host:1/db"
    assert without_credentials(f"mlflow:http://ann:{password}@host") == "mlflow:http://***@host"


def test_secret_parameters_are_hidden_to_their_end():
    url = "https://host/x?access_token=a b&size=1;Password=c d"
    assert without_credentials(url) == "https://host/x?access_token=***&size=1;Password=***"


@pytest.mark.parametrize(
    "text",
    [
        *("http://127.0.0.1:8501/v1/models", "sqlite:////a b/runs.db", "s3://bucket/a b"),
        *("https://host:8501, or mail ann@host.de", "log http://host:5000 --out runs/a@b"),
        *("https://host/a and ann@host.de", "http://a/b: failed; http://c/d: failed, see @e"),
    ],
)
def test_texts_without_credentials_are_unchanged(text):
    assert without_credentials(f"see {text}") == f"see {text}"


def test_passwords_in_a_text_are_hidden_and_the_rest_stays():
    text = "train --log 'mlflow:http://ann:a secret@host/x' 'http://t@b@c' --out runs/a@b"
    expected = "train --log 'mlflow:http://***@host/x' 'http://***@c' --out runs/a@b"
    assert without_credentials(text) == expected


def test_parts_of_a_known_password_are_hidden_anywhere():
    url = "postgresql://ann:one@two words/three@host/runs"
    error = "no host 'two words', 'words/three@host', 'one%40two%20words%2Fthree'; tried "
    hidden = without_credentials(error + url, url)
    assert not any(word in hidden for word in ("one", "two", "words", "three"))
    assert hidden.endswith("tried postgresql://***@host/runs")
