-- script: once
create function fleet.sample_step(step_seconds double precision, window_seconds integer) returns interval
language sql immutable parallel safe
return make_interval(secs => window_seconds * greatest(1, ceil(step_seconds / window_seconds)));
comment on function fleet.sample_step(double precision, integer) is 'The distance of samples that is asked for, rounded up to a whole number of the windows that were sampled.';

create function fleet.cluster_over_time(from_at timestamptz, to_at timestamptz, step_seconds double precision)
returns setof fleet.cluster_sample
language sql stable parallel safe
begin atomic
    select s.*
    from fleet.cluster_sample as s
    where s.window_at >= from_at and s.window_at <= to_at
      and s.window_at = any (array(
          select generate_series(
              date_bin(fleet.sample_step(step_seconds, 300), from_at, 'epoch'), to_at, fleet.sample_step(step_seconds, 300)
          )
      ));
end;
comment on function fleet.cluster_over_time(timestamptz, timestamptz, double precision) is 'Samples of every cluster within a range, one each step_seconds (at least 300): as many rows for a month as for a day.';

create function fleet.namespace_over_time(from_at timestamptz, to_at timestamptz, step_seconds double precision)
returns setof fleet.namespace_sample
language sql stable parallel safe
begin atomic
    select s.*
    from fleet.namespace_sample as s
    where s.window_at >= from_at and s.window_at <= to_at
      and s.window_at = any (array(
          select generate_series(
              date_bin(fleet.sample_step(step_seconds, 3600), from_at, 'epoch'), to_at, fleet.sample_step(step_seconds, 3600)
          )
      ));
end;
comment on function fleet.namespace_over_time(timestamptz, timestamptz, double precision) is 'Samples of every namespace within a range, one each step_seconds (at least 3600). Its restarts are those of the sampled hours alone: for all of them sum namespace_sample.';

create function fleet.cluster_sample_at(instant timestamptz) returns setof fleet.cluster_sample
language sql stable parallel safe
begin atomic
    select distinct on (s.datacenter, s.cluster) s.*
    from fleet.cluster_sample as s
    where s.window_at > instant - interval '1 hour' and s.window_at <= instant
    order by s.datacenter, s.cluster, s.window_at desc;
end;
comment on function fleet.cluster_sample_at(timestamptz) is 'The newest sample of each cluster in the hour before an instant: totals of the fleet without a scan of it.';

create function fleet.namespace_sample_at(instant timestamptz) returns setof fleet.namespace_sample
language sql stable parallel safe
begin atomic
    select distinct on (s.datacenter, s.cluster, s.namespace) s.*
    from fleet.namespace_sample as s
    where s.window_at > instant - interval '3 hours' and s.window_at <= instant
    order by s.datacenter, s.cluster, s.namespace, s.window_at desc;
end;
comment on function fleet.namespace_sample_at(timestamptz) is 'The newest sample of each namespace in the three hours before an instant.';
