"""`cabvit push`: a trained model on the Hugging Face Hub."""

import sys

from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.hugging_face import push, write_folder
from keras_cabvit.hugging_face.card import download_command


def add(commands):
    """Adds the command to a parser's subcommands."""
    parser = commands.add_parser(
        "push",
        help="push a finished run to the Hugging Face Hub",
        description="Pushes a finished run to the Hugging Face Hub, with a model card. The token "
        "is that of `hf auth login`, or of the environment variable HF_TOKEN.",
    )
    parser.add_argument(
        "model",
        type=path_argument,
        metavar="RUN",
        help="a run's folder, or one that `python -m training publish` wrote",
    )
    parser.add_argument("repo_id", metavar="OWNER/NAME", help="repository; created if necessary")
    parser.add_argument(
        "--private",
        action="store_true",
        help="create a private repository; a new one is public by default",
    )
    parser.add_argument(
        "--revision", metavar="BRANCH", help="branch, created if necessary; main by default"
    )
    parser.add_argument("--message", help="title of the commit")
    parser.add_argument(
        "--license", help="licence of the model for the card, such as apache-2.0; none by default"
    )
    parser.add_argument(
        "--dataset", metavar="OWNER/NAME", help="the data set on the Hub, for the card"
    )
    parser.add_argument(
        "--photographs",
        action="store_true",
        help="push mistakes.png too, which shows images of the data set",
    )
    parser.add_argument(
        "--dry-run",
        type=path_argument,
        metavar="FOLDER",
        help="write what would be pushed to this folder, and push nothing",
    )
    parser.set_defaults(run=_push)


def _push(options):
    card = {
        "license": options.license,
        "dataset": options.dataset,
        "photographs": options.photographs,
    }
    if options.license is None:
        print(
            "The card names no licence, without which others may not use the model. Give one with "
            "--license, such as apache-2.0.",
            file=sys.stderr,
        )
    if options.dry_run is not None:
        names = write_folder(
            options.model, options.dry_run, options.repo_id, revision=options.revision, **card
        )
        print(f"{options.dry_run} ({', '.join(names)}). Nothing was pushed.")
        return
    pushed = push(
        options.model,
        options.repo_id,
        private=options.private,
        revision=options.revision,
        message=options.message,
        **card,
    )
    print(f"{pushed.url} ({'private' if pushed.private else 'public'}): {', '.join(pushed.files)}")
    if options.revision in (None, "main"):
        print(
            f'keras.saving.load_model("hf://{options.repo_id}") loads it, after `import '
            "keras_cabvit`."
        )
    else:
        name = options.repo_id.partition("/")[2]
        print(
            f"`{download_command(options.repo_id, options.revision)}` fetches it, and "
            f'keras.saving.load_model("{name}") loads that folder, after `import keras_cabvit`. '
            "Addresses hf:// are of the branch main alone."
        )
