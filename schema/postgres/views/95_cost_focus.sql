-- script: once
-- A charge is a part of what the nodes of a class cost in an hour: they are its resource, and who it is allocated to stands
-- in the columns that FOCUS 1.3 has for that. Quantities are not rounded to what people read, so that price times
-- quantity is the cost. Prices are in the billing currency, and there are no commitments: these columns say so.
create function fleet.cost_focus(from_at timestamptz, to_at timestamptz)
returns table (
    "BilledCost" numeric, "EffectiveCost" numeric, "ListCost" numeric, "ContractedCost" numeric, "BillingCurrency" text,
    "BillingPeriodStart" timestamptz, "BillingPeriodEnd" timestamptz, "ChargePeriodStart" timestamptz, "ChargePeriodEnd" timestamptz,
    "ChargeCategory" text, "ChargeClass" text, "ChargeDescription" text, "ChargeFrequency" text,
    "ConsumedQuantity" numeric, "ConsumedUnit" text, "PricingQuantity" numeric, "PricingUnit" text, "PricingCategory" text,
    "ProviderName" text, "PublisherName" text, "InvoiceIssuerName" text, "RegionId" text, "RegionName" text,
    "ResourceId" text, "ResourceName" text, "ResourceType" text, "ServiceCategory" text, "ServiceName" text,
    "SkuId" text, "SubAccountId" text, "SubAccountName" text, "BillingAccountId" text, "BillingAccountName" text, "Tags" jsonb,
    "ListUnitPrice" numeric, "ContractedUnitPrice" numeric, "SkuPriceId" text, "SkuMeter" text, "SkuPriceDetails" jsonb,
    "ServiceSubcategory" text, "InvoiceId" text, "AllocatedMethodId" text, "AllocatedMethodDetails" jsonb,
    "AllocatedResourceId" text, "AllocatedResourceName" text, "AllocatedTags" jsonb,
    "PricingCurrency" text, "PricingCurrencyListUnitPrice" numeric, "PricingCurrencyContractedUnitPrice" numeric,
    "PricingCurrencyEffectiveCost" numeric, "CommitmentDiscountStatus" text
)
language sql stable parallel safe
begin atomic
    with part as (
        select 'Usage' as category, null::text as class, h.hour_at as billed_at, h.hour_at, h.hour_at + interval '1 hour' as end_at,
            i.*, r.resource, r.nanos, r.quantity, r.unit
        from ledger.cost_hourly as h
        join ledger.cost_line as i using (line_id)
        cross join lateral (values
            ('cpu', h.cpu_nanos, round(h.cpu_charged_core_us / 3.6e9, 15), 'Core-Hours'),
            ('memory', h.memory_nanos, round(h.memory_charged_byte_seconds / 3865470566400.0, 15), 'GiB-Hours'),
            ('gpu', h.gpu_nanos, round(h.gpu_charged_card_us / 3.6e9, 15), 'GPU-Hours')
        ) as r (resource, nanos, quantity, unit)
        where h.hour_at >= from_at and h.hour_at < to_at and (r.nanos <> 0 or r.quantity <> 0)
        union all
        select 'Adjustment', 'Correction', a.booked_at, a.hour_at, a.hour_at + interval '1 hour', i.*, r.resource, r.nanos, null, null
        from ledger.cost_adjustment as a
        join ledger.cost_line as i using (line_id)
        cross join lateral (values ('cpu', a.cpu_nanos), ('memory', a.memory_nanos), ('gpu', a.gpu_nanos)) as r (resource, nanos)
        where a.booked_at >= from_at and a.booked_at < to_at and r.nanos <> 0
    ), origin as (
        select p.*, p.namespace in ('__idle__', '__system__') as nobodys, date_trunc('month', p.billed_at, 'UTC') as month_at,
            round(p.nanos / 1e9, 9) as cost, round(p.nanos / 1e9 / nullif(p.quantity, 0), 15) as unit_price,
            (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1) as currency, coalesce(p.node_class, 'unpriced') as sku,
            concat_ws('/', p.namespace, p.workload_kind, p.workload, p.container) as allocated,
            round(p.nanos / nullif(sum(p.nanos) over (partition by p.category, p.hour_at, p.cluster_id, p.node_class, p.resource), 0), 15) as ratio
        from part as p
    )
    select o.cost, o.cost, o.cost, o.cost, o.currency,
        o.month_at, o.month_at + interval '1 month', o.hour_at, o.end_at,
        o.category, o.class,
        o.resource || ' of ' || concat_ws('/', o.namespace, o.workload, o.container), 'Usage-Based',
        o.quantity, o.unit, o.quantity, o.unit, 'Standard',
        'fleetledger', 'fleetledger', 'fleetledger', l.datacenter, l.datacenter,
        case when o.node_class is null then l.cluster_uid || '/' || o.allocated else concat_ws('/', l.cluster_uid, 'nodes', o.node_class) end,
        coalesce(o.node_class, o.workload, o.namespace),
        case when o.node_class is null then coalesce(o.workload_kind, 'Pod') else 'Nodes' end,
        'Compute', 'Kubernetes',
        o.sku || '/' || o.resource, l.cluster_uid || '/' || o.namespace, o.namespace, l.cluster_uid, l.cluster,
        jsonb_strip_nulls(jsonb_build_object('team', o.team, 'namespace', o.namespace, 'node_class', o.node_class)),
        o.unit_price, o.unit_price,
        o.sku || '/' || o.resource,
        case o.resource when 'cpu' then 'CPU' when 'memory' then 'Memory' else 'GPU' end,
        jsonb_build_object(case o.resource when 'cpu' then 'CoreCount' when 'memory' then 'MemorySize' else 'GpuCount' end, 1, 'x_NodeClass', o.sku),
        'Containers',
        l.cluster_uid || '/' || to_char(o.month_at at time zone 'UTC', 'YYYY-MM'),
        case when o.node_class is not null then 'fleetledger/larger-of-request-and-usage' end,
        case when o.node_class is not null and o.category = 'Usage' then jsonb_build_object('Elements', jsonb_build_array(
            jsonb_strip_nulls(jsonb_build_object('AllocatedRatio', o.ratio, 'UsageUnit', o.unit, 'UsageQuantity', o.quantity)))) end,
        case when o.node_class is not null and not o.nobodys then o.allocated end,
        case when o.node_class is not null and not o.nobodys then coalesce(o.workload, o.namespace) end,
        case when o.node_class is not null and not o.nobodys then
            o.labels || jsonb_strip_nulls(jsonb_build_object('workload_kind', o.workload_kind, 'workload', o.workload, 'container', o.container)) end,
        o.currency, o.unit_price, o.unit_price, o.cost, null
    from origin as o
    join ledger.cluster as l using (cluster_id);
end;
comment on function fleet.cost_focus is 'Cost by hour, line and resource in the columns of FOCUS 1.2, with those of FOCUS 1.3 for split cost: the resource is the nodes of a class in a cluster, which it is allocated from, and idle and system are the part that is allocated to nobody. What was booked for closed months is an Adjustment with class Correction, in the billing period in which it was booked. InvoiceId names the month of a cluster, which is provisional until the month is closed.';
