-- Make `leak_copied`: questions that hold a window of words that also stands in their report.
create or replace temporary table leak_copied as
with stems as (
    select question_id, study_id, lower(split_part(text, ' Options:', 1)) as stem from questions),
windows as (
    select stem, unnest(list_transform(range(1, greatest(len(words) - ($window - 2), 1)),
                                       lambda i: array_to_string(words[i:i + $window - 1], ' '))) as piece
    from (select stem, string_split(trim(regexp_replace(stem, '[^a-z0-9]+', ' ', 'g')), ' ') as words
          from (select distinct stem from stems))
    where len(words) >= $window)
select distinct question_id from stems join windows using (stem) join leak_texts using (study_id)
where contains(words, piece)
