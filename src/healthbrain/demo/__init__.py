"""Demo: the synthetic county and its feeds. Everything it makes is synthetic and says so.

Comes in: a size and a seed. Goes out: a truth layer (for scoring only) and feeds as institutions would send them.
"""

from healthbrain.demo.generation import Manifest, generate
from healthbrain.demo.lake import generate_identities, generate_lake
from healthbrain.demo.selfchecks import Check, selfcheck

__all__ = ["Check", "Manifest", "generate", "generate_identities", "generate_lake", "selfcheck"]
