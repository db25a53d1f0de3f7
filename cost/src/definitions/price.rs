//! Price sheets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml::{Spanned, value::Datetime};
use utoipa::ToSchema;

use super::{
    DefinitionFault,
    place::{DefinitionText, TomlNumber, decimal},
};

/// GiB of memory that a core costs where a sheet says nothing: about what clouds ask for both.
const CPU_TO_RAM: f64 = 8.0;
/// GiB of memory that a GPU card costs where a sheet says nothing.
const GPU_TO_RAM: f64 = 250.0;

/// A price sheet: what is in force from an instant on in some datacenters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PriceSheet {
    /// Its name.
    pub sheet: String,
    /// Datacenters it is for; `None` = all that no other sheet in force names.
    pub datacenters: Option<Vec<String>>,
    /// Since when it is in force.
    #[schema(value_type = String)]
    pub valid_from: Timestamp,
    /// Until when, exclusive; `None` = until another one begins.
    #[schema(value_type = Option<String>)]
    pub valid_to: Option<Timestamp>,
    /// ISO 4217 code.
    pub currency: String,
    /// What a price per month is divided by.
    pub month_basis: MonthBasis,
    /// Classes; the first that a node matches counts.
    pub classes: Vec<NodeClass>,
}

/// What a price per month is divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum MonthBasis {
    /// The hours of the calendar month: 672 to 744.
    #[default]
    #[serde(rename = "calendar")]
    Calendar,
    /// 730 hours, in every month.
    #[serde(rename = "730h")]
    Hours730,
}

impl MonthBasis {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Hours730 => "730h",
        }
    }
}

/// A class of nodes and its prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeClass {
    /// Its name.
    pub class: String,
    /// Instance types it matches; empty = any.
    pub instance_types: Vec<String>,
    /// Labels a node needs, all of them.
    pub labels: BTreeMap<String, String>,
    /// Its prices.
    pub prices: ClassPrices,
    /// Share that is taken off, such as 0.1.
    pub discount: String,
}

/// Prices, as decimal text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassPrices {
    /// Of the whole node, split over what it has.
    Node {
        /// The price.
        node: String,
        /// Time it is for.
        per: PricePeriod,
        /// What a core costs, in GiB of memory.
        cpu_to_ram: String,
        /// What a card costs, in GiB of memory.
        gpu_to_ram: String,
    },
    /// Of each resource.
    Resources {
        /// Of a core.
        core: String,
        /// Of a GiB of memory.
        gib: String,
        /// Of a GPU card.
        gpu: String,
        /// Time they are for.
        per: PricePeriod,
    },
}

/// Time a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PricePeriod {
    /// An hour.
    Hour,
    /// A month; see [`MonthBasis`].
    Month,
}

