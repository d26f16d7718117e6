"""The licence of a corpus that is in the store: any ingest may make it stricter, and only a signed word looser.

Whoever ingested it said whose text it is; the same files read again under a looser licence would open the way out for
all of it, by a slip of one option.
"""

import json
from datetime import UTC, datetime

from cxr.miner.ingest.corpus import Ingested
from cxr.miner.kit.errors import InputError, PolicyError, SettingsError
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Licence

_SOURCES = (
    "select corpora.corpus, runs.settings from corpora join runs using (run_id) "
    "where corpora.licence = 'credentialed' and corpora.corpus <> ? order by corpora.corpus"
)
_STRICT = (
    "select count(*) from (select study_id from studies where corpus = $corpus and licence = 'credentialed' "
    "union all select corpus from corpora where corpus = $corpus and licence = 'credentialed')"
)


def demand_no_looser(store: Store, ingested: Ingested) -> None:
    """Raise PolicyError where what is credentialed in the store would be written as public, under any corpus's name.

    Needs the temporary tables of the ingest.
    """
    slug = ingested.corpus.slug
    opened = store.count("select count(*) from incoming_studies where licence = 'public'")
    if ingested.corpus.licence is not Licence.PUBLIC and not opened:
        return
    if store.count(_STRICT, {"corpus": slug}):
        studies = store.count("select count(*) from studies where corpus = ? and licence = 'credentialed'", [slug])
        raise PolicyError(
            f"{slug} is credentialed in this store ({studies:,} studies), and an ingest never loosens that: leave the "
            f"licence as it was, or if you may open it say so with `cxr licence {slug} public --signed-by NAME "
            "--i-am-allowed WHY`, which is recorded"
        )
    hashes = {file.sha256 for file in ingested.sources}
    for known, settings in store.rows(_SOURCES, [slug]):
        same = [file["path"] for file in json.loads(settings)["files"] if file["sha256"] in hashes]
        if same:
            raise PolicyError(
                f"{slug} would be public, and {same[0]} is what {known}, credentialed in this store, was read from; "
                f"ingest it as credentialed, or if you may open it say so of {known} first, with `cxr licence {known} "
                "public --signed-by NAME --i-am-allowed WHY`"
            )


def change_licence(
    store: Store, corpus: str, licence: Licence, signed_by: str | None, allowed_because: str | None
) -> int:
    """Put all of a corpus under another licence and return how many studies that changes; the run says who and why.

    Raises InputError for a corpus that is not in the store, SettingsError where it becomes public and nobody signs.
    """
    known = [
        name for (name,) in store.rows("select corpus from corpora union select corpus from studies order by corpus")
    ]
    if corpus not in known:
        raise InputError(f"there is no corpus {corpus!r} in this store; it holds {', '.join(known) or 'none'}")
    signed_by, allowed_because = (signed_by or "").strip(), (allowed_because or "").strip()
    if licence is Licence.PUBLIC and not (signed_by and allowed_because):
        raise SettingsError(
            f"licence: to make {corpus} public takes --signed-by NAME, who answers for it, and --i-am-allowed WHY; "
            "both are recorded"
        )
    told = {"corpus": corpus, "licence": str(licence)}
    with store.run("licence", told) as run, store.transaction():
        if signed_by:
            word = {**told, "signed_by": signed_by, "signed_on": str(datetime.now(UTC).date()), "why": allowed_because}
            run.attestation = [json.dumps(word)]
        changed = f"corpus = ? and licence is distinct from '{licence}'"
        run.rows_written = store.count(f"select count(*) from studies where {changed}", [corpus])
        for table in ("studies", "corpora"):
            store.connection.execute(f"update {table} set licence = '{licence}' where {changed}", [corpus])
    return run.rows_written
