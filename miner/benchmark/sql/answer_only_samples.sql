-- Samples without reasoning, in their order.
select * from bench_rows($split, $mode, $first, $end, $max_images) order by place
