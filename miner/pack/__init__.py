"""What is about one modality, as data: a pack is a folder of TOML files, and everything here is read from it.

Imports schemas and kit; called by every room that would otherwise have to name a finding. No Python file does.
"""

from cxr.miner.kit.errors import PackError
from cxr.miner.pack.labels import Label
from cxr.miner.pack.load import Pack, load_pack, pack

__all__ = ["Label", "Pack", "PackError", "load_pack", "pack"]