impl PricePeriod {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Month => "month",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SheetText {
    sheet: Spanned<String>,
    datacenters: Option<Spanned<Vec<String>>>,
    valid_from: Spanned<Datetime>,
    valid_to: Option<Spanned<Datetime>>,
    currency: Spanned<String>,
    #[serde(default)]
    month_basis: MonthBasis,
    #[serde(default)]
    class: Vec<Spanned<ClassText>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassText {
    class: Spanned<String>,
    #[serde(default)]
    instance_types: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    price_per_node_month: Option<Spanned<toml::Value>>,
    price_per_node_hour: Option<Spanned<toml::Value>>,
    price_per_core_hour: Option<Spanned<TomlNumber>>,
    price_per_gib_hour: Option<Spanned<TomlNumber>>,
    price_per_gpu_hour: Option<Spanned<TomlNumber>>,
    price_per_core_month: Option<Spanned<TomlNumber>>,
    price_per_gib_month: Option<Spanned<TomlNumber>>,
    price_per_gpu_month: Option<Spanned<TomlNumber>>,
    cpu_to_ram: Option<Spanned<TomlNumber>>,
    gpu_to_ram: Option<Spanned<TomlNumber>>,
    discount: Option<Spanned<TomlNumber>>,
}

/// What a node's price may consist of.
const PARTS: [&str; 5] = ["amortisation", "power", "space", "staff", "other"];

pub(super) fn read(
    sheet: Spanned<SheetText>,
    text: &DefinitionText<'_>,
    faults: &mut Vec<DefinitionFault>,
) -> Option<PriceSheet> {
    let before = faults.len();
    let line = text.line(&sheet.span());
    let sheet = sheet.into_inner();
    let name = text.name("sheet", &sheet.sheet, faults);
    let (valid_from, valid_to) = text.dates(&sheet.valid_from, sheet.valid_to.as_ref(), faults);
    let currency = sheet.currency.get_ref();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        let what = format!("`{currency}` is not an ISO 4217 code of three capital letters");
        faults.push(text.fault(text.line(&sheet.currency.span()), "currency", what));
    }
    if let Some(datacenters) = sheet.datacenters.as_ref().filter(|one| one.get_ref().is_empty()) {
        let what = "is empty; omit it if the sheet is for every datacenter";
        faults.push(text.fault(text.line(&datacenters.span()), "datacenters", what));
    }
    if sheet.class.is_empty() {
        faults.push(text.fault(
            line,
            "class",
            "is missing: a sheet must price at least one class of nodes",
        ));
    }
    let mut names = BTreeSet::new();
    let mut classes = Vec::new();
    for class in sheet.class {
        let line = text.line(&class.span());
        let class = class.into_inner();
        if !names.insert(class.class.get_ref().clone()) {
            let what = format!("`{}` appears twice in sheet `{name}`", class.class.get_ref());
            faults.push(text.fault(line, "class", what));
        }
        classes.extend(read_class(&class, line, text, faults));
    }
    (faults.len() == before).then(|| PriceSheet {
        sheet: name,
        datacenters: sheet.datacenters.map(Spanned::into_inner),
        valid_from,
        valid_to,
        currency: currency.clone(),
        month_basis: sheet.month_basis,
        classes,
    })
}

fn read_class(
    class: &ClassText,
    line: usize,
    text: &DefinitionText<'_>,
    faults: &mut Vec<DefinitionFault>,
) -> Option<NodeClass> {
    let name = text.name("class", &class.class, faults);
    let mut share = |key: &str, number: &Option<Spanned<TomlNumber>>, default: f64| match number {
        None => decimal(default),
        Some(number) => {
            let value = number.get_ref().value();
            let is_right = match key {
                "discount" => (0.0..1.0).contains(&value),
                _ => value.is_finite() && value > 0.0,
            };
            if !is_right {
                let what = match key {
                    "discount" => format!("{value} is not a share; it must be at least 0 and less than 1"),
                    _ => format!("{value} is not a ratio; it must be more than 0"),
                };
                faults.push(text.fault(text.line(&number.span()), key, what));
            }
            decimal(value)
        }
    };
    let discount = share("discount", &class.discount, 0.0);
    let cpu_to_ram = share("cpu_to_ram", &class.cpu_to_ram, CPU_TO_RAM);
    let gpu_to_ram = share("gpu_to_ram", &class.gpu_to_ram, GPU_TO_RAM);
    let by_hour = [
        &class.price_per_core_hour,
        &class.price_per_gib_hour,
        &class.price_per_gpu_hour,
    ];
    let by_month = [
        &class.price_per_core_month,
        &class.price_per_gib_month,
        &class.price_per_gpu_month,
    ];
    let ways = [
        class.price_per_node_month.is_some(),
        class.price_per_node_hour.is_some(),
        by_hour.iter().any(|price| price.is_some()),
        by_month.iter().any(|price| price.is_some()),
    ];
    if ways.iter().filter(|way| **way).count() != 1 {
        let what = "has no price, or prices of several kinds: give price_per_node_month, price_per_node_hour, \
            price_per_core|gib|gpu_hour, or price_per_core|gib|gpu_month";
        faults.push(text.fault(line, "class", what));
        return None;
    }
    let prices = if let Some(node) = &class.price_per_node_month {
        let node = node_price("price_per_node_month", node, text, faults);
        ClassPrices::Node {
            node,
            per: PricePeriod::Month,
            cpu_to_ram,
            gpu_to_ram,
        }
    } else if let Some(node) = &class.price_per_node_hour {
        let node = node_price("price_per_node_hour", node, text, faults);
        ClassPrices::Node {
            node,
            per: PricePeriod::Hour,
            cpu_to_ram,
            gpu_to_ram,
        }
    } else {
        let (per, all) = if by_hour.iter().any(|price| price.is_some()) {
            (PricePeriod::Hour, by_hour)
        } else {
            (PricePeriod::Month, by_month)
        };
        let mut each = all.iter().zip(["core", "gib", "gpu"]).map(|(price, unit)| {
            let key = format!("price_per_{unit}_{}", per.as_str());
            match price {
                Some(price) => text.price(&key, price, faults),
                None => {
                    let what =
                        "is missing: a class needs a price for each of core, gib and gpu, or one for the \
                         node";
                    faults.push(text.fault(line, &key, what));
                    String::new()
                }
            }
        });
        let mut next = || each.next().unwrap_or_default();
        ClassPrices::Resources {
            core: next(),
            gib: next(),
            gpu: next(),
            per,
        }
    };
    Some(NodeClass {
        class: name,
        instance_types: class.instance_types.clone(),
        labels: class.labels.clone(),
        prices,
        discount,
    })
}

/// A number, or a table of the parts it is the sum of.
fn node_price(
    key: &str,
    node: &Spanned<toml::Value>,
    text: &DefinitionText<'_>,
    faults: &mut Vec<DefinitionFault>,
) -> String {
    let line = text.line(&node.span());
    let mut price = |key: &str, value: &toml::Value| {
        let number = match value {
            toml::Value::Integer(number) => Some(*number as f64),
            toml::Value::Float(number) => Some(*number),
            _ => None,
        };
        match number.filter(|number| number.is_finite() && *number >= 0.0) {
            Some(number) => number,
            None => {
                faults.push(text.fault(line, key, format!("{value} is not a price; it must be 0 or more")));
                0.0
            }
        }
    };
    let toml::Value::Table(parts) = node.get_ref() else {
        return decimal(price(key, node.get_ref()));
    };
    let sum: f64 = parts
        .iter()
        .map(|(name, value)| price(&format!("{key}.{name}"), value))
        .sum();
    for name in parts.keys().filter(|name| !PARTS.contains(&name.as_str())) {
        let what = format!("is not a part of a price; the parts are {}", PARTS.join(", "));
        faults.push(text.fault(line, &format!("{key}.{name}"), what));
    }
    // Parts have at most a few decimals: what binary fractions add beyond is not meant.
    decimal((sum * 1e6).round() / 1e6)
}

/// What sheets of several files must not say together.
pub(super) fn check(sheets: &[PriceSheet], faults: &mut Vec<DefinitionFault>) {
    let mut seen = BTreeSet::new();
    let refuse = |what: String| DefinitionFault {
        file: "the price sheets".to_owned(),
        line: 0,
        key: "sheet".to_owned(),
        what,
    };
    for sheet in sheets {
        if !seen.insert((&sheet.sheet, sheet.valid_from)) {
            faults.push(refuse(format!(
                "`{}` from {} appears twice",
                sheet.sheet, sheet.valid_from
            )));
        }
    }
    let currencies: BTreeSet<&str> = sheets.iter().map(|sheet| sheet.currency.as_str()).collect();
    if currencies.len() > 1 {
        let all: Vec<&str> = currencies.into_iter().collect();
        faults.push(refuse(format!(
            "a fleet has one currency, but these sheets have {}",
            all.join(" and ")
        )));
    }
}
