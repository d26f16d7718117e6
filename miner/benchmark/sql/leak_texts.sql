-- Make `leak_texts`: the words of every report, without marks and letter case, and a key of them.
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
