-- Make the view `report_chains_by_finding`: every chain under each finding that its question asks about.
create or replace temporary view report_chains_by_finding as
select report_chains.*, unnest(asked) as finding from report_chains
