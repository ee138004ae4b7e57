"""A model on a server, and the way to it, on a command line."""

import argparse
import os

from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.serving.grpc_client import GrpcClient
from keras_cabvit.serving.rest_client import RestClient
from keras_cabvit.serving.target import Target


def add_server(parser):
    """Adds a server's address and model, and how requests are sent, to a parser."""
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--rest", metavar="URL", help="such as http://127.0.0.1:8501")
    server.add_argument("--grpc", metavar="HOST:PORT", help="such as 127.0.0.1:8500")
    parser.add_argument(
        "--model", default="cabvit", help="name of the model on the server; cabvit by default"
    )
    version = parser.add_mutually_exclusive_group()
    version.add_argument(
        "--version", type=int, metavar="N", help="version of the model; the highest by default"
    )
    version.add_argument(
        "--version-label", metavar="LABEL", help="a label of the server's for a version"
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, help="seconds to wait for an answer; 10 by default"
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=3,
        help="further attempts after a refused or broken connection, or the answer that the server "
        "is loading or overloaded; 3 by default, after 0.5, 1 and 2 seconds",
    )
    parser.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="sent with every request, over gRPC as metadata; may be repeated",
    )
    token = parser.add_mutually_exclusive_group()
    token.add_argument(
        "--token-variable",
        metavar="NAME",
        help="environment variable with a token, sent as `Authorization: Bearer TOKEN`",
    )
    token.add_argument(
        "--token-file", type=path_argument, metavar="FILE", help="file that holds such a token"
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="encrypt gRPC, as https does REST; implied by a certificate",
    )
    parser.add_argument(
        "--ca-certificate",
        type=path_argument,
        metavar="FILE",
        help="PEM file of the authorities that may certify the server, instead of the usual ones",
    )
    parser.add_argument(
        "--client-certificate",
        type=path_argument,
        metavar="FILE",
        help="PEM file, this client's certificate",
    )
    parser.add_argument(
        "--client-key",
        type=path_argument,
        metavar="FILE",
        help="PEM file, its private key, if that is not in the file of the certificate",
    )


def connected(options):
    """Returns a client for the server of the options, to be used in a `with` block.

    Raises:
        ValueError: an option is wrong.
        FileNotFoundError: there is no such file.
    """
    rest = options.rest is not None
    secured = options.tls or options.ca_certificate or options.client_certificate
    if rest and secured and not options.rest.startswith("https://"):
        raise ValueError("TLS over REST needs an address that begins with https://.")
    headers = dict(options.header)
    token = _token(options)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    target = Target(
        options.rest if rest else options.grpc,
        options.model,
        version=options.version,
        version_label=options.version_label,
        timeout=options.timeout,
        retries=options.retries,
        headers=headers,
        tls=options.tls,
        ca_certificate=options.ca_certificate,
        client_certificate=options.client_certificate,
        client_key=options.client_key,
    )
    return RestClient(target) if rest else GrpcClient(target)


def _header(text):
    """Parses (name, value). Messages do not repeat the value, which may be a secret."""
    name, colon, value = text.partition(":")
    if not (colon and name.strip()):
        raise argparse.ArgumentTypeError("must be NAME:VALUE")
    return name.strip(), value.strip()


def _token(options):
    if options.token_variable is not None:
        token = os.environ.get(options.token_variable, "").strip()
        if not token:
            raise ValueError(f"The environment variable {options.token_variable} holds no token.")
        return token
    if options.token_file is not None:
        if not options.token_file.is_file():
            raise FileNotFoundError(f"There is no file of a token at {options.token_file}.")
        token = options.token_file.read_text(encoding="utf-8", errors="replace").strip()
        if not token:
            raise ValueError(f"{options.token_file} holds no token.")
        return token
    return None
