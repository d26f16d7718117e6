"""What is about one modality, as data: a pack is a folder of TOML files, and everything here is read from it.

Imports schemas and kit; called by every room that would otherwise have to name a finding. No Python file does.
"""

from cxr.miner.pack.pack import Label, Pack, load_pack, pack

__all__ = ["Label", "Pack", "load_pack", "pack"]
