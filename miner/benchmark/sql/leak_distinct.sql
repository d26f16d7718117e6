-- Make `leak_distinct`: every text once, with its word trigrams and the weakest and strongest split it stands in.
create or replace temporary table leak_distinct as
with texts as (
    select text_key, string_split(any_value(words), ' ') as words,
           max(list_position($weakest_first, split)) as strongest,
           min(list_position($weakest_first, split)) as weakest
    from leak_texts where list_contains($weakest_first, split) group by text_key),
shingled as (
    select text_key, strongest, weakest, list_distinct(if(
        len(words) < 3, [hash(array_to_string(words, ' '))],
        list_transform(range(1, len(words) - 1), lambda i: hash(words[i], words[i + 1], words[i + 2])))) as shingles
    from texts)
select *, len(shingles) as size from shingled
