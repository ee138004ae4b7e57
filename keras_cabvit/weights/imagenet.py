"""The file behind `weights="imagenet"`, from the cache or downloaded into it."""

import os
from pathlib import Path

from keras_cabvit.url_credentials import without_credentials
from keras_cabvit.weights.cache import (
    WeightsDownloadError,
    disk_errors,
    weights_file_name,
    weights_path,
)
from keras_cabvit.weights.checksums import (
    checksum_path,
    file_sha256,
    read_checksum,
    verify_checksum,
    write_checksum,
)
from keras_cabvit.weights.download import URL_SCHEMES, download, fetch_text
from keras_cabvit.weights.registry import PublishedWeights, published_weights

MIRROR_VARIABLE = "KERAS_CABVIT_WEIGHTS_URL"


def imagenet_weights_path(variant: str) -> Path:
    """Returns the file of a variant's ImageNet weights, downloading it first if necessary.

    A file in the cache is used if its SHA-256 matches the registry's or, if the registry has no
    entry, that in the `.sha256` file beside it, if there is one. Otherwise the file is downloaded:
    from the mirror at `KERAS_CABVIT_WEIGHTS_URL`, an environment variable with the base URL of
    `<variant>_imagenet.weights.h5` and `<variant>_imagenet.weights.h5.sha256`, or else from the
    registry's URL. The registry's hash, if it has one, also applies to a mirror.

    Args:
        variant: name of the model function, such as `"CabViTH_S"`.

    Returns:
        The path of a file for `model.load_weights`, a `pathlib.Path`.

    Raises:
        ValueError: the weights are neither in the cache nor available for download (the message
            lists the alternatives), the cached file is damaged, or the mirror's URL is invalid.
        WeightsDownloadError: the download fails.
    """
    path = weights_path(variant)
    published = published_weights(variant)
    if path.is_file() and _is_valid(path, variant, published):
        return path
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        url = _mirror_url(mirror, path.name)
    elif published:
        url = published.url
    else:
        raise ValueError(_unpublished(variant))
    sha256 = published.sha256 if published else _mirror_sha256(url)
    with disk_errors(path.parent):
        if not path.is_file():
            checksum_path(path).unlink(missing_ok=True)  # of a file that was deleted
    download(url, path, sha256, size=published.size if published else None)
    with disk_errors(path.parent):
        write_checksum(path)
    return path


def _is_valid(path: Path, variant: str, published: PublishedWeights | None) -> bool:
    """Returns whether the cached file may be loaded; False if it must be downloaded again."""
    if published:
        return file_sha256(path) == published.sha256
    if verify_checksum(path) is False:
        raise ValueError(
            f"{path} is not the file that was put there: its SHA-256 differs from that in "
            f"{checksum_path(path).name} beside it. Convert the weights again with "
            f"`{_convert_command(variant)}`, or delete the file."
        )
    return True


def _mirror_url(mirror: str, file_name: str) -> str:
    if not mirror.lower().startswith(URL_SCHEMES):
        raise ValueError(
            f"The environment variable {MIRROR_VARIABLE} must begin with one of "
            f"{', '.join(URL_SCHEMES)}. Received: {without_credentials(mirror)}"
        )
    return f"{mirror.rstrip('/')}/{file_name}"


def _mirror_sha256(url: str) -> str:
    checksum_url = f"{url}.sha256"
    shown = without_credentials(checksum_url)
    try:
        return read_checksum(fetch_text(checksum_url))
    except WeightsDownloadError as error:
        raise WeightsDownloadError(
            f"{error} A mirror must provide the weights' checksum at {shown}, as "
            "`sha256sum` prints it, because nothing is loaded unchecked."
        ) from error
    except ValueError as error:
        raise WeightsDownloadError(f"{shown} holds no checksum. {error}") from error


def _unpublished(variant: str) -> str:
    file_name = weights_file_name(variant)
    if variant == "CabViTH_S":
        what_is_published = (
            "its authors publish one checkpoint, of 16.3 M parameters, on a file-sharing page. "
            "Either download that checkpoint by hand and convert it once"
        )
    else:
        what_is_published = (
            "its authors have published none. Either convert a PyTorch checkpoint of your own once"
        )
    return (
        f"No ImageNet weights are published for {variant} in a place that can be linked to: "
        f'{what_is_published} with `{_convert_command(variant)}`, after which weights="imagenet" '
        f"finds it. Or set {MIRROR_VARIABLE} to the base URL of a mirror that holds {file_name} "
        f"and {file_name}.sha256. Weights that have seen photographs are contained for CabViTH_T: "
        'weights="tiny_imagenet".'
    )


def _convert_command(variant: str) -> str:
    return f"cabvit convert CHECKPOINT.pth --variant {variant}"
