//! The export in FOCUS, as CSV. Rows are written as the database gives them: a month of a fleet is some million.

use std::fmt::Write as _;

use axum::body::Body;
use fleetledger_queries::ReaderPool;
use futures::StreamExt as _;

use crate::{
    allocation::window::CostWindow,
    errors::{CostError, while_},
};

/// Version of the specification that the export follows; the columns of split cost are those of 1.3.
pub const FOCUS_VERSION: &str = "1.2";

/// Columns, in the order of the specification, which is by name.
pub const FOCUS_COLUMNS: [&str; 51] = [
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
];

/// The rows of a window, as the body of an answer that is written while they are read.
///
/// # Errors
/// The database's, before the first row; later ones end the body short.
pub async fn csv(reader: &ReaderPool, window: CostWindow) -> Result<Body, CostError> {
    let client = reader.get().await.map_err(|error| CostError::Connect {
        step: "read cost in FOCUS",
        why: error.to_string(),
    })?;
    let rows = client
        .copy_out(&copy(window))
        .await
        .map_err(while_("read cost in FOCUS"))?;
    // The connection is in use until the last row.
    let rows = rows.map(move |chunk| {
        let _connection = &client;
        if let Err(error) = &chunk {
            tracing::error!(%error, "an export in FOCUS failed before its end");
        }
        chunk
    });
    Ok(Body::from_stream(rows))
}

/// Instants in the specification's form; the window is two instants that were read, so that nothing of a request's text
/// gets into the statement.
fn copy(window: CostWindow) -> String {
    let mut columns = String::new();
    for name in FOCUS_COLUMNS {
        let _ = match name.contains("Period") {
            true => write!(
                columns,
                "to_char(\"{name}\" at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as \"{name}\", "
            ),
            false => write!(columns, "\"{name}\", "),
        };
    }
    COPY_FOCUS_TEMPLATE
        .replace("{columns}", columns.trim_end_matches(", "))
        .replace("{from}", &window.from.to_string())
        .replace("{to}", &window.to.to_string())
}

/// COPY takes no parameters.
const COPY_FOCUS_TEMPLATE: &str =
    "copy (select {columns} from fleet.cost_focus('{from}', '{to}')) to stdout (format csv, header)";
