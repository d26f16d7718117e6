"""The SQL of `cxr ask`: each task's questions as one query over the labels, set-based at any size.

The queries read temporary tables that `cxr.miner.ask.ask` makes: `picked` (one labeler's value per study and finding,
with a `draw` that orders at random), `negatives` (what may be offered as absent), `ceilings` (how often a finding may
be asked about) and `chosen` (studies that balance keeps).
"""

# One labeler per study, the first that is preferred. The draw is half of an MD5, so that it is the same everywhere.
PICKED = """
    create or replace temporary table picked as
    with chosen as (
        select study_id, arg_min(labeler, list_position($order, labeler)) as labeler
        from labels where list_contains($order, labeler) group by study_id)
    select corpus, split, study_id, labeler, finding, value,
           md5_number_lower(concat_ws('|', $seed::varchar, study_id, finding)) as draw
    from labels join chosen using (study_id, labeler) join studies using (study_id)
    where list_contains($findings, finding)
"""

# What may be offered as absent: a label of 0 or not mentioned, unless something present implies it (firmly), or may
# mean it and the label does not deny it.
NEGATIVES = """
    create or replace temporary table negatives as
    with implied as (
        select study_id, other as finding, bool_or(firmly) as firmly
        from picked join pairs on finding = shown where value = 1 group by all)
    select corpus, study_id, finding, draw from picked left join implied using (study_id, finding)
    where coalesce(value, 0) = 0 and not coalesce(firmly, false) and (value = 0 or firmly is null)
"""

BINARY = """
    with yes as (
        select study_id, finding from picked join ceilings using (finding) where corpus = $corpus and value = 1
        qualify row_number() over (partition by finding order by draw) <= ceiling),
    no as (
        select study_id, finding from negatives join ceilings using (finding) where corpus = $corpus
        qualify row_number() over (partition by finding order by draw) <= ceiling),
    answered as (select *, 'Yes' as answer from yes union all select *, 'No' as answer from no)
    select study_id, [finding] as findings, replace($text, '{finding}', lower(finding)) as text,
           []::STRUCT(letter VARCHAR, findings VARCHAR[])[] as options, answer,
           if(answer = 'Yes', [finding], []) as answer_findings
    from answered
"""

SINGLE = """
    with answers as (
        select study_id, finding as answer, md5_number_lower('single' || draw) as draw
        from picked join ceilings using (finding)
        where corpus = $corpus and value = 1
          and study_id in (select study_id from negatives group by study_id having count(*) >= 3)
        qualify row_number() over (partition by finding order by md5_number_lower('single' || draw)) <= ceiling),
    distractors as (
        select study_id, answer, answers.draw, finding from answers join negatives using (study_id)
        qualify row_number() over (
            partition by study_id, answer order by md5_number_lower(concat(answers.draw, negatives.draw))) <= 3),
    choices as (
        select study_id, answer, draw, [finding] as findings from distractors
        union all select study_id, answer, draw, [answer] from answers)
    select study_id, [answer] as answer_findings,
           list(findings order by md5_number_lower(concat(draw, findings[1]))) as sets
    from choices group by study_id, answer
"""

# Each wrong set holds one finding that is absent and that no other wrong set holds, so that it is wrong and unlike
# the others; its other members are drawn from what is present and what else is absent.
MULTIPLE = """
    with positives as (
        select study_id, finding, draw from picked where value = 1 and study_id in (select study_id from chosen)),
    right_sets as (
        select study_id, list(finding order by finding) as findings, count(*) as size from positives group by study_id),
    ranked as (
        select study_id, finding, draw,
               row_number() over (partition by study_id order by md5_number_lower('multiple' || draw)) as place
        from negatives where study_id in (select study_id from chosen)),
    forced as (select study_id, place, finding from ranked where place <= 3),
    fillers as (
        select study_id, finding, draw from positives
        union all select study_id, finding, draw from ranked where place > 3),
    filled as (
        select forced.study_id, forced.place, fillers.finding
        from forced join fillers using (study_id) join right_sets using (study_id)
        where size > 1
        qualify row_number() over (
            partition by forced.study_id, forced.place
            order by md5_number_lower(concat(forced.place, fillers.draw))) < right_sets.size),
    wrong_sets as (
        select study_id, list(finding order by finding) as findings
        from (select study_id, place, finding from forced union all select study_id, place, finding from filled)
        group by study_id, place),
    choices as (
        select study_id, findings from right_sets union all select study_id, findings from wrong_sets)
    select study_id, right_sets.findings as answer_findings,
           list(choices.findings order by md5_number_lower(
               concat_ws('|', $seed::varchar, study_id, array_to_string(choices.findings, '|')))) as sets
    from choices join right_sets using (study_id) group by study_id, right_sets.findings
"""

ANOMALY = """
    with known as (
        select study_id, finding, 1 as value from picked
        where value = 1 and study_id in (select study_id from chosen)
        union all
        select study_id, finding, 0 from negatives where study_id in (select study_id from chosen))
    select study_id, list(finding order by finding) as findings, $text as text,
           []::STRUCT(letter VARCHAR, findings VARCHAR[])[] as options,
           string_agg(finding, ', ' order by finding) filter (where value = 1) as answer,
           list(finding order by finding) filter (where value = 1) as answer_findings
    from known group by study_id
"""

# From (study_id, answer_findings, sets in the order of their letters) to questions.
LETTERED = """
    with placed as (
        select study_id, answer_findings, place, set_findings,
               substr('ABCD', place::integer, 1) as letter, list_sort(set_findings) = answer_findings as is_right
        from (select study_id, answer_findings, unnest(sets) as set_findings,
                     generate_subscripts(sets, 1) as place from ({optioned})))
    select study_id, list_sort(list_distinct(flatten(list(set_findings)))) as findings,
           $text || ' Options:' || string_agg(
               chr(10) || letter || ') ' || lower(array_to_string(set_findings, ', ')), '' order by place) as text,
           list({{'letter': letter, 'findings': set_findings}} order by place) as options,
           max(letter) filter (where is_right) as answer, answer_findings
    from placed group by study_id, answer_findings
"""

# The studies that a question about a set of findings can be asked of, in random order.
CANDIDATES_MULTIPLE = """
    select study_id, list(finding order by finding) filter (where value = 1) as findings
    from picked where corpus = $corpus
      and study_id in (select study_id from negatives group by study_id having count(*) >= 3)
    group by study_id having len(findings) between 1 and $largest
    order by md5_number_lower('multiple' || min(draw))
"""

# A study with an uncertain label has no sure answer to "which findings", and neither has one whose labeler looked
# for some of the findings only (SIIM: one).
CANDIDATES_ANOMALY = """
    select study_id, list(finding order by finding) filter (where value = 1) as findings
    from picked where corpus = $corpus group by study_id
    having len(findings) > 0 and count(*) filter (where value = -1) = 0 and count(*) = $all
    order by md5_number_lower('anomaly' || min(draw))
"""
