"""Finding a model's parameters under the keys and prefixes of training programs."""

from dataclasses import dataclass
from typing import Any

# Keys of parameters, and prefixes of their names when several models share one dict (Lightning).
# The averaged ones come first: they are what was evaluated and published.
AVERAGED_KEYS = ("model_ema", "state_dict_ema", "ema_state_dict", "ema_model", "ema")
RAW_KEYS = ("model", "state_dict", "model_state_dict", "module")
KEYS = AVERAGED_KEYS + RAW_KEYS
# Prefixes of an object that holds the model: of DistributedDataParallel, and attributes of
# Lightning modules.
_WRAPPERS = ("module", "model", "net", "network")
# Names beside such a prefix that belong to no model.
_AUXILIARY = ("criterion", "loss", "loss_fn", "metrics", "train_metrics", "val_metrics")
# torch.compile names every module that it wraps so, at any depth.
_COMPILED = "_orig_mod."
# The counter of torch.optim.swa_utils.AveragedModel.
_COUNTER = "n_averaged"


@dataclass(frozen=True)
class Found:
    """The parameters in a checkpoint.

    Attributes:
        parameters: dict from names without prefixes to arrays.
        key: string that selects them, such as "model_ema" or "state_dict.model"; "" if they are the
            whole checkpoint.
        others: tuple of the keys of other parameters in the checkpoint.
    """

    parameters: dict[str, Any]
    key: str
    others: tuple[str, ...]

    def __str__(self) -> str:
        """Returns a sentence on which parameters were taken."""
        if not self.key:
            return "Parameters taken: all in the file."
        averaged = ", the averaged ones" if self.key.split(".")[-1] in AVERAGED_KEYS else ""
        others = " and ".join(map(repr, self.others))
        choice = f" The file also has {others}: choose with the key." if others else ""
        return f"Parameters taken: {self.key!r}{averaged}.{choice}"


def find_parameters(content: dict, key: str | None = None) -> Found | None:
    """Finds the parameters of a model.

    Args:
        content: dict, the content of a checkpoint.
        key: key of the parameters; with a dot for one inside another, or for a prefix of names:
            "state_dict.model_ema". None chooses averaged parameters before others.

    Returns:
        `Found`, or None if there are none.

    Raises:
        KeyError: there is nothing under `key`.
        ValueError: two names are the same without prefixes.
    """
    if key is not None:
        value = _under(content, key)
        return Found(_without_prefixes(value), key, ()) if _holds_parameters(value) else None
    candidates = {}
    for name in (name for name in KEYS if isinstance(content.get(name), dict)):
        inner = [f"{name}.{raw}" for raw in RAW_KEYS if raw in content[name]]
        for found in (name, *inner):
            if _holds_parameters(parameters := _under(content, found)):
                candidates[found] = parameters
                break
    if not candidates and _holds_parameters(content):
        candidates[""] = content
    if not candidates:
        return None
    taken, *others = candidates
    models = _models_in(candidates[taken], taken)
    if models:
        parameters, *_ = models.values()
        taken, *more = models
        return Found(_without_prefixes(parameters), taken, (*more, *others))
    return Found(_without_prefixes(candidates[taken]), taken, tuple(others))


def _under(content: dict, key: str) -> Any:
    if not isinstance(content, dict) or key in content:
        return content[key] if isinstance(content, dict) else None
    outer, dot, inner = key.partition(".")
    if dot and isinstance(content.get(outer), dict):
        return _under(content[outer], inner)
    prefix = f"{key}."
    group = {
        name.removeprefix(prefix): value
        for name, value in content.items()
        if isinstance(name, str) and name.startswith(prefix)
    }
    if not group:
        raise KeyError(key)
    return group


def _models_in(parameters: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """Returns the models that share one dict, averaged ones first; none if it is of one model."""
    heads = {name.partition(".")[0] for name in parameters if name != _COUNTER}
    models = [head for head in (*AVERAGED_KEYS, *_WRAPPERS) if head in heads]
    if len(heads) < 2 or not heads <= {*models, *_AUXILIARY}:
        return {}
    return {f"{key}.{head}".strip("."): _under(parameters, head) for head in models}


def _without_prefixes(parameters: dict[str, Any]) -> dict[str, Any]:
    originals: dict[str, str] = {}
    for name in (name for name in parameters if name != _COUNTER):
        short = name.replace(_COMPILED, "")
        other = originals.setdefault(short, name)
        if other != name:
            raise ValueError(
                f"{other!r} and {name!r} are the same parameter without {_COMPILED!r}, which "
                "torch.compile adds to names. Choose one of the models by the beginning of its "
                "names, as the key"
            )
    found = {short: parameters[name] for short, name in originals.items()}
    for prefix in (f"{name}." for name in (*_WRAPPERS, *AVERAGED_KEYS)):
        if found and all(name.startswith(prefix) for name in found):
            return _without_prefixes({k.removeprefix(prefix): v for k, v in found.items()})
    return found


def _holds_parameters(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and len(content) > 0
        and all(isinstance(name, str) and hasattr(v, "shape") for name, v in content.items())
    )
