-- Make `asked`: an empty table for the questions about one study.
create or replace temporary table asked (
    study_id varchar, task varchar, findings varchar[], text varchar,
    options struct(letter varchar, findings varchar[])[], answer varchar, answer_findings varchar[])
