"""What a corpus that was read would change in the store, as temporary tables; nothing is written here.

`incoming_*` hold the corpus, `delta_*` the ids of the rows that are new or differ. Reports of large corpora are
compared batch by batch while they are written (cxr.miner.ingest.write.ingest).
"""

import polars as pl

from cxr.miner.ingest.corpus import IMAGES, PROGRESSIONS, REJECTS, REPORTS, STUDIES, Ingested, LabelTable, conform
from cxr.miner.ingest.write.provenance import kept_root
from cxr.miner.store import Store

_IDS = ("study_id", "row_hash")
# Two progressions are the same when these agree; the rest may change.
PROGRESSION_KEY = ("study_id", "prior_study_id", "finding", "labeler")


def stage(store: Store, ingested: Ingested) -> None:
    """Make the temporary tables of a corpus: everything but labels, and reports that come in batches."""
    store.replace_temporary("incoming_studies", conform(ingested.studies, STUDIES))
    store.replace_temporary("incoming_images", conform(ingested.images, IMAGES))
    store.replace_temporary("incoming_reports", conform(ingested.reports, REPORTS))
    store.replace_temporary("incoming_progressions", conform(ingested.progressions, PROGRESSIONS))
    store.replace_temporary("incoming_rejects", conform(ingested.rejects, REJECTS))
    store.connection.execute(
        "alter table incoming_rejects add column settings_hash varchar; "  # of the reports that a reject came from
        "create or replace temporary table changed_studies (study_id varchar); "
        "create or replace temporary table reworded (study_id varchar); "
        "create or replace temporary table relabeled (study_id varchar, labeler varchar)"
    )
    _keep_unknown(store, ingested)
    _keep_checked(store)
    _compare_studies(store)
    _compare_images(store, ingested)
    _compare_reports(store)
    _compare_progressions(store)


def _keep_unknown(store: Store, ingested: Ingested) -> None:
    """Take from the store what these files say nothing about: an ingest without dates must not wipe dates."""
    for column in sorted(ingested.unknown & set(STUDIES)):
        store.connection.execute(
            f'update incoming_studies set "{column}" = studies."{column}" from studies '
            "where studies.study_id = incoming_studies.study_id"
        )
    elsewhere = kept_root(store, ingested) is not None
    columns = ingested.unknown & set(IMAGES) | ({"path", "file_status"} if elsewhere else set())
    for column in sorted(columns, reverse=True):  # the path before the status that decides over it
        # A file that was found has a path, whatever its list says.
        found = " and incoming_images.file_status = 'absent'" if column == "path" else ""
        store.connection.execute(
            f'update incoming_images set "{column}" = images."{column}" from images '
            f"where images.image_id = incoming_images.image_id{found}"
        )


def _keep_checked(store: Store) -> None:
    """Take from the store what `cxr images check` found in the files, which the owner's tables do not tell."""
    store.connection.execute(
        """
        update incoming_images set
            width = coalesce(incoming_images.width, images.width),
            height = coalesce(incoming_images.height, images.height),
            view_position = coalesce(incoming_images.view_position, images.view_position),
            file_status = if(
                incoming_images.file_status = 'present' and images.file_status in ('truncated', 'unreadable'),
                images.file_status, incoming_images.file_status)
        from images where images.image_id = incoming_images.image_id
        """
    )


def note_changes(store: Store, sql: str) -> None:
    """Count the studies whose ids a query gives as changed."""
    store.connection.execute(f"insert into changed_studies {sql}")


def _row(table: str, columns: "tuple[str, ...] | list[str]") -> str:
    return "row(" + ", ".join(f'{table}."{column}"::varchar' for column in columns) + ")"


def _compare_studies(store: Store) -> None:
    columns = [name for name in STUDIES if name not in _IDS]
    store.connection.execute(
        f"""
        create or replace temporary table delta_studies as
        select study_id, studies.study_id is null as is_new
        from incoming_studies left join studies using (study_id)
        where studies.study_id is null
           or {_row("studies", columns)} is distinct from {_row("incoming_studies", columns)}
           or (incoming_studies.row_hash is not null and incoming_studies.row_hash is distinct from studies.row_hash)
        """
    )


