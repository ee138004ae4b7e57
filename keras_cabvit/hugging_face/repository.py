"""Pushing a run to a repository of the Hugging Face Hub."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_cabvit.hugging_face.folder import FILES, finished_run, write_folder
from keras_cabvit.hugging_face.library import check_repo_id, hub_library
from keras_cabvit.hugging_face.refusals import check_card, check_token, explained
from keras_cabvit.paths import local_path

_MESSAGE = "Push with keras_cabvit"


@dataclass(frozen=True)
class Pushed:
    """The result of a push.

    Attributes:
        url: address of the repository.
        commit: identifier of the commit.
        private: whether only its owner sees the repository.
        created: whether the push created it.
        files: tuple of the names of the files.
    """

    url: str
    commit: str
    private: bool
    created: bool
    files: tuple[str, ...]


def push(
    run: str | os.PathLike,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    license: str | None = None,
    dataset: str | None = None,
    photographs: bool = False,
) -> Pushed:
    """Pushes a finished run to the Hugging Face Hub, in one commit.

    `keras.saving.load_model("hf://OWNER/NAME")` loads the model from the branch `main`, after
    `import keras_cabvit`. The token is that of the environment variable HF_TOKEN or of
    `hf auth login`; HF_ENDPOINT is another address than https://huggingface.co.

    Args:
        run: folder of a finished run, or one that `python -m training publish` wrote.
        repo_id: string, OWNER/NAME. The repository is created if there is none. Files of an earlier
            push are replaced, the card included; other files stay.
        private: whether a new repository is private. Defaults to False: everybody sees it, unless
            the organization's default is private.
        revision: string, the branch, created if there is none; None is `main`.
        message: string, the title of the commit; None names this library.
        license: string, the Hub's identifier of the model's licence, such as "apache-2.0"; None
            leaves it out of the card.
        dataset: string, the Hub's identifier of the data set, for the card; None names only data
            sets that are known.
        photographs: whether the picture of the worst mistakes, which shows images of the data set,
            comes too. Defaults to False.

    Returns:
        `Pushed`.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: the run is not finished, `repo_id` is malformed, there is no token, the Hub
            refuses something, or `private` is set for a repository that is public.
        OSError: the Hub cannot be reached.
        ImportError: huggingface_hub is not installed.
    """
    library = hub_library()
    check_repo_id(repo_id)
    finished_run(local_path(run, "run"))
    check_token()
    api = library.HfApi(library_name="keras_cabvit")
    with tempfile.TemporaryDirectory() as temporary, explained(repo_id, api.endpoint):
        # Before anything takes time.
        api.whoami()
        found = _repository(api, repo_id)
        if found is not None and private and not found.private:
            raise ValueError(
                f"{repo_id} exists and is public, which `private` does not change. Make it private "
                "in its settings on the Hub, or choose another name."
            )
        folder = Path(temporary) / "run"
        names = write_folder(
            run,
            folder,
            repo_id,
            license=license,
            dataset=dataset,
            photographs=photographs,
            revision=revision,
        )
        check_card((folder / "README.md").read_text(encoding="utf-8"), api.endpoint)
        if found is None:
            api.create_repo(repo_id, private=private or None)
        # Before the commit: after it, nothing may fail any more.
        is_private = (found or _repository(api, repo_id)).private
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        operations = [
            library.CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name)
            for name in names
        ]
        earlier = {*api.list_repo_files(repo_id, revision=revision)} & {*FILES}
        operations += [
            library.CommitOperationDelete(path_in_repo=name) for name in sorted(earlier - {*names})
        ]
        commit = api.create_commit(
            repo_id, operations, commit_message=message or _MESSAGE, revision=revision
        )
        return Pushed(
            url=f"{api.endpoint}/{repo_id}",
            commit=commit.oid,
            private=is_private,
            created=found is None,
            files=tuple(names),
        )


def _repository(api: Any, repo_id: str) -> Any:
    """Returns the Hub's record of a repository, or None if the token sees none."""
    try:
        return api.model_info(repo_id)
    except hub_library().errors.RepositoryNotFoundError:
        return None
