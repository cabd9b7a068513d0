"""What `plan --fail-on` may name, and whether a plan has it. Called by the command. Pure."""

import enum

from cli.documents import plan


class Word(enum.StrEnum):
    """What may not happen."""

    PROBLEMS = "problems"
    RESETS = "resets"
    ADDRESS_CHANGES = "address-changes"
    MOVES = "moves"
    GAPS = "gaps"
    ANY = "any"


def words(text: str) -> frozenset[Word]:
    """Words separated by commas, or none at all. Raises ValueError with what was found and what is allowed."""
    found = set()
    for each in filter(None, (part.strip() for part in text.split(","))):
        if each not in set(Word):
            raise ValueError(f'found "{each}"; allowed are {", ".join(Word)}, separated by commas')
        found.add(Word(each))
    return frozenset(Word) if Word.ANY in found else frozenset(found)


def happens(found: plan.PlanDocument) -> frozenset[Word]:
    """What of it is in the plan.

    Mistakes that were there before, in objects that the files do not touch, are no problem of the files. An address changes when a
    Service loses it or gets another one, or waits for one; a session is reset when it ends, if only for good.
    """
    summary = found.summary
    is_bad = any(each.severity == "error" and (each.is_new or each.where) for each in found.problems)
    happened = {
        Word.PROBLEMS: is_bad,
        Word.RESETS: bool(summary.session_resets or summary.sessions_lost),
        Word.ADDRESS_CHANGES: bool(summary.addresses_lost or summary.addresses_changed or summary.addresses_pending),
        Word.MOVES: bool(summary.owners_moved or summary.owners_lost),
        Word.GAPS: bool(found.gaps),
    }
    return frozenset(word for word, is_there in happened.items() if is_there)
