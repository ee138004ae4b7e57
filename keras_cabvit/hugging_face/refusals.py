"""Sentences for what the Hub, or the way to it, refuses."""

import contextlib
from collections.abc import Iterator

from keras_cabvit.first_line import first_line
from keras_cabvit.hugging_face.library import hub_library

_TOKENS = "https://huggingface.co/settings/tokens"
_LOG_IN = (
    f"Create a token with write permission at {_TOKENS}, then run `hf auth login`, or set the "
    "environment variable HF_TOKEN."
)


def check_token() -> None:
    """Checks that there is a token, without asking the Hub.

    Raises:
        ValueError: there is none.
    """
    if not hub_library().get_token():
        raise ValueError(f"There is no token for the Hugging Face Hub. {_LOG_IN}")


@contextlib.contextmanager
def explained(repo_id: str, endpoint: str) -> Iterator[None]:
    """Turns errors of huggingface_hub into a ValueError or OSError of one sentence or two.

    Args:
        repo_id: string, OWNER/NAME.
        endpoint: string, the address of the Hub.

    Raises:
        ValueError: the Hub refuses the token, its rights, the repository or the card.
        OSError: the Hub cannot be reached, or fails.
    """
    errors = hub_library().errors
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise OSError(
            "The environment variable HF_HUB_OFFLINE keeps huggingface_hub from using the network. "
            "Unset it to push."
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refusal(error, repo_id) from error
    except Exception as error:
        reached = _http_error(error)
        if reached is not None:  # of a file's upload
            raise _refusal(reached, repo_id) from error
        if not _is_of_the_network(error):
            raise
        raise OSError(
            f"The Hub at {endpoint} cannot be reached: {_reason(error)}. Check the network; "
            "nothing was committed."
        ) from error


def check_card(card: str, endpoint: str) -> None:
    """Has the Hub check a model card, before anything is created.

    Args:
        card: string, the text of the card.
        endpoint: string, the address of the Hub. (The library's own check asks huggingface.co in
            some versions, whatever HF_ENDPOINT says.)

    Raises:
        ValueError: the Hub refuses its metadata.
    """
    utils = hub_library().utils
    answer = utils.get_session().post(
        f"{endpoint}/api/validate-yaml", json={"content": card, "repoType": "model"}
    )
    if answer.status_code == 400:
        reasons = [str(error.get("message")) for error in answer.json().get("errors", ())]
        raise ValueError(f"The Hub refuses the metadata of the card: {'; '.join(reasons)}")
    utils.hf_raise_for_status(answer)


def _refusal(error: Exception, repo_id: str) -> Exception:
    """Returns the error to raise for an answer of the Hub."""
    status = error.response.status_code  # type: ignore[attr-defined]
    owner = repo_id.partition("/")[0]
    if status == 401 and not isinstance(error, hub_library().errors.RepositoryNotFoundError):
        return ValueError(f"The Hub does not accept the token. {_LOG_IN}")
    if status == 403:
        return ValueError(
            f"The token may not write to {repo_id}. It needs write permission ({_TOKENS}), and its "
            f"user must be {owner}, or a member of the organization {owner} who may write. "
            f"The Hub says: {_reason(error)}"
        )
    if status in (401, 404):
        return ValueError(
            f"The Hub has no repository or revision for {repo_id} that the token may see: check "
            f"the spelling of {owner}, and the token's rights. The Hub says: {_reason(error)}"
        )
    if status < 500 and status != 429:
        return ValueError(f"The Hub refuses to push to {repo_id}: {_reason(error)}")
    return OSError(
        f"The Hub failed with status {status}: {_reason(error)}. Try again later; nothing was "
        "committed."
    )


def _http_error(error: BaseException | None) -> Exception | None:
    """Returns the Hub's answer that an error was raised for, or None."""
    while error is not None:
        if isinstance(error, hub_library().errors.HfHubHTTPError):
            return error
        error = error.__cause__
    return None


def _is_of_the_network(error: BaseException | None) -> bool:
    """Returns whether an error, or one that it was raised for, is of the library's HTTP client."""
    while error is not None:
        # The client is another package in each major version of huggingface_hub.
        modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
        if modules & {"httpx", "httpx2", "requests"} or isinstance(error, ConnectionError):
            return True
        error = error.__cause__
    return False


def _reason(error: BaseException) -> str:
    return first_line(error, getattr(error, "server_message", None) or None).rstrip(".")
