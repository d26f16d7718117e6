-- Ask with lettered options: from `sets_asked`, whose sets are in the order of their letters.
insert into asked by name
with placed as (
    select task, study_id, answer_findings, place, set_findings,
           substr('ABCD', place::integer, 1) as letter, list_sort(set_findings) = answer_findings as is_right
    from (select task, study_id, answer_findings, unnest(sets) as set_findings,
                 generate_subscripts(sets, 1) as place from sets_asked))
select task, study_id, list_sort(list_distinct(flatten(list(set_findings)))) as findings,
       $text || ' Options:' || string_agg(
           chr(10) || letter || ') ' || lower(array_to_string(set_findings, ', ')), '' order by place) as text,
       list({'letter': letter, 'findings': set_findings} order by place) as options,
       max(letter) filter (where is_right) as answer, answer_findings
from placed group by task, study_id, answer_findings
