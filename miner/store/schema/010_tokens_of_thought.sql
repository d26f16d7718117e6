-- Let calls know how many of their reply's tokens the model thought with, which nobody sees and everybody pays.

alter table calls add column reasoning_tokens bigint;
