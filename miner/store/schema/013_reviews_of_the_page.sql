-- Reviews of `cxr review`: by study, item and round; what a radiologist marked; and which of them count.

alter table reviews add column review_study varchar;
alter table reviews add column item_id varchar;
alter table reviews add column fingerprint varchar;
alter table reviews add column round varchar;
alter table reviews add column seconds double;
alter table reviews add column cannot_judge boolean;
alter table reviews add column steps STRUCT(step_no INTEGER, verdict VARCHAR, attribute VARCHAR)[];
alter table reviews add column missing varchar;

-- A reader's verdict on one finding and the report.
create table finding_reviews (
    review_study varchar, item_id varchar, study_id varchar, chain_id varchar, observation varchar, status varchar,
    fingerprint varchar, reviewer varchar, round varchar, verdict varchar, cannot_judge boolean, comment varchar,
    seconds double, reviewed_at timestamp
);

-- What a reader of a chain reads: another fingerprint is another text.
create macro fingerprint_of(question, expected, answer, steps, evidence, report, prior) as sha256(to_json({
    'question': question, 'expected': expected, 'answer': answer, 'steps': steps, 'evidence': evidence,
    'report': report, 'prior': prior})::varchar);

-- Reviews of chains as they are today, in every round. A reader who reviews a chain again in the same round replaces the
-- earlier word, in whichever study that was. Fingerprints are taken of the chains that were reviewed alone: of all chains
-- they would cost ten seconds at the size of MIMIC.
create view fresh_reviews as
with wanted as (select distinct chain_id from reviews where fingerprint is not null),
reviewed as (
    select chain_id, fingerprint_of(
        questions.text, questions.answer, chains.answer, steps, evidence, reports.text, prior_reports.text) as fingerprint
    from wanted join chains using (chain_id) join questions using (question_id)
    join reports on reports.study_id = chains.study_id
    left join reports as prior_reports on prior_reports.study_id = questions.prior_study_id)
select reviews.* replace (coalesce(round, 'first') as round)
from reviews semi join chains using (chain_id) left join reviewed using (chain_id)
where reviews.fingerprint is null or reviews.fingerprint = reviewed.fingerprint
qualify row_number() over (
    partition by chain_id, reviewer, coalesce(round, 'first') order by reviewed_at desc nulls last, review_study) = 1;

-- Reviews that decide: of the first round, or the adjudicator's in the place of those.
create view counted_reviews as
select * from fresh_reviews
where round in ('first', 'adjudication') and cannot_judge is not true
  and (round = 'adjudication' or chain_id not in (
      select chain_id from fresh_reviews where round = 'adjudication' and cannot_judge is not true));

drop view factual_chains;

create view factual_chains as
select chains.* exclude (run_id), questions.corpus, questions.split, questions.text as question,
       judge, judge_version, factuality, completeness, effectiveness, radrscore
from current_chains as chains
join latest_scores using (chain_id)
join questions using (question_id)
where factuality >= 1
  and chain_id not in (
      select chain_id from counted_reviews where least(factuality, validity, completeness) < 5);

drop view all_factual_chains;

create view all_factual_chains as
select chains.* exclude (run_id), questions.corpus, questions.split, questions.text as question,
       judge, judge_version, factuality, completeness, effectiveness, radrscore
from chains
join latest_scores using (chain_id)
join questions using (question_id)
where factuality >= 1
  and chain_id not in (
      select chain_id from counted_reviews where least(factuality, validity, completeness) < 5);
