-- Ask whether a finding is there: as many Yes as No for every finding.
insert into asked by name
with yes as (
    select study_id, finding from picked join ceilings using (finding) where corpus = $corpus and value = 1
    qualify row_number() over (partition by finding order by draw) <= ceiling),
no as (
    select study_id, finding from negatives join ceilings using (finding) where corpus = $corpus
    qualify row_number() over (partition by finding order by draw) <= ceiling),
answered as (select *, 'Yes' as answer from yes union all select *, 'No' as answer from no)
select 'binary' as task, study_id, [finding] as findings, replace($text, '{finding}', lower(finding)) as text,
       []::STRUCT(letter VARCHAR, findings VARCHAR[])[] as options, answer,
       if(answer = 'Yes', [finding], []) as answer_findings
from answered
