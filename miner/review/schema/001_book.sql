-- A review book: one study, what its readers are shown and in which order, and every change that they made.

create table study (
    review_study text not null, store text not null, what text not null, settings text not null,
    drawn_at text not null, beginning text not null, closed_at text
);
create table readers (
    reader text primary key, token text not null unique, is_adjudicator integer not null
);
create table items (
    item_id text primary key, chain_id text, study_id text not null, patient_id text, corpus text not null,
    licence text not null, task text, fingerprint text not null, digest text not null,
    content text not null, images text not null, training text, is_stale integer not null default 0
);
create table places (
    reader text not null, position integer not null, item_id text not null, round text not null,
    is_done integer not null default 0,
    primary key (reader, position)
) without rowid;
create index places_of_items on places (item_id);

-- Each line is hashed with the one before. `old` and `new` are JSON; what the study itself does has no reader.
create table events (
    no integer primary key, event text not null unique, at text not null, reader text not null,
    position integer not null, item_id text not null, fingerprint text not null, round text not null,
    field text not null, old text, new text, seconds real not null, previous text not null, hash text not null
);
create trigger events_are_never_changed before update on events
begin select raise(abort, 'events are only ever added'); end;
create trigger events_are_never_removed before delete on events
begin select raise(abort, 'events are only ever added'); end;

-- What the events come to: the newest value of every field. It can be made again from them.
create table marks (
    reader text not null, position integer not null, field text not null, value text not null,
    primary key (reader, position, field)
) without rowid;
