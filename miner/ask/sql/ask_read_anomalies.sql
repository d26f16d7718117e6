-- Ask openly what is abnormal, of the reports in `read_anomalies`.
insert into asked
select study_id, 'anomaly' as task, anomalies as findings, $text as text,
       [] as options, array_to_string(anomalies, ', ') as answer, anomalies as answer_findings
from read_anomalies
