"""What readers say of a case: a rating of their own, then agreement, notes, a signature.

Nothing of it is stored but as entries of the log (`fidgety.app.audit`), so that nothing of it can
be changed without trace. `standings` only repeats, for quick lists, what the entries say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from fidgety.app import audit
from fidgety.app.store import Store, new_id, now
from fidgety.errors import AppError

__all__ = [
    "AGREEMENTS",
    "LABELS",
    "SCORES",
    "Reading",
    "add_reader",
    "final_label",
    "is_revealed",
    "note",
    "rate",
    "readings_of",
    "save_draft",
    "sign",
    "visible",
    "withdraw",
]

# Scores of fidgety movements as assessed by eye (Einspieler, Prechtl and others), best first.
SCORES = {
    "F++": "continual",
    "F+": "intermittent",
    "F+-": "sporadic",
    "F-": "absent",
    "Fa": "abnormal, exaggerated",
    "NA": "not assessable",
}
# As labels of a study: 1 = fidgety movements absent or abnormal.
LABELS: dict[str, int | None] = {"F++": 0, "F+": 0, "F+-": 1, "F-": 1, "Fa": 1, "NA": None}
AGREEMENTS = {"agree": "agrees", "disagree": "disagrees", "unsure": "cannot say"}
LONGEST_TEXT = 2000


@dataclass
class Reading:
    """One reader's reading of one case, as the log tells it.

    Parameters
    ----------
    reader : int
    name : str
        Of the reader.
    first, rated : str or None
        The rating given before the model's risk was shown (if it was given then), and when.
    blind : bool
        Whether the risk was hidden when the first rating was given.
    score, agreement, comment, signed, seal : str or None
        Of the latest signature: final score, agreement with the model, words, time, hash.
    version : int
        How often it was signed; 0 for not yet.
    notes : list of dict
        ``id``, ``time_s``, ``text`` in order of time.
    versions : list of dict
        Every signature, the latest last.
    """

    reader: int
    name: str
    first: str | None = None
    rated: str | None = None
    blind: bool = True
    score: str | None = None
    agreement: str | None = None
    comment: str = ""
    signed: str | None = None
    seal: str | None = None
    version: int = 0
    notes: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)

    def take(self, entry: dict[str, Any]) -> None:
        """Let one more entry of the log come into it."""
        content, kind = entry["content"], entry["kind"]
        if kind == "rated":
            self.first, self.rated = content["score"], entry["time"]
            self.blind = content["blind"]
        elif kind == "noted":
            self.notes.append({**content, "written": entry["time"]})
            self.notes.sort(key=lambda item: item["time_s"])
        elif kind == "note_withdrawn":
            self.notes = [item for item in self.notes if item["id"] != content["id"]]
        elif kind == "signed":
            self.score, self.agreement = content["score"], content["agreement"]
            self.comment, self.version = content["comment"], content["version"]
            self.signed, self.seal = entry["time"], entry["hash"]
            self.versions.append({**content, "signed": entry["time"], "seal": entry["hash"]})


def readings_of(store: Store, case_id: str) -> dict[int, Reading]:
    """All readings of a case by reader; who may see them is for `visible` to say."""
    found: dict[int, Reading] = {}
    for entry in audit.history(store, case_id):
        if entry["reader"] is not None:
            reader = entry["reader"]
            reading = found.setdefault(reader, Reading(reader, entry["name"] or "?"))
            reading.take(entry)
    return {r: reading for r, reading in found.items() if reading.rated or reading.notes}


def visible(readings: dict[int, Reading], reader: int) -> list[Reading]:
    """The readings that a reader may see: the own, and the signed ones once the own is signed."""
    own = readings.get(reader)
    if own is None or not own.version:
        return [own] if own else []
    others = [r for r in readings.values() if r.reader != reader and r.version]
    return [own, *sorted(others, key=lambda r: r.signed or "")]


def is_revealed(store: Store, own: Reading | None) -> bool:
    """Whether a reader may see the model's risk."""
    return store.settings()["reveal"] == "at_once" or (own is not None and own.rated is not None)


def rate(store: Store, case_id: str, reader: int, score: str) -> None:
    """Give the first rating of a case, after which it stands.

    Raises
    ------
    AppError
        E812 unknown score; E815 no such case; E816 rated already, or not ready.
    """
    _check_score(score)
    with store.writing() as db:
        case = store.case(case_id)
        if case["folder"] is None:
            raise _refused("This case is not ready yet", "Wait until it is")
        blind = not _risk_was_open(store, case_id)
        moment = now()
        fresh = db.execute(
            "INSERT INTO standings (case_id, reader, score, rated) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (case_id, reader, score, moment),
        ).rowcount
        if not fresh:
            raise _refused(
                "You have rated this case",
                "The first rating stays as it is; the final score is part of the signature",
            )
        content = {"score": score, "blind": blind, "assessment": case["assessment"]}
        audit.append(db, "rated", content, reader=reader, case_id=case_id, time=moment)
        db.execute("DELETE FROM drafts WHERE case_id = ? AND reader = ?", (case_id, reader))


def _risk_was_open(store: Store, case_id: str) -> bool:
    """Whether the risk of a case could be seen unrated at any moment since it was assessed."""
    if store.settings()["reveal"] == "at_once":
        return True
    first = store.one(
        "SELECT min(seq) AS seq FROM events WHERE case_id = ? AND kind = 'assessed'", case_id
    )
    changes = store.all("SELECT seq, content FROM events WHERE kind = 'settings_changed' "
                        "ORDER BY seq")  # fmt: skip
    told = [(row["seq"], json.loads(row["content"]).get("reveal")) for row in changes]
    # An interval of "at_once" ends with the next change of that setting.
    ends = [seq for seq, reveal in told if reveal == "after_rating"]
    since = (first or {}).get("seq") or 0
    return any(
        reveal == "at_once" and next((end for end in ends if end > seq), since + 1) > since
        for seq, reveal in told
    )


