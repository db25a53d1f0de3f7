-- Generated from schema/avro/namespace.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

    {alias}.uid, -- Kubernetes uid of the namespace: its identity.
    {alias}.uid_text, -- Text of uid where that was hashed from another form; NULL in the common case.
    {alias}.namespace, -- Namespace name.
    {alias}.created_at, -- metadata.creationTimestamp; NULL where the object has none.
    {alias}.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    {alias}.labels, -- Allow-listed labels.
    {alias}.annotations, -- Allow-listed annotations.
    {alias}.finalizers, -- metadata.finalizers, sorted.
    {alias}.phase, -- Active or Terminating.
    {alias}.conditions, -- Conditions, sorted by type; they say why a deletion hangs.
