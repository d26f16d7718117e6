-- Keep the labels that a report's words assert and the reader did not read.

alter table coverage add column doubted varchar[];