def sign(
    store: Store,
    case_id: str,
    reader: int,
    *,
    score: str,
    agreement: str | None,
    comment: str = "",
    reason: str = "",
    assessment: str | None = None,
) -> str:
    """Sign a reading, or amend a signed one; return the hash that seals it.

    `assessment` is the one that the reader has seen, if that is known.

    Raises
    ------
    AppError
        E812 unknown score or agreement, or words too long; E816 not rated yet, an amendment
        without a reason, or the case has another assessment by now.
    """
    _check_score(score)
    if agreement is not None and agreement not in AGREEMENTS:
        raise AppError("E812", f"Unknown agreement {agreement!r}", remedy="agree, disagree, unsure")
    comment, reason = _text(comment), _text(reason)
    with store.writing() as db:
        case = store.case(case_id)
        if assessment is not None and assessment != case["assessment"]:
            raise _refused("The case was assessed anew", "Load the page again and look at it")
        row = db.execute(
            "SELECT version FROM standings WHERE case_id = ? AND reader = ?", (case_id, reader)
        ).fetchone()
        if row is None:
            raise _refused("Rate the case before you sign", "Give your own score first")
        version = row["version"] + 1
        if version > 1 and not reason:
            raise _refused("An amendment needs a reason", "Say why the reading is changed")
        content = {"score": score, "agreement": agreement, "comment": comment, "reason": reason,
                   "version": version, "assessment": case["assessment"]}  # fmt: skip
        seal = audit.append(db, "signed", content, reader=reader, case_id=case_id)
        db.execute(
            "UPDATE standings SET score = ?, version = ? WHERE case_id = ? AND reader = ?",
            (score, version, case_id, reader),
        )
        db.execute("DELETE FROM drafts WHERE case_id = ? AND reader = ?", (case_id, reader))
    return seal


def note(store: Store, case_id: str, reader: int, time_s: float, text: str) -> dict[str, Any]:
    """Write a note at a moment of the recording; raises `AppError` E812 if it is none."""
    case = store.case(case_id)
    text = _text(text)
    if not text or not 0 <= time_s <= (case["duration_s"] or 0.0) + 1:
        raise AppError("E812", "Not a note", why="it has no words, or lies outside the recording")
    content = {"id": new_id(), "time_s": round(float(time_s), 3), "text": text}
    with store.writing() as db:
        audit.append(db, "noted", content, reader=reader, case_id=case_id)
    return content


def withdraw(store: Store, case_id: str, reader: int, note_id: str) -> None:
    """Take an own note back; the log keeps it. Raises `AppError` E815 if there is none."""
    own = readings_of(store, case_id).get(reader)
    if own is None or not any(item["id"] == note_id for item in own.notes):
        raise AppError("E815", "There is no such note of yours", remedy="Look again")
    with store.writing() as db:
        audit.append(db, "note_withdrawn", {"id": note_id}, reader=reader, case_id=case_id)


def save_draft(store: Store, case_id: str, reader: int, content: dict[str, Any]) -> None:
    """Keep what a reader has filled in but not yet given, so that a reload does not lose it."""
    store.case(case_id)
    with store.writing() as db:
        db.execute(
            "INSERT INTO drafts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = "
            "excluded.content",
            (case_id, reader, json.dumps(content)),
        )


def draft(store: Store, case_id: str, reader: int) -> dict[str, Any]:
    """What `save_draft` kept."""
    row = store.one("SELECT content FROM drafts WHERE case_id = ? AND reader = ?", case_id, reader)
    return json.loads(row["content"]) if row else {}


def add_reader(store: Store, name: str, secret: str | None) -> int:
    """Add a reader; `secret` is the hash of a passphrase, if there is one.

    Raises
    ------
    AppError
        E819 the name is taken or cannot be one.
    """
    called = " ".join(name.split())
    if not 2 <= len(called) <= 60 or not called.isprintable():
        raise AppError("E819", "Not a reader's name", why="2 to 60 characters are needed")
    with store.writing() as db:
        taken = db.execute("SELECT 1 FROM readers WHERE name = ?", (called,)).fetchone()
        if taken:
            raise AppError("E819", "This name is taken", remedy="Choose it from the list")
        row = db.execute(
            "INSERT INTO readers (name, secret, created) VALUES (?, ?, ?) RETURNING id",
            (called, secret, now()),
        ).fetchone()
        audit.append(db, "reader_added", {"name": called}, reader=row["id"])
    return row["id"]


def final_label(readings: dict[int, Reading]) -> tuple[int | None, str]:
    """The label that the signed readings of a case agree on, or None, and why."""
    signed = [r for r in readings.values() if r.version]
    labels = {LABELS[r.score] for r in signed if r.score} - {None}
    if not signed:
        return None, "not signed"
    if not labels:
        return None, "not assessable"
    return (labels.pop(), "signed") if len(labels) == 1 else (None, "the readers disagree")


def _check_score(score: str) -> None:
    if score not in SCORES:
        raise AppError("E812", f"Unknown score {score!r}", remedy=f"One of {', '.join(SCORES)}")


def _text(text: str) -> str:
    kept = text.strip()
    if len(kept) > LONGEST_TEXT or "\x00" in kept:
        raise AppError("E812", "The text is too long", remedy=f"{LONGEST_TEXT} characters at most")
    return kept


def _refused(what: str, remedy: str) -> AppError:
    return AppError("E816", what, remedy=remedy)
