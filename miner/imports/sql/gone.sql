-- Make `gone`: the predictions that are replaced; what was said of them goes with them.
create or replace temporary table gone as
select prediction_id from decided where fate = 'write'
union
select prediction_id from predictions join (select distinct model, mode from decided) using (model, mode)
where $replace and benchmark = $benchmark
