"""Finding a model's parameters under the keys and prefixes of training programs."""

import itertools
import re
from dataclasses import dataclass
from typing import Any

# Keys of parameters, and prefixes of their names when several models share one dict (Lightning).
# The averaged ones come first: they are what was evaluated and published.
AVERAGED_KEYS = ("model_ema", "state_dict_ema", "ema_state_dict", "ema_model", "ema")
RAW_KEYS = ("model", "state_dict", "model_state_dict", "module")
KEYS = AVERAGED_KEYS + RAW_KEYS
# Words by which other keys are known to hold averages ("ema_weights", "swa_model", "net_ema"), and
# not the opposite ("model_without_ema").
_AVERAGED = re.compile(
    r"(?<!no[_-])(?<!non[_-])(?<!without[_-])(?<![a-z])(?:ema|swa|averaged?)(?![a-z])",
    re.IGNORECASE,
)
# Prefixes of an object that holds the model: of DistributedDataParallel, and attributes of
# Lightning modules.
_WRAPPERS = ("module", "model", "net", "network")
# Names beside such a prefix that belong to no model.
_AUXILIARY = re.compile(r"(?:.*_)?(?:criterion|loss(?:_fn|es)?|metrics?|acc(?:uracy)?|f1|auroc)")
# torch.compile, FSDP and activation checkpointing name every module that they wrap so, at any
# depth.
_INSERTED = re.compile(r"_orig_mod\.|_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.")
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
        averaged = ", the averaged ones" if _is_averaged(self.key) else ""
        others = " and ".join(map(repr, self.others))
        choice = f" The file also has {others}: choose with the key." if others else ""
        return f"Parameters taken: {self.key!r}{averaged}.{choice}"


def find_parameters(content: dict, key: str | None = None) -> Found | None:
    """Finds the parameters of a model.

    Args:
        content: dict, the content of a checkpoint.
        key: key of the parameters; with a dot for one inside another, or for a prefix of names:
            "state_dict.model_ema". None chooses averaged parameters before others, and those under
            a key that is not known if there are no others.

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
    for name in (name for name in _keys_to_try(content) if isinstance(content.get(name), dict)):
        inner = [f"{name}.{raw}" for raw in RAW_KEYS if raw in content[name]]
        for found in (name, *inner):
            if _holds_parameters(parameters := _under(content, found)):
                candidates[found] = parameters
                break
    if not candidates and _holds_parameters(content):
        candidates[""] = content
    if not candidates:
        candidates = {name: value for name, value in content.items() if _holds_parameters(value)}
        if len(candidates) > 1:
            return None
    if not candidates:
        return None
    taken, *others = candidates
    models = _models_in(candidates[taken], taken)
    if models:
        parameters, *_ = models.values()
        taken, *more = models
        return Found(_without_prefixes(parameters), taken, (*more, *others))
    return Found(_without_prefixes(candidates[taken]), taken, tuple(others))


def _keys_to_try(content: dict) -> list[str]:
    """Returns the known keys, and others that name averages, these before those of raw ones."""
    others = [name for name in content if isinstance(name, str) and name not in KEYS]
    return [*AVERAGED_KEYS, *filter(_is_averaged, others), *RAW_KEYS]


def _is_averaged(key: str) -> bool:
    return bool(_AVERAGED.search(key))


def _under(content: dict, key: str) -> Any:
    if key in content:
        return content[key]
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
    averaged = sorted(filter(_is_averaged, heads))
    models = [*averaged, *(head for head in _WRAPPERS if head in heads)]
    if len(heads) < 2 or not all(map(_AUXILIARY.fullmatch, heads.difference(models))):
        return {}
    return {f"{key}.{head}".strip("."): _under(parameters, head) for head in models}


def _without_prefixes(parameters: dict[str, Any]) -> dict[str, Any]:
    originals: dict[str, str] = {}
    for name in (name for name in parameters if name != _COUNTER):
        short = _INSERTED.sub("", name)
        other = originals.setdefault(short, name)
        if other != name:
            inserted = _INSERTED.search(f"{other} {name}")
            raise ValueError(
                f"{other!r} and {name!r} are the same parameter without "
                f"{inserted[0] if inserted else ''!r}, which torch.compile and other wrappers add "
                "to names. Choose one of the models by the beginning of its names, as the key"
            )
    found = {short: parameters[name] for short, name in originals.items()}
    head = _wrapper(list(found))
    if head is None:
        return found
    return _without_prefixes({name.removeprefix(f"{head}."): v for name, v in found.items()})


def _wrapper(names: list[str]) -> str | None:
    """Returns the first word of all names if it is that of an object around the model, or None."""
    heads = {name.partition(".")[0] for name in names}
    if len(heads) != 1 or not all("." in name for name in names):
        return None
    (head,) = heads
    # The parts of a model have many names, and parts of their own.
    words = [name.split(".") for name in names]
    ends = zip(min(words), max(words), strict=False)
    common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], ends))
    holds_parts = any(len(each) > common + 1 for each in words)
    return head if head in _WRAPPERS or _is_averaged(head) or holds_parts else None


def _holds_parameters(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and len(content) > 0
        and all(isinstance(name, str) and hasattr(v, "shape") for name, v in content.items())
    )
