-- view: price
-- forms: live
-- Prices of classes of nodes, sheet by sheet, with every version that was ever applied.
select
    s.sheet_id, -- Number that rated hours carry.
    s.sheet, -- Name of the sheet.
    s.datacenters, -- Datacenters it is for; NULL = all that no other sheet in force names.
    s.valid_from, -- Since when it is in force.
    s.valid_to, -- Until when, exclusive; NULL = until another one begins.
    s.superseded_at, -- When a newer version replaced it; NULL = current.
    s.currency, -- ISO 4217 code of the currency.
    s.month_basis, -- calendar or 730h: what a price per month is divided by.
    c.position, -- Place of the class in the sheet; the first that a node matches counts.
    c.class as node_class, -- Class of nodes.
    c.instance_types, -- Instance types it matches; empty = any.
    c.labels, -- Labels a node needs.
    c.per, -- hour or month: time the prices are for.
    c.node_price, -- Price of a whole node; NULL = priced by resource.
    c.core_price, -- Price of a core; NULL = priced by node.
    c.gib_price, -- Price of a GiB of memory.
    c.gpu_price, -- Price of a GPU card.
    c.cpu_to_ram, -- What a core costs, in GiB of memory, where a node's price is split.
    c.gpu_to_ram, -- What a GPU card costs, in GiB of memory.
    c.discount, -- Share that is taken off.
    s.applied_at, -- When this version was applied.
    s.applied_by -- Who applied it.
from ledger.price_sheet as s
join ledger.price_class as c using (sheet_id)
