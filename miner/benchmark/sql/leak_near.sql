-- Make `leak_near`: pairs of texts of different splits that share at least `near` of their word trigrams.
-- The words of the strongest splits look for their like in weaker ones; `held` is small, so this is linear in reports.
create or replace temporary table leak_near as
with held as (select text_key, strongest, size, unnest(shingles) as shingle from leak_distinct where strongest > 1),
wanted as (select distinct shingle from held),
found as (
    select text_key, size, weakest, shingle
    from (select text_key, size, weakest, unnest(shingles) as shingle from leak_distinct) semi join wanted
    using (shingle)),
frequency as (select shingle, count(*) as texts from found group by shingle),
rarest as (
    select text_key, strongest, size, shingle from held join frequency using (shingle)
    qualify row_number() over (partition by text_key order by texts, shingle) <= size - ceil($near * size) + 1),
candidates as (
    select distinct rarest.text_key as held_key, found.text_key as other_key
    from rarest join found using (shingle)
    where rarest.text_key <> found.text_key and found.weakest < rarest.strongest
      and found.size >= $near * rarest.size and rarest.size >= $near * found.size),
measured as (
    select held_key, other_key, a.strongest, a.size + b.size as sizes,
           len(list_intersect(a.shingles, b.shingles)) as shared
    from candidates join leak_distinct as a on a.text_key = held_key join leak_distinct as b
    on b.text_key = other_key)
select held_key, other_key, strongest, shared / (sizes - shared) as jaccard
from measured where shared >= $near * (sizes - shared)
