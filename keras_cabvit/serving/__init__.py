"""Clients for TF Serving with an exported CabViT."""

from keras_cabvit.serving.answer import Answer, ServerError
from keras_cabvit.serving.grpc_client import classify_over_grpc
from keras_cabvit.serving.rest_client import classify_over_rest

__all__ = ["Answer", "ServerError", "classify_over_grpc", "classify_over_rest"]
