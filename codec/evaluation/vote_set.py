"""Measures the crops of a set for a vote again, with DISTS where VGG-16 is at hand.

DISTS (Ding et al., TPAMI 2020) needs VGG-16, 29 MB that are not shipped. The set that comes with the code holds its
values all the same, which are numbers; sets that the page prepares do without.
"""

from pathlib import Path

from codec.evaluation.worth import Original
from codec.vote import prepare, sets
from codec.vote.sets import ORIGINAL, VoteSet
from codec.writing import atomic_write


def measure_again(path: Path, backbones: str) -> VoteSet:
    """Writes the set back to its file, which keeps pixels and sizes; its id is another one. backbones: "" for none.

    Raises SetError for a file that is no set, and FileNotFoundError where backbones name no VGG-16.
    """
    voted = sets.read(path.read_bytes())
    for number, image in enumerate(voted.images):
        original = voted.crops[number, ORIGINAL]
        network = Original(original, backbones) if backbones else None
        for method, rendition in image["renditions"].items():
            crop = voted.crops[number, method]
            rendition["measures"] = prepare.measured(original, crop)
            if network is not None:
                rendition["measures"]["dists"] = round(network.dists(crop), 5)
    atomic_write(path, sets.write(voted, method=6))
    return voted
