"""Changes that are made at once, and such changes under construction. Pure; `history` fills them."""

import copy
from dataclasses import dataclass

from tests.live.predicting import documents
from tests.live.predicting.documents import Json, Ref


@dataclass(frozen=True, slots=True)
class Step:
    """Changes that are made at once. `undo` are the versions that are put back afterwards, `mistaken` what is new and goes again."""

    put: tuple[Json, ...]
    gone: tuple[Ref, ...]
    words: tuple[str, ...]
    undo: tuple[Json, ...] = ()
    mistaken: tuple[Ref, ...] = ()


class Draft:
    """A step under construction: no object is touched twice."""

    def __init__(self, objects: dict[Ref, Json]) -> None:
        self.before = objects
        self.put: dict[Ref, Json] = {}
        self.gone: list[Ref] = []
        self.words: list[str] = []
        self.undo: list[Json] = []
        self.mistaken: list[Ref] = []

    def free(self, kind: str, prefix: str = "") -> list[Json]:
        """Copies of the objects of a kind that this step leaves alone so far."""
        touched = {*self.put, *self.gone}
        found = [each for ref, each in sorted(self.before.items()) if ref[0] == kind and ref not in touched]
        return [copy.deepcopy(each) for each in found if each["metadata"]["name"].startswith(prefix)]

    def write(self, document: Json, words: str) -> None:
        self.put[documents.ref_of(document)] = document
        self.words.append(f"{document['kind']} {document['metadata']['name']}: {words}")

    def remove(self, ref: Ref) -> None:
        self.gone.append(ref)
        self.words.append(f"{ref[0]} {ref[2]}: removed")