def _compare_images(store: Store, ingested: Ingested) -> None:
    """Make `delta_images`: ids of new, changed and vanished images of the corpus's studies."""
    columns = [name for name in IMAGES if name != "image_id"]
    vanished = "false" if "images" in ingested.unknown else "true"
    store.connection.execute(
        f"""
        create or replace temporary table delta_images as
        select image_id, incoming_images.study_id
        from incoming_images left join images using (image_id)
        where images.image_id is null
           or {_row("images", columns)} is distinct from {_row("incoming_images", columns)}
        union all
        select image_id, images.study_id from images semi join incoming_studies using (study_id)
        anti join incoming_images using (image_id) where {vanished}
        """
    )


def _compare_reports(store: Store) -> None:
    store.connection.execute(
        """
        create or replace temporary table delta_reports as
        select study_id, reports.study_id is not null as is_reworded
        from incoming_reports left join reports using (study_id)
        where reports.text_hash is distinct from incoming_reports.text_hash
        """
    )


def _compare_progressions(store: Store) -> None:
    columns = [name for name in PROGRESSIONS if name not in PROGRESSION_KEY]
    store.connection.execute(
        f"""
        create or replace temporary table delta_progressions as
        select {", ".join(PROGRESSION_KEY)}, progressions.study_id is null as is_new
        from incoming_progressions left join progressions using ({", ".join(PROGRESSION_KEY)})
        where progressions.study_id is null
           or {_row("progressions", columns)} is distinct from {_row("incoming_progressions", columns)}
        """
    )


def compare_labels(store: Store, table: LabelTable, finding: str) -> tuple[int, int]:
    """Make `delta_labels` (study_id, value, is_new) of one finding; return how many rows are new and how many differ.

    The table's frame has to be registered as `incoming_labels`.
    """
    store.connection.execute(
        f"""
        create or replace temporary table delta_labels as
        select study_id, incoming_labels."{finding}" as value, standing.study_id is null as is_new
        from incoming_labels left join (
            select study_id, value, labeler_version from labels where labeler = $labeler and finding = $finding
        ) as standing using (study_id)
        where standing.study_id is null or standing.value is distinct from incoming_labels."{finding}"
           or standing.labeler_version is distinct from $version
        """,
        {"labeler": table.labeler, "finding": finding, "version": table.version},
    )
    row = store.rows("select count(*) filter (where is_new), count(*) filter (where not is_new) from delta_labels")[0]
    return int(row[0]), int(row[1])


def findings_of(table: LabelTable) -> list[str]:
    """Return the findings that a label table has columns for."""
    return [column for column in table.frame.columns if column != "study_id"]


def register_labels(store: Store, table: LabelTable) -> None:
    """Let SQL see a label table as `incoming_labels`."""
    store.connection.register("incoming_labels", table.frame.to_arrow())


def has_differences(store: Store, ingested: Ingested) -> bool:
    """Return whether the corpus differs from the store in anything but reports that come in batches."""
    tables = ("delta_studies", "delta_images", "delta_reports", "delta_progressions")
    if any(store.count(f"select count(*) from {table}") for table in tables) or rejects_differ(store, ingested):
        return True
    for table in ingested.labels:
        register_labels(store, table)
        if any(any(compare_labels(store, table, finding)) for finding in findings_of(table)):
            return True
        if store.count(f"select count(*) from ({vanished_labels()})", [table.labeler]):
            return True
    return False


def vanished_labels() -> str:
    """Return SQL (parameter: labeler) for the studies of this corpus that the labeler's file no longer has."""
    return (
        "select distinct study_id from labels semi join incoming_studies using (study_id) "
        "anti join incoming_labels using (study_id) where labeler = ?"
    )


def rejects_differ(store: Store, ingested: Ingested) -> bool:
    """Return whether other rows were rejected than the last time."""
    columns = "reject_key, reason, message"
    standing = f"select {columns} from rejects where stage = 'ingest' and corpus = $corpus"
    incoming = f"select {columns} from incoming_rejects"
    return bool(
        store.rows(
            f"select 1 from (({standing} except all {incoming}) union all ({incoming} except all {standing})) limit 1",
            {"corpus": ingested.corpus.slug},
        )
    )


def as_rows(frame: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """Return the frame with the run's id in every row."""
    return frame.with_columns(run_id=pl.lit(run_id))
