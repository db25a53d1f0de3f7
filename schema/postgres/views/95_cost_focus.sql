-- script: once
create function fleet.cost_focus(from_at timestamptz, to_at timestamptz)
returns table (
    "BilledCost" numeric, "EffectiveCost" numeric, "ListCost" numeric, "ContractedCost" numeric, "BillingCurrency" text,
    "BillingPeriodStart" timestamptz, "BillingPeriodEnd" timestamptz, "ChargePeriodStart" timestamptz, "ChargePeriodEnd" timestamptz,
    "ChargeCategory" text, "ChargeClass" text, "ChargeDescription" text, "ChargeFrequency" text,
    "ConsumedQuantity" numeric, "ConsumedUnit" text, "PricingQuantity" numeric, "PricingUnit" text, "PricingCategory" text,
    "ProviderName" text, "PublisherName" text, "InvoiceIssuerName" text, "RegionId" text, "RegionName" text,
    "ResourceId" text, "ResourceName" text, "ResourceType" text, "ServiceCategory" text, "ServiceName" text,
    "SkuId" text, "SubAccountId" text, "SubAccountName" text, "BillingAccountId" text, "BillingAccountName" text, "Tags" jsonb
)
language sql stable parallel safe
begin atomic
    with part as (
        select 'Usage' as category, null::text as class, h.hour_at, h.hour_at + interval '1 hour' as end_at, i.*, r.resource, r.nanos, r.quantity, r.unit
        from ledger.cost_hourly as h
        join ledger.cost_line as i using (line_id)
        cross join lateral (values
            ('cpu', h.cpu_nanos, round(h.cpu_charged_core_us / 3.6e9, 6), 'Core-Hours'),
            ('memory', h.memory_nanos, round(h.memory_charged_byte_seconds / 3865470566400.0, 6), 'GiB-Hours'),
            ('gpu', h.gpu_nanos, round(h.gpu_charged_card_us / 3.6e9, 6), 'GPU-Hours')
        ) as r (resource, nanos, quantity, unit)
        where h.hour_at >= from_at and h.hour_at < to_at and (r.nanos <> 0 or r.quantity <> 0)
        union all
        select 'Adjustment', 'Correction', a.hour_at, a.hour_at + interval '1 hour', i.*, r.resource, r.nanos, null, null
        from ledger.cost_adjustment as a
        join ledger.cost_line as i using (line_id)
        cross join lateral (values ('cpu', a.cpu_nanos), ('memory', a.memory_nanos), ('gpu', a.gpu_nanos)) as r (resource, nanos)
        where a.booked_at >= from_at and a.booked_at < to_at and r.nanos <> 0
    )
    select round(p.nanos / 1e9, 9), round(p.nanos / 1e9, 9), round(p.nanos / 1e9, 9), round(p.nanos / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        date_trunc('month', p.hour_at, 'UTC'), date_trunc('month', p.hour_at, 'UTC') + interval '1 month', p.hour_at, p.end_at,
        p.category, p.class,
        p.resource || ' of ' || concat_ws('/', p.namespace, p.workload, p.container), 'Usage-Based',
        p.quantity, p.unit, p.quantity, p.unit, 'Standard',
        'fleetledger', 'fleetledger', 'fleetledger', l.datacenter, l.datacenter,
        concat_ws('/', l.cluster_uid, p.namespace, p.workload_kind, p.workload, p.container),
        coalesce(p.workload, p.namespace), coalesce(p.workload_kind, 'Pod'), 'Compute', 'Kubernetes',
        concat_ws('/', p.node_class, p.resource), l.cluster_uid || '/' || p.namespace, p.namespace, l.cluster_uid, l.cluster,
        p.labels || jsonb_strip_nulls(jsonb_build_object('team', p.team, 'namespace', p.namespace, 'workload', p.workload,
            'container', p.container, 'node_class', p.node_class))
    from part as p
    join ledger.cluster as l using (cluster_id);
end;
comment on function fleet.cost_focus is 'Cost by hour, line and resource in the columns of FOCUS 1.x; what was booked for closed months is an Adjustment with class Correction.';
