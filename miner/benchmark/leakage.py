"""Leakage: what a model could learn in one split about the questions of another, found set-based in DuckDB.

Reports repeat each other: templates, and the same words about other patients (OpenI: 784 of 3,851 rows). A chain that
was mined from words seen in training measures memory, so such studies are kept on one side. Near duplicates share at
least `near` of their word trigrams (Jaccard). The search is exact: two sets with Jaccard >= t share at least t of
either, so any |a| - ceil(t |a|) + 1 trigrams of `a` hit `b`; taking the rarest of `a` keeps candidates few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cxr.miner.store import Store

NEAR = 0.8

# From the split that gives way to the one whose studies stay, where two share words: a test set is not to shrink.
WEAKEST_FIRST = ("train", "validate", "test")

# CheXpert Plus is CheXpert with reports: the same patients and studies under another name (formats.md, section 4).
_PERSON = "regexp_replace({}, '^chexpert-plus/', 'chexpert/')"

# A window of this many words in a question that also stands in the report is no coincidence of vocabulary.
_COPIED_WORDS = 6

_TEXTS = r"""
    create or replace temporary table leak_texts as
    with worded as (
        select study_id, corpus, split,
               coalesce(nullif(concat_ws(' ', findings, impression), ''), text) as words
        from reports join studies using (study_id)),
    normal as (
        select study_id, corpus, split,
               trim(regexp_replace(
                   regexp_replace(lower(words), '\bx{2,}\b', ' ', 'g'), '[^a-z0-9]+', ' ', 'g')) as words
        from worded)
    select study_id, corpus, split, words, md5_number_lower(words) as text_key from normal where words <> ''
"""

_SHINGLED = """
    create or replace temporary table leak_distinct as
    with texts as (
        select text_key, string_split(any_value(words), ' ') as words,
               max(list_position($weakest_first, split)) as strongest,
               min(list_position($weakest_first, split)) as weakest
        from leak_texts where list_contains($weakest_first, split) group by text_key),
    shingled as (
        select text_key, strongest, weakest, list_distinct(if(
            len(words) < 3, [hash(array_to_string(words, ' '))],
            list_transform(range(1, len(words) - 1), lambda i: hash(words[i], words[i + 1], words[i + 2])))) as shingles
        from texts)
    select *, len(shingles) as size from shingled
"""

# The words of the strongest splits look for their like in weaker ones; `held` is small, so this is linear in reports.
_NEAR = """
    create or replace temporary table leak_near as
    with held as (select text_key, strongest, size, unnest(shingles) as shingle from leak_distinct where strongest > 1),
    wanted as (select distinct shingle from held),
    found as (
        select text_key, size, weakest, shingle
        from (select text_key, size, weakest, unnest(shingles) as shingle from leak_distinct) semi join wanted
        using (shingle)),
    frequency as (select shingle, count(*) as texts from found group by shingle),
    rarest as (
        select text_key, strongest, size, shingle from held join frequency using (shingle)
        qualify row_number() over (partition by text_key order by texts, shingle) <= size - ceil($near * size) + 1),
    candidates as (
        select distinct rarest.text_key as held_key, found.text_key as other_key
        from rarest join found using (shingle)
        where rarest.text_key <> found.text_key and found.weakest < rarest.strongest
          and found.size >= $near * rarest.size and rarest.size >= $near * found.size),
    measured as (
        select held_key, other_key, a.strongest, a.size + b.size as sizes,
               len(list_intersect(a.shingles, b.shingles)) as shared
        from candidates join leak_distinct as a on a.text_key = held_key join leak_distinct as b
        on b.text_key = other_key)
    select held_key, other_key, strongest, shared / (sizes - shared) as jaccard
    from measured where shared >= $near * (sizes - shared)
"""

_SHARED = """
    create or replace temporary table leak_shared as
    with matches as (
        select other_key as text_key, max(strongest) as strongest, 'near' as kind from leak_near group by other_key
        union all
        select text_key, strongest, 'exact' from leak_distinct where weakest < strongest)
    select study_id, corpus, split, min(kind) as kind
    from leak_texts join matches using (text_key)
    where list_contains($weakest_first, split) and list_position($weakest_first, split) < strongest
    group by study_id, corpus, split
