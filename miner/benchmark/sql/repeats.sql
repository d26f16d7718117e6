-- Per corpus: its reports, how many repeat another's words, and how many are shared with a stronger split.
select corpus, count(*), count(*) - count(distinct text_key),
       (select count(*) from leak_shared s where s.corpus = t.corpus and kind = 'exact'),
       (select count(*) from leak_shared s where s.corpus = t.corpus and kind = 'near')
from leak_texts t group by corpus order by corpus
