"""No word leaves: a local model with local data asks no host for anything, and nobody is told of any run.

The libraries look at the environment once, when they are imported, so a command calls this before it imports them;
where they are there already, what they remember of it is changed.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# TRL, transformers, the hub's client and its registry of agents; vLLM and others.
_TELL_NOBODY = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}
_ASK_NOBODY = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
_REMEMBERED = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")


@contextmanager
def no_look_ups(model: str) -> Iterator[None]:
    """Keep this process, and those that it starts, off the network; a model that is on a hub is still asked for there.

    What the user set to the contrary does not count; all is as it was afterwards.
    """
    wanted = {**_TELL_NOBODY, **(_ASK_NOBODY if Path(model).exists() else {})}
    before = {name: os.environ.get(name) for name in wanted}
    constants = sys.modules.get("huggingface_hub.constants")
    remembered = {name: getattr(constants, name) for name in _REMEMBERED} if constants else {}
    os.environ.update(wanted)
    for name in remembered.keys() & wanted.keys():
        setattr(constants, name, True)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        constants = sys.modules.get("huggingface_hub.constants")
        for name in _REMEMBERED if constants else ():
            # Imported in the meantime, they remember what was set for it.
            setattr(constants, name, remembered.get(name, before.get(name) is not None))