"""

_COPIED = f"""
    create or replace temporary table leak_copied as
    with stems as (
        select question_id, study_id, lower(split_part(text, ' Options:', 1)) as stem from questions),
    windows as (
        select stem, unnest(list_transform(range(1, greatest(len(words) - {_COPIED_WORDS - 2}, 1)),
                                           lambda i: array_to_string(words[i:i + {_COPIED_WORDS - 1}], ' '))) as piece
        from (select stem, string_split(trim(regexp_replace(stem, '[^a-z0-9]+', ' ', 'g')), ' ') as words
              from (select distinct stem from stems))
        where len(words) >= {_COPIED_WORDS})
    select distinct question_id from stems join windows using (stem) join leak_texts using (study_id)
    where contains(words, piece)
"""

_TOLD = """
    create or replace temporary table leak_told as
    select question_id
    from (select question_id, task, answer_findings, lower(split_part(text, ' Options:', 1)) as stem from questions)
    where task in ('single', 'multiple', 'anomaly')
      and len(list_filter(answer_findings, lambda f: contains(stem, lower(f)))) > 0
"""


@dataclass(frozen=True)
class Repeats:
    """Reports of one corpus that say what another report says, by normalised words."""

    corpus: str
    reports: int
    repeats: int
    shared_exactly: int
    shared_nearly: int


@dataclass(frozen=True)
class LeakageReport:
    """What was found; all counts are studies, patients or questions of the whole store."""

    near: float
    repeats: tuple[Repeats, ...]
    shared: tuple[tuple[str, str, str, int], ...]
    """Corpus, split, exact or near, and studies whose words stand in a stronger split too."""
    near_pairs: int
    torn_patients: int
    torn_studies: int
    copied_questions: int
    told_questions: int

    @property
    def is_clean(self) -> bool:
        """Return whether no two splits share a report, a patient or a study, and no question its answer."""
        return not (
            self.shared or self.torn_patients or self.torn_studies or self.copied_questions or self.told_questions
        )


def find_shared_reports(store: Store, near: float = NEAR, weakest_first: Sequence[str] = WEAKEST_FIRST) -> None:
    """Make the temporary table `leak_shared`: studies whose words, or nearly, stand in a stronger split as well.

    Columns: study_id, corpus, split, kind (exact or near). Splits that `weakest_first` does not name are ignored.
    """
    parameters = {"weakest_first": list(weakest_first) or [""]}
    run = store.connection.execute
    run(_TEXTS)
    run(_SHINGLED, parameters)
    run(_NEAR, {"near": near})
    run(_SHARED, parameters)


def find_torn_patients(store: Store) -> None:
    """Make the temporary tables `leak_patients` and `leak_studies`: ids that occur in more than one split."""
    for table, key in (("leak_patients", "patient_id"), ("leak_studies", "study_id")):
        store.connection.execute(
            f"""
            create or replace temporary table {table} as
            select {key} from studies where {_PERSON.format(key)} in (
                select {_PERSON.format(key)} from studies where split is not null group by 1
                having count(distinct split) > 1)
            """
        )


def find_told_questions(store: Store) -> None:
    """Make the temporary tables `leak_copied` (words of the report in the question) and `leak_told` (its answer)."""
    store.connection.execute(_COPIED)
    store.connection.execute(_TOLD)


def leakage(store: Store, near: float = NEAR) -> LeakageReport:
    """Look for every kind of leakage in the whole store; a store that is only read is not changed."""
    find_shared_reports(store, near)
    find_torn_patients(store)
    find_told_questions(store)
    repeats = store.rows(
        """
        select corpus, count(*), count(*) - count(distinct text_key),
               (select count(*) from leak_shared s where s.corpus = t.corpus and kind = 'exact'),
               (select count(*) from leak_shared s where s.corpus = t.corpus and kind = 'near')
        from leak_texts t group by corpus order by corpus
        """
    )
    shared = store.rows("select corpus, split, kind, count(*) from leak_shared group by all order by all")
    return LeakageReport(
        near=near,
        repeats=tuple(Repeats(*row) for row in repeats),
        shared=tuple((corpus, split, kind, count) for corpus, split, kind, count in shared),
        near_pairs=store.count("select count(*) from leak_near"),
        torn_patients=store.count("select count(distinct patient_id) from leak_patients"),
        torn_studies=store.count("select count(distinct study_id) from leak_studies"),
        copied_questions=store.count("select count(*) from leak_copied"),
        told_questions=store.count("select count(*) from leak_told"),
    )
