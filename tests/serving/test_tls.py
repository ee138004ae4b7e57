"""Encrypted connections, with certificates that were made for these tests."""

import ssl
from pathlib import Path

import grpc
import pytest
from stand_ins import Service, grpc_server, http_server

from keras_cabvit.serving import GrpcClient, RestClient, ServerError, Target

FOLDER = Path(__file__).with_name("certificates")
AUTHORITY, CLIENT, KEY = FOLDER / "authority.pem", FOLDER / "client.pem", FOLDER / "client.key"
TRUSTED = {"ca_certificate": AUTHORITY, "client_certificate": CLIENT, "client_key": KEY}


@pytest.fixture(scope="module", params=[RestClient, GrpcClient])
def server(request):
    """A kind of client, and the address of a server that asks for the client's certificate."""
    certificate, key = FOLDER / "server.pem", FOLDER / "server.key"
    if request.param is RestClient:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(AUTHORITY)
        context.verify_mode = ssl.CERT_REQUIRED
        running = http_server(lambda *_: (200, {"model_version_status": []}), context=context)
    else:
        credentials = grpc.ssl_server_credentials(
            [(key.read_bytes(), certificate.read_bytes())], AUTHORITY.read_bytes(), True
        )
        running = grpc_server(Service({}), credentials)
    with running as address:
        yield request.param, address


def test_certified_client_and_server_reach_each_other(server):
    kind, address = server
    with kind(Target(address, **TRUSTED)) as client:
        client.status()


def test_unknown_authority_is_refused(server, monkeypatch):
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    kind, address = server
    target = Target(address, tls=True, client_certificate=CLIENT, client_key=KEY)
    with kind(target) as client, pytest.raises(ServerError, match="No secure connection to"):
        client.status()


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"ca_certificate": "none.pem"}, FileNotFoundError, "There is no file at none.pem"),
        ({"ca_certificate": __file__}, ValueError, "holds no PEM certificate"),
        ({"client_certificate": CLIENT}, ValueError, "and its private key"),
        ({"client_key": KEY}, ValueError, "`client_key` needs `client_certificate`"),
    ],
)
def test_unusable_certificates_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        Target("127.0.0.1:8500", **arguments)
