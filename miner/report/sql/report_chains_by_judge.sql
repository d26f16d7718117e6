-- Make the view `report_chains_by_judge`: every chain under each of the judges that scored it.
create or replace temporary view report_chains_by_judge as
select report_chains.* replace (concat_ws(' ', scores.judge, scores.judge_version) as judge,
       scores.factuality as factuality)
from report_chains join scores using (chain_id)
